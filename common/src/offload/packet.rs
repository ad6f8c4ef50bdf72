//! What a packet's own bytes say, before any train is looked at: may it take part (G2–G8, G21)?

use core::ops::Range;

use super::outer::{OuterFacts, examine_inside};
use super::train::{Checksum, Layout, Shape};
use super::{Buffer, GroConfig, GsoType, RxChecksum, ip_len, rules};
use crate::checksum::{Sum, pseudo_header, sum};
use crate::flow::FlowKey;
use crate::reason::FlushReason;
use crate::wire::{Bytes, Fragment, Headers, Link, Protocol, Tunnel, ethernet, tcp, udp, vlan};

/// A packet that has been looked at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Examined {
    /// Its shape as a train of one.
    pub(super) shape: Shape,
    /// Whose held packets go before it; `None` where no flow can be told.
    pub(super) flow: Option<FlowKey>,
    /// Why it takes no part; `None`: it may join or start a train.
    pub(super) refusal: Option<FlushReason>,
    pub(super) seq: u32,
    pub(super) payload_len: u32,
    /// How many pieces its buffer has.
    pub(super) pieces: usize,
}

/// Looks at `packet`. `segment_size` is 0 for a wire packet; for a super-packet (G20) its segment size.
pub(super) fn examine<H: Buffer>(packet: &H, segment_size: u16, config: &GroConfig) -> Examined {
    let head = packet.head();
    let Ok(headers) = Headers::parse(head, config.link) else {
        return opaque(packet.total_len(), packet.pieces());
    };
    match Tunnel::find(head, &headers, &config.tunnel_ports) {
        None => examine_plain(packet, &headers, segment_size, config),
        Some(found) => examine_inside(packet, &headers, found, segment_size, config),
    }
}

/// Looks at `packet` without asking whether it is a tunnel's.
#[inline]
pub(super) fn examine_plain<H: Buffer>(
    packet: &H,
    headers: &Headers,
    segment_size: u16,
    config: &GroConfig,
) -> Examined {
    let head = packet.head();
    let lengths = Lengths::of(head, packet.total_len(), headers, config.link);
    let payload = lengths.payload(head, headers);
    let checksum =
        payload.map_or(Verified::Unknown, |_| verify(packet, lengths.end, headers, config));
    let facts = Facts { head, headers, end: lengths.end, payload, checksum, outer: None };
    Examined {
        flow: FlowKey::of(headers),
        refusal: rules::refusal(&facts, config),
        ..facts.examined(packet.pieces(), segment_size)
    }
}

/// What has been found out about a packet that has [`Headers`].
pub(super) struct Facts<'a> {
    /// The first piece, with all headers.
    pub(super) head: &'a [u8],
    pub(super) headers: &'a Headers,
    /// Where the IP packet ends.
    pub(super) end: usize,
    /// Where the payload begins; `None`: the lengths disagree, or it is neither TCP nor UDP.
    pub(super) payload: Option<usize>,
    pub(super) checksum: Verified,
    /// What stands around the packet these facts are about, if it is inside a tunnel.
    pub(super) outer: Option<&'a OuterFacts<'a>>,
}

impl<'a> Facts<'a> {
    /// What they make of the packet, without flow and refusal.
    #[inline]
    pub(super) fn examined(&self, pieces: usize, segment_size: u16) -> Examined {
        Examined {
            shape: self.shape(segment_size),
            flow: None,
            refusal: None,
            seq: self.tcp().map_or(0, |tcp| tcp.seq()),
            payload_len: self.payload_len(),
            pieces,
        }
    }

