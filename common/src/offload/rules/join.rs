//! Does a packet fit the train held for its flow (G9–G20)?

use super::held::{Held, Ids, MAX_DATAGRAMS, Series};
use super::lro::lro_mismatch;
use super::side::Side;
use super::tunnel::tunnel_mismatch;
use crate::offload::packet::Examined;
use crate::offload::train::Shape;
use crate::offload::{Checksum, GroConfig, Profile};
use crate::reason::FlushReason;
use crate::wire::{TunnelKind, tcp};

/// The largest IP packet (G18).
const MAX_IP_LEN: u32 = 65_535;

/// Why `packet`, which may take part, does not join `held`; or how the train's identifications go on
/// with it. `head` and `last` are the train's first and last packet, `bytes` are the packet's; the flow is
/// the same.
#[inline]
pub(in crate::offload) fn join(
    held: &Held,
    [head, last]: [&[u8]; 2],
    packet: &Examined,
    bytes: &[u8],
    config: &GroConfig,
) -> Result<Ids, FlushReason> {
    let (train, next) = (Side::new(head, &held.shape), Side::new(bytes, &packet.shape));
    let around = Around::of(held, head, packet, bytes);
    let differs = around
        .as_ref()
        .and_then(Around::mismatch)
        .or_else(|| mismatch(&train, &next))
        .or_else(|| match config.profile {
            _ if held.is_udp() => None,
            Profile::Lro => lro_mismatch(&Side::new(last, &held.shape), &next),
            profile => tcp_mismatch(&train, &next, profile),
        })
        .or_else(|| misfit(held, packet, config));
    if let Some(reason) = differs {
        return Err(reason);
    }
    let (count, profile) = (held.shape.gso_segs, config.profile);
    let may_be_fixed = profile != Profile::Linux612 || train.dont_fragment();
    let inner = series(held.ids.inner, train.id().zip(next.id()), count, may_be_fixed);
    let outer = around.map_or(Some(Series::Open), |outer| outer.series(held, profile));
    inner.zip(outer).map(|(inner, outer)| Ids { inner, outer }).ok_or(FlushReason::IpId)
}

/// What the rules are still to be asked about a TCP packet in one piece, without a flag that closes a train, when the
/// rest of its header is known to be the same as that of the train's first packet.
#[derive(Clone, Copy, Debug)]
pub(in crate::offload) struct Next {
    pub(in crate::offload) seq: u32,
    pub(in crate::offload) payload_len: u16,
    /// IPv4 identifications: the first packet's and this one's.
    pub(in crate::offload) ids: Option<(u16, u16)>,
    pub(in crate::offload) dont_fragment: bool,
}

/// How the identifications go on if the packet joins `held` and another may follow it. `None`: it may join all the
/// same, but [`join`] and [`closing`](super::closing) have to be asked.
#[inline]
pub(in crate::offload) fn goes_on(held: &Held, next: &Next, config: &GroConfig) -> Option<Ids> {
    let shape = &held.shape;
    let fits = next.seq == held.next_seq
        && shape.checksum != Checksum::Partial
        && next.payload_len == shape.gso_size
        && shape.ip_len + u32::from(next.payload_len) <= config.max_size.min(MAX_IP_LEN)
        // With this one and another.
        && held.pieces + 2 <= config.max_segments;
    if !fits {
        return None;
    }
    let may_be_fixed = config.profile != Profile::Linux612 || next.dont_fragment;
    let inner = series(held.ids.inner, next.ids, shape.gso_segs, may_be_fixed)?;
    Some(Ids { inner, outer: Series::Open })
}

/// What stands around a train's packets and the next one's, where they are in a tunnel.
struct Around<'a> {
    kind: TunnelKind,
    train: Side<'a>,
    next: Side<'a>,
}

impl<'a> Around<'a> {
    #[inline]
    fn of(held: &Held, head: &'a [u8], packet: &Examined, bytes: &'a [u8]) -> Option<Self> {
        let (train, next) = (held.shape.layout.outer?, packet.shape.layout.outer?);
        Some(Self {
            kind: train.kind,
            train: Side::outer(head, train),
            next: Side::outer(bytes, next),
        })
    }

