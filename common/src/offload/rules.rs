//! The rules of coalescing, in the order they are asked: the first that is broken names the reason.
//!
//! [`refusal`] asks what a packet must be by itself, [`join`] whether it fits the train held for its
//! flow, [`closing`] whether that train can take another after it. They decide and touch nothing.

use super::packet::{Examined, Facts, Verified};
use super::train::Shape;
use super::{Checksum, GroConfig, GsoType, Profile};
use crate::checksum::sum;
use crate::reason::FlushReason;
use crate::wire::{Bytes, Fragment, Protocol, ipv4, ipv6, tcp};

/// The largest IP packet (G18).
const MAX_IP_LEN: u32 = 65_535;

/// An ordered table: the reason beside the first condition that holds.
macro_rules! first_broken {
    ($($(#[doc = $rule:literal])+ $broken:expr => $reason:ident,)+) => {
        $(if $broken { return Some(FlushReason::$reason); })+
        return None
    };
}

/// Why a packet takes no part, whatever is held.
pub(super) fn refusal(facts: &Facts<'_>, config: &GroConfig) -> Option<FlushReason> {
    let flags = facts.tcp().map_or_else(Default::default, |tcp| tcp.flags());
    first_broken! {
        /// Switched off.
        !config.enabled => Disabled,
        /// G3, G5
        facts.headers.fragment != Fragment::Whole || has_reserved_flag(facts) => Fragment,
        /// G5, G26: not TCP, or behind a header that is not stepped over.
        facts.headers.protocol != Protocol::TCP => NotMergeable,
        /// G2
        !facts.headers.is_ipv6() && facts.network().len() > ipv4::HEADER_LEN => Ipv4Options,
        /// G4, G6
        facts.payload.is_none() => BadLength,
        /// G2
        !facts.headers.is_ipv6() && !ipv4_checksum_holds(facts.network()) => BadIpChecksum,
        /// G7
        facts.checksum == Verified::Bad => BadChecksum,
        /// G30
        facts.checksum == Verified::AllOnes => ChecksumAllOnes,
        /// G21
        flags.intersects(tcp::Flags::SYN) => Syn,
        /// G21
        flags.intersects(tcp::Flags::RST) => Rst,
        /// G21
        flags.intersects(tcp::Flags::URG) => Urg,
        /// G8
        facts.payload == Some(facts.end) => NoPayload,
    }
}

fn has_reserved_flag(facts: &Facts<'_>) -> bool {
    ipv4::Packet::new(facts.network()).is_some_and(|packet| {
        !facts.headers.is_ipv6() && packet.fragment_word() & ipv4::RESERVED != 0
    })
}

/// 0xFFFF passes for 0, but no sender writes it, and segmentation would write 0 (G30).
fn ipv4_checksum_holds(header: &[u8]) -> bool {
    sum(header).folded() == 0xffff && header.be16(10) != Some(0xffff)
}

/// What the second packet of a train said about its IPv4 identification (G16).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ids {
    /// There is no second packet yet.
    Open,
    /// First + n.
    Incrementing,
    /// All the same.
    Fixed,
}

/// What a held train is compared by, beside the bytes of its first packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) shape: Shape,
    /// The sequence number that comes next.
    pub(super) next_seq: u32,
    pub(super) ids: Ids,
    /// How many buffers it has.
    pub(super) packets: usize,
}

impl Held {
    /// A train that begins with `packet`.
    pub(super) fn new(packet: &Examined) -> Self {
        Self {
            shape: packet.shape,
            next_seq: packet.seq.wrapping_add(packet.payload_len),
            ids: if packet.shape.gso_segs > 1 { Ids::Incrementing } else { Ids::Open },
            packets: 1,
        }
    }

    /// G28: the shape of the train when it goes.
    pub(super) fn shape(&self, profile: Profile) -> Shape {
        let mut shape = self.shape;
        let carries_cwr = shape.flags.intersects(tcp::Flags::CWR);
        if carries_cwr && profile == Profile::AccEcn {
            shape.gso_type = shape.gso_type.with(GsoType::ACCECN);
        } else if carries_cwr {
            shape.gso_type = shape.gso_type.with(GsoType::ECN);
        }
        if self.ids == Ids::Fixed {
            shape.gso_type = shape.gso_type.with(GsoType::FIXED_ID);
        }
        shape
    }

    /// The train with `packet` at its end.
    pub(super) fn extend(&mut self, packet: &Examined, ids: Ids) {
        self.next_seq = packet.seq.wrapping_add(packet.payload_len);
        self.shape.ip_len += packet.payload_len;
        self.shape.gso_segs += packet.shape.gso_segs;
        self.shape.flags = self
            .shape
            .flags
            .with(tcp::Flags(packet.shape.flags.0 & tcp::Flags::FIN.with(tcp::Flags::PSH).0));
        self.ids = ids;
        self.packets += 1;
    }
}

/// Why `packet`, which may take part, does not join `held`; or how the train's identifications go on
/// with it. `head` is the train's first packet, `bytes` are the packet's; the flow is the same.
#[inline]
pub(super) fn join(
    held: &Held,
    head: &[u8],
    packet: &Examined,
    bytes: &[u8],
    config: &GroConfig,
) -> Result<Ids, FlushReason> {
    let (train, next) = (Side::new(head, &held.shape), Side::new(bytes, &packet.shape));
    match mismatch(&train, &next, config.profile).or_else(|| misfit(held, packet, config)) {
        Some(reason) => Err(reason),
        None => ids(held, &train, &next, config.profile).ok_or(FlushReason::IpId),
    }
}