    /// The IP header, options or extension headers included, as far as it is there.
    pub(super) fn network(&self) -> &'a [u8] {
        let range = usize::from(self.headers.network)..usize::from(self.headers.transport);
        self.head.get(range).unwrap_or_default()
    }

    pub(super) fn tcp(&self) -> Option<tcp::Segment<&'a [u8]>> {
        if self.headers.protocol != Protocol::TCP {
            return None;
        }
        tcp::Segment::new(self.head.get(self.headers.transport.into()..)?)
    }

    fn payload_len(&self) -> u32 {
        self.payload.map_or(0, |payload| self.end - payload) as u32
    }

    fn shape(&self, segment_size: u16) -> Shape {
        let Headers { network, transport, protocol, .. } = *self.headers;
        let payload = self.payload.map_or(network, |payload| payload as u16);
        let whole = self.payload_len();
        let outer = self.outer.map(OuterFacts::layout);
        let layout = Layout { network, transport, payload, outer };
        let around = self.outer.map_or(GsoType::NONE, OuterFacts::gso_type);
        Shape {
            layout,
            protocol: Some(protocol),
            ip_len: (self.end - usize::from(layout.start())) as u32,
            gso_size: if segment_size == 0 { whole as u16 } else { segment_size },
            gso_segs: self.segments(segment_size),
            gso_type: gso_type(self.headers).with(around),
            flags: self.tcp().map_or_else(Default::default, |tcp| tcp.flags()),
            checksum: self.checksum.state(),
            has_last: false,
        }
    }

    /// G20: how many wire packets a super-packet makes.
    fn segments(&self, segment_size: u16) -> u16 {
        let has_segments = matches!(self.headers.protocol, Protocol::TCP | Protocol::UDP);
        let is_sound = has_segments && self.checksum != Verified::Bad;
        if segment_size == 0 || !is_sound {
            return 1;
        }
        self.payload_len().div_ceil(segment_size.into()).max(1) as u16
    }
}

/// How a train that begins with this packet is segmented.
fn gso_type(headers: &Headers) -> GsoType {
    match headers.protocol {
        Protocol::UDP => GsoType::UDP_L4,
        _ if headers.is_ipv6() => GsoType::TCPV6,
        _ => GsoType::TCPV4,
    }
}

/// Not IP, or headers that cannot be followed.
fn opaque(len: usize, pieces: usize) -> Examined {
    let shape = Shape {
        layout: Layout::default(),
        protocol: None,
        ip_len: len as u32,
        gso_size: 0,
        gso_segs: 1,
        gso_type: GsoType::NONE,
        flags: tcp::Flags::default(),
        checksum: Checksum::Unknown,
        has_last: false,
    };
    let refusal = Some(FlushReason::NotMergeable);
    Examined { shape, flow: None, refusal, seq: 0, payload_len: 0, pieces }
}

/// G4: where the IP packet ends.
pub(super) struct Lengths {
    /// The end of the IP packet; of all bytes where the header lies.
    pub(super) end: usize,
    /// Whether header and bytes agree, Ethernet padding aside.
    pub(super) agree: bool,
}

impl Lengths {
    /// Of a packet of `len` bytes that begins with `head`.
    pub(super) fn of(head: &[u8], len: usize, headers: &Headers, link: Link) -> Self {
        let network = usize::from(headers.network);
        let end = network + ip_len(head, network).unwrap_or(0);
        if end < usize::from(headers.transport) || end > len {
            return Self { end: len, agree: false };
        }
        // A switch that takes a tag off may have padded the frame as if the tag did not count.
        let shortest = ethernet::MIN_FRAME_LEN + headers.vlan.count() * vlan::TAG_LEN;
        let is_padding = matches!(link, Link::Ethernet) && len <= shortest;
        Self { end, agree: end == len || is_padding }
    }

    /// Of a tunnel's packet, what they are with the packet inside looked at: it ends where the outer does.
    pub(super) fn inside(&self, head: &[u8], inner: &Headers) -> Self {
        let network = usize::from(inner.network);
        let ends = ip_len(head, network).is_some_and(|len| network + len == self.end);
        Self {
            end: self.end,
            agree: self.agree && ends && usize::from(inner.transport) <= self.end,
        }
    }

    /// G6: where the payload begins, if the transport header is sound and stands in `head`.
    pub(super) fn payload(&self, head: &[u8], headers: &Headers) -> Option<usize> {
        if !self.agree || headers.fragment != Fragment::Whole {
            return None;
        }
        let transport = usize::from(headers.transport);
        let header_len = match headers.protocol {
            Protocol::TCP => tcp_header_len(head, transport)?,
            Protocol::UDP => udp_header_len(head, transport, self.end)?,
            _ => return None,
        };
        Some(transport + header_len).filter(|payload| *payload <= self.end.min(head.len()))
    }
}

