//! Does a packet fit the train held for its flow (G9–G20)?

use super::held::{Held, Ids, MAX_DATAGRAMS};
use super::side::Side;
use crate::offload::packet::Examined;
use crate::offload::train::Shape;
use crate::offload::{Checksum, GroConfig, Profile};
use crate::reason::FlushReason;
use crate::wire::tcp;

/// The largest IP packet (G18).
const MAX_IP_LEN: u32 = 65_535;

/// Why `packet`, which may take part, does not join `held`; or how the train's identifications go on
/// with it. `head` is the train's first packet, `bytes` are the packet's; the flow is the same.
#[inline]
pub(in crate::offload) fn join(
    held: &Held,
    head: &[u8],
    packet: &Examined,
    bytes: &[u8],
    config: &GroConfig,
) -> Result<Ids, FlushReason> {
    let (train, next) = (Side::new(head, &held.shape), Side::new(bytes, &packet.shape));
    let differs = mismatch(&train, &next)
        .or_else(|| if held.is_udp() { None } else { tcp_mismatch(&train, &next, config.profile) })
        .or_else(|| misfit(held, packet, config));
    match differs {
        Some(reason) => Err(reason),
        None => ids(held, &train, &next, config.profile).ok_or(FlushReason::IpId),
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
    let closers = tcp::Flags::FIN.with(tcp::Flags::PSH);
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

/// G16: how the identifications go on; `None`: they do not.
#[inline]
fn ids(held: &Held, train: &Side<'_>, next: &Side<'_>, profile: Profile) -> Option<Ids> {
    let (Some(first), Some(id)) = (train.id(), next.id()) else {
        return Some(Ids::Open);
    };
    let may_be_fixed = profile != Profile::Linux612 || train.dont_fragment();
    match (held.ids, id.wrapping_sub(first)) {
        (Ids::Open, 0) if may_be_fixed => Some(Ids::Fixed),
        (Ids::Fixed, 0) => Some(Ids::Fixed),
        (Ids::Open | Ids::Incrementing, n) if n == held.shape.gso_segs => Some(Ids::Incrementing),
        _ => None,
    }
}