    /// The rules of any header, and those of the tunnel's (G31–G33).
    fn mismatch(&self) -> Option<FlushReason> {
        mismatch(&self.train, &self.next)
            .or_else(|| tunnel_mismatch(self.kind, &self.train, &self.next))
    }

    /// G16. Up to Linux 6.17 an outer identification with DF means nothing. Without DF it may not stay the
    /// same whatever the profile, as segmentation would count it up (S6).
    fn series(&self, held: &Held, profile: Profile) -> Option<Series> {
        let dont_fragment = self.train.dont_fragment();
        if dont_fragment && profile == Profile::Linux612 {
            return Some(Series::Open);
        }
        series(
            held.ids.outer,
            self.train.id().zip(self.next.id()),
            held.shape.gso_segs,
            dont_fragment,
        )
    }
}

/// What link and IP headers have in common (G1, G5, G9, G14).
#[inline]
fn mismatch(train: &Side<'_>, next: &Side<'_>) -> Option<FlushReason> {
    first_broken! {
        /// G1
        train.link() != next.link() => LinkHeader,
        /// G5, G9
        train.flow_label() != next.flow_label() || train.extensions() != next.extensions()
            => ExtensionHeaders,
        /// G14
        train.ttl() != next.ttl() => Ttl,
        /// G14
        train.tos() != next.tos() => Tos,
        /// G14
        train.dont_fragment() != next.dont_fragment() => DontFragment,
    }
}

/// What TCP headers have in common (G11–G13, G15).
#[inline]
fn tcp_mismatch(train: &Side<'_>, next: &Side<'_>, profile: Profile) -> Option<FlushReason> {
    // Under AccECN CWR is a bit like others; classically it may start a train, but not join one.
    let is_classic = profile != Profile::AccEcn;
    let closers = tcp::Flags::CLOSING;
    let ignored = if is_classic { closers.with(tcp::Flags::CWR) } else { closers };
    first_broken! {
        /// G12
        train.header_len() != next.header_len() => HeaderLength,
        /// G15
        is_classic && next.flags().intersects(tcp::Flags::CWR) => Cwr,
        /// G12
        train.reserved() != next.reserved()
            || train.flags().without(ignored) != next.flags().without(ignored) => Flags,
        /// G11
        train.acknowledgement() != next.acknowledgement() => Acknowledgement,
        /// G12
        train.window() != next.window() => Window,
        /// G13
        train.options() != next.options() => Options,
    }
}

/// Whether the packet's place in the train is the next one, and there is room (G10, G17–G20).
#[inline]
fn misfit(held: &Held, packet: &Examined, config: &GroConfig) -> Option<FlushReason> {
    let is_super = packet.shape.gso_segs > 1;
    let is_partial = |shape: &Shape| shape.checksum == Checksum::Partial;
    first_broken! {
        /// G10
        !held.is_udp() && packet.seq != held.next_seq => Sequence,
        /// A train says of all its packets at once whether their checksums are complete.
        is_partial(&held.shape) != is_partial(&packet.shape) => ChecksumState,
        /// G20
        is_super && packet.shape.gso_size != held.shape.gso_size => SegmentSize,
        /// G17
        !is_super && packet.payload_len > held.shape.gso_size.into() => LargerSegment,
        /// G18
        held.shape.ip_len + packet.payload_len > config.max_size.min(MAX_IP_LEN) => MaxSize,
        /// G19: only a super-packet brings more than the one there is room for.
        held.is_udp() && held.shape.gso_segs + packet.shape.gso_segs > MAX_DATAGRAMS => MaxDatagrams,
        /// What the port takes.
        held.pieces + packet.pieces > config.max_segments => MaxSegments,
    }
}

/// G16: how the identifications of a train of `count` go on with these, the first packet's and the next one's; `None`: they
/// do not.
#[inline]
fn series(
    so_far: Series,
    ids: Option<(u16, u16)>,
    count: u16,
    may_be_fixed: bool,
) -> Option<Series> {
    let Some((first, id)) = ids else { return Some(Series::Open) };
    match (so_far, id.wrapping_sub(first)) {
        (Series::Open, 0) if may_be_fixed => Some(Series::Fixed),
        (Series::Fixed, 0) => Some(Series::Fixed),
        (Series::Open | Series::Incrementing, n) if n == count => Some(Series::Incrementing),
        _ => None,
    }
}