fn tcp_header_len(packet: &[u8], transport: usize) -> Option<usize> {
    let len = usize::from(packet.byte(transport + 12)? >> 4) * 4;
    (len >= tcp::HEADER_LEN).then_some(len)
}

fn udp_header_len(packet: &[u8], transport: usize, end: usize) -> Option<usize> {
    let len = usize::from(packet.be16(transport + 4)?);
    (len >= udp::HEADER_LEN && transport + len == end).then_some(udp::HEADER_LEN)
}

/// What the transport checksum turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verified {
    /// Not looked at.
    Unknown,
    Good,
    /// There is none: 0 in a UDP header.
    Absent,
    /// Right, but written as 0xFFFF where segmentation would write 0 (G30). Linux writes it so when it
    /// completes a checksum in software (`skb_checksum_help`, net/core/dev.c).
    AllOnes,
    Partial,
    Bad,
}

impl Verified {
    /// What a `total` over all that a checksum covers says of it, which stands as `field`.
    pub(super) fn of(total: Sum, field: u16, is_udp: bool) -> Self {
        match (total.folded(), field) {
            // S9: a UDP sender writes 0xFFFF for 0, and so does segmentation.
            (0xffff, 0xffff) if !is_udp => Self::AllOnes,
            (0xffff, _) => Self::Good,
            _ => Self::Bad,
        }
    }

    const fn state(self) -> Checksum {
        match self {
            Self::Good | Self::AllOnes => Checksum::Valid,
            Self::Partial => Checksum::Partial,
            Self::Unknown | Self::Absent | Self::Bad => Checksum::Unknown,
        }
    }
}

/// G7: the transport checksum of a packet whose lengths agree and whose IP packet ends at `end`.
///
/// Where UDP does not merge, whoever gets a datagram verifies it: only a partial checksum is looked for.
pub(super) fn verify<H: Buffer>(
    packet: &H,
    end: usize,
    headers: &Headers,
    config: &GroConfig,
) -> Verified {
    let transport = usize::from(headers.transport);
    let is_udp = headers.protocol == Protocol::UDP;
    let at = transport + if is_udp { udp::CHECKSUM } else { tcp::CHECKSUM };
    let Some(field) = packet.head().be16(at) else { return Verified::Unknown };
    if is_udp && field == 0 {
        return Verified::Absent;
    }
    match config.rx_checksum {
        RxChecksum::Trust => return Verified::Good,
        RxChecksum::Leave => return Verified::Unknown,
        RxChecksum::Verify | RxChecksum::Partial => {}
    }
    let pseudo = pseudo_header(&headers.addresses, headers.protocol, (end - transport) as u16);
    if config.rx_checksum == RxChecksum::Partial && field == pseudo.folded() {
        return Verified::Partial;
    }
    if is_udp && !config.udp {
        return Verified::Unknown;
    }
    Verified::of(pseudo + sum_of(packet, transport..end), field, is_udp)
}

/// The sum of all that a transport checksum covers but its pseudo header, if the checksum holds or once it
/// is completed: with the pseudo header it is all ones.
pub(super) fn sum_of_transport(headers: &Headers, end: usize) -> Sum {
    let len = (end - usize::from(headers.transport)) as u16;
    Sum::of(pseudo_header(&headers.addresses, headers.protocol, len).checksum())
}

/// The sum of the bytes in `range`, which begins in the first piece.
pub(super) fn sum_of<H: Buffer>(packet: &H, range: Range<usize>) -> Sum {
    let head = packet.head();
    let in_head = &head[range.start..range.end.min(head.len())];
    let mut total = sum(in_head);
    let mut summed = in_head.len();
    for piece in packet.rest() {
        let piece = &piece[..piece.len().min(range.len() - summed)];
        total = total.then(sum(piece), summed);
        summed += piece.len();
    }
    total
}