/// What the headers have in common (G1, G5, G9, G11–G15).
#[inline]
fn mismatch(train: &Side<'_>, next: &Side<'_>, profile: Profile) -> Option<FlushReason> {
    // Under AccECN CWR is a bit like others; classically it may start a train, but not join one.
    let is_classic = profile != Profile::AccEcn;
    let closers = tcp::Flags::FIN.with(tcp::Flags::PSH);
    let ignored = if is_classic { closers.with(tcp::Flags::CWR) } else { closers };
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

/// Whether the packet's place in the train is the next one, and there is room (G10, G17, G18, G20).
#[inline]
fn misfit(held: &Held, packet: &Examined, config: &GroConfig) -> Option<FlushReason> {
    let is_super = packet.shape.gso_segs > 1;
    let is_partial = |shape: &Shape| shape.checksum == Checksum::Partial;
    first_broken! {
        /// G10
        packet.seq != held.next_seq => Sequence,
        /// A train says of all its packets at once whether their checksums are complete.
        is_partial(&held.shape) != is_partial(&packet.shape) => ChecksumState,
        /// G20
        is_super && packet.shape.gso_size != held.shape.gso_size => SegmentSize,
        /// G17
        !is_super && packet.payload_len > held.shape.gso_size.into() => LargerSegment,
        /// G18
        held.shape.ip_len + packet.payload_len > config.max_size.min(MAX_IP_LEN) => MaxSize,
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

/// Why `held` takes no more packets after its last one, `packet`.
#[inline]
pub(super) fn closing(held: &Held, packet: &Examined, config: &GroConfig) -> Option<FlushReason> {
    let flags = packet.shape.flags;
    let full = u32::from(held.shape.gso_size) * u32::from(packet.shape.gso_segs);
    first_broken! {
        /// G21
        flags.intersects(tcp::Flags::FIN) => Fin,
        /// G21
        flags.intersects(tcp::Flags::PSH) => Push,
        /// G22
        packet.payload_len < full => ShortSegment,
        /// What the port takes.
        held.packets >= config.max_segments => MaxSegments,
    }
}

/// The header fields of one packet. All headers are there: [`refusal`] has seen to it.
struct Side<'a> {
    link: &'a [u8],
    network: &'a [u8],
    transport: &'a [u8],
    is_ipv6: bool,
}

impl<'a> Side<'a> {
    #[inline]
    fn new(bytes: &'a [u8], shape: &Shape) -> Self {
        let layout = shape.layout;
        let header = bytes.get(..layout.payload.into()).unwrap_or_default();
        let (front, transport) =
            header.split_at_checked(layout.transport.into()).unwrap_or_default();
        let (link, network) = front.split_at_checked(layout.network.into()).unwrap_or_default();
        Self { link, network, transport, is_ipv6: shape.gso_type == GsoType::TCPV6 }
    }

    fn ipv4(&self) -> Option<ipv4::Packet<&'a [u8]>> {
        if self.is_ipv6 { None } else { ipv4::Packet::new(self.network) }
    }

    fn ipv6(&self) -> Option<ipv6::Packet<&'a [u8]>> {
        if self.is_ipv6 { ipv6::Packet::new(self.network) } else { None }
    }

    /// MAC addresses, VLAN tags, EtherType.
    fn link(&self) -> &'a [u8] {
        self.link
    }

    fn flow_label(&self) -> Option<u32> {
        self.ipv6().map(|packet| packet.flow_label())
    }

    /// Next header and extension headers.
    fn extensions(&self) -> Option<(Protocol, &'a [u8])> {
        let packet = self.ipv6()?;
        Some((packet.next_header(), self.network.get(ipv6::HEADER_LEN..)?))
    }

    fn ttl(&self) -> Option<u8> {
        self.network.byte(if self.is_ipv6 { 7 } else { 8 })
    }

    fn tos(&self) -> Option<u8> {
        match self.ipv6() {
            Some(packet) => Some(packet.traffic_class()),
            None => self.ipv4().map(|packet| packet.tos()),
        }
    }

    fn dont_fragment(&self) -> bool {
        self.ipv4().is_some_and(|packet| packet.fragment_word() & ipv4::DF != 0)
    }

    fn id(&self) -> Option<u16> {
        self.ipv4().map(|packet| packet.id())
    }

    fn header_len(&self) -> usize {
        self.transport.len()
    }

    fn reserved(&self) -> Option<u8> {
        self.transport.byte(12).map(|byte| byte & 0x0f)
    }

    fn flags(&self) -> tcp::Flags {
        self.transport.byte(13).map_or_else(Default::default, tcp::Flags)
    }

    fn acknowledgement(&self) -> Option<[u8; 4]> {
        self.transport.read(8)
    }

    fn window(&self) -> Option<u16> {
        self.transport.be16(14)
    }

    fn options(&self) -> Option<&'a [u8]> {
        self.transport.get(tcp::HEADER_LEN..)
    }
}
