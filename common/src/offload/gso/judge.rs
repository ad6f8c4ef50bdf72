//! What is to be done with a packet, from what it and its vnet header say (S1, S15).

use super::fragment::Fragments;
use super::jumbo::is_jumbogram;
use super::{Limits, Work};
use crate::offload::template::{Outer, OuterPlace, Template};
use crate::offload::{GsoType, VnetHeader, ip_len};
use crate::reason::DropReason;
use crate::wire::{Bytes, Fragment, Headers, Protocol, Tunnel, TunnelKind, tcp, udp};

/// The size by which Linux marks a packet whose buffers are its segments (`GSO_BY_FRAGS`); it takes it from
/// nobody.
const BY_FRAGS: u16 = 0xffff;

/// A checksum that is to be completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Completion {
    /// It covers everything from here on.
    pub(super) start: usize,
    /// It stands here.
    pub(super) at: usize,
}

/// S1: a packet that is not segmented. S11: a datagram that does not fit is fragmented.
pub(super) fn whole(
    packet: &[u8],
    headers: &Headers,
    vnet: &VnetHeader,
    limits: Limits,
) -> Result<Work, DropReason> {
    let checksum = completion(packet, headers, vnet)?;
    if packet.len() > limits.mtu {
        return fragments(packet, headers, checksum, limits, usize::MAX);
    }
    Ok(checksum.map_or(Work::Whole, Work::Complete))
}

/// S11, S15: a datagram that says it is to be fragmented. Its segment size is that of the fragments; what the
/// MTU allows may be less. The sender's DF counts for more than its asking.
pub(super) fn datagram(
    packet: &[u8],
    headers: &Headers,
    vnet: &VnetHeader,
    limits: Limits,
) -> Result<Work, DropReason> {
    if headers.protocol != Protocol::UDP {
        return Err(DropReason::UnknownGsoType);
    }
    if header_end(packet, headers).is_none() || lies(packet, headers, vnet) {
        return Err(DropReason::BadVnetHeader);
    }
    let checksum = completion(packet, headers, vnet)?;
    let size = usize::from(vnet.gso_size);
    // By the size as it was asked for: fragments may have to be smaller, a whole datagram need not be.
    if packet.len() - usize::from(headers.transport) <= size {
        return whole(packet, headers, vnet, limits);
    }
    fragments(packet, headers, checksum, limits, size)
        .or_else(|_| whole(packet, headers, vnet, limits))
}

fn fragments(
    packet: &[u8],
    headers: &Headers,
    checksum: Option<Completion>,
    limits: Limits,
    most: usize,
) -> Result<Work, DropReason> {
    let is_sound = header_end(packet, headers).is_some() && ip_len(packet, 0) == Some(packet.len());
    let fragments = Fragments::new(packet, headers, checksum, limits, most);
    fragments.filter(|_| is_sound).map(Work::Fragment).ok_or(DropReason::TooLarge)
}

/// Which checksum the vnet header wants completed, S15: of the packet, behind the IP header, and where the
/// transport has it.
fn completion(
    packet: &[u8],
    headers: &Headers,
    vnet: &VnetHeader,
) -> Result<Option<Completion>, DropReason> {
    if !vnet.needs_csum() {
        return Ok(None);
    }
    let (start, offset) = (usize::from(vnet.csum_start), usize::from(vnet.csum_offset));
    let expected = checksum_offset(headers.protocol);
    let at_transport = start == usize::from(headers.transport);
    let lies = start < usize::from(headers.transport)
        || start + offset + 2 > packet.len()
        || at_transport && expected.is_some_and(|expected| expected != offset);
    if lies {
        Err(DropReason::BadVnetHeader)
    } else {
        Ok(Some(Completion { start, at: start + offset }))
    }
}

/// S2, S15: a packet that says it is to be segmented.
pub(super) fn split(
    packet: &[u8],
    headers: &Headers,
    vnet: &VnetHeader,
    limits: Limits,
) -> Result<Work, DropReason> {
    let gso_type = GsoType(vnet.gso_type.into());
    if Some(headers.protocol) != protocol_of(gso_type) {
        return Err(DropReason::UnknownGsoType);
    }
    let header_len = header_end(packet, headers).ok_or(DropReason::BadVnetHeader)?;
    if lies(packet, headers, vnet) {
        return Err(DropReason::BadVnetHeader);
    }
    let (size, payload_len) = (usize::from(vnet.gso_size), packet.len() - header_len);
    if payload_len <= size {
        return whole(packet, headers, vnet, limits);
    }
    if has_syn_or_rst(packet, headers) {
        return Err(DropReason::SynRstSuper);
    }
    if header_len + size > limits.mtu {
        return Err(DropReason::TooLarge);
    }
    let header = &packet[..header_len];
    Ok(Work::Split(Template::new(header, headers, payload_len, size, gso_type)))
}

/// S13, S15: a packet in a tunnel that says it is to be segmented.
pub(super) fn inside(
    packet: &[u8],
    outer: &Headers,
    tunnel: &Tunnel,
    vnet: &VnetHeader,
    limits: Limits,
) -> Result<Work, DropReason> {
    let (gso_type, inner) = (GsoType(vnet.gso_type.into()), &tunnel.inner);
    // A sequence number counts packets, of which there would be more than its writer knew.
    let is_numbered = tunnel.kind == TunnelKind::Gre && !tunnel.is_plain;
    let is_closed = tunnel.is_nested || is_numbered || outer.fragment != Fragment::Whole;
    if Some(inner.protocol) != protocol_of(gso_type) || is_closed {
        return Err(DropReason::UnknownGsoType);
    }
    let header_len = header_end(packet, inner).ok_or(DropReason::BadVnetHeader)?;
    if lies(packet, inner, vnet) || outer_lies(packet, outer, tunnel) {
        return Err(DropReason::BadVnetHeader);
    }
    let (size, payload_len) = (usize::from(vnet.gso_size), packet.len() - header_len);
    // S1. With a checksum to complete the outer one is to be made again as well.
    if payload_len <= size && !vnet.needs_csum() {
        return whole(packet, outer, vnet, limits);
    }
    if payload_len > size && has_syn_or_rst(packet, inner) {
        return Err(DropReason::SynRstSuper);
    }
    if header_len + size.min(payload_len) > limits.mtu {
        return Err(DropReason::TooLarge);
    }
    let place = OuterPlace {
        kind: tunnel.kind,
        network: outer.network.into(),
        transport: outer.transport.into(),
        inner_transport: inner.transport.into(),
    };
    let outer = Outer::new(packet, place, &outer.addresses);
    let header = &packet[..header_len];
    Ok(Work::Split(Template::new(header, inner, payload_len, size, gso_type).inside(outer)))
}

/// Whether the outer lengths disagree with the packet.
fn outer_lies(packet: &[u8], outer: &Headers, tunnel: &Tunnel) -> bool {
    let transport = usize::from(outer.transport);
    let udp_len = |len| transport + usize::from(len) != packet.len();
    ip_len(packet, outer.network.into()) != Some(packet.len())
        || tunnel.kind.is_udp() && packet.be16(transport + udp::LENGTH).is_none_or(udp_len)
}

/// What a super-packet of this type carries. Linux takes no more than 128 datagrams at once (`UDP_MAX_SEGMENTS`);
/// what bounds them here is what bounds the segments of TCP, the port's ring (S16).
fn protocol_of(gso_type: GsoType) -> Option<Protocol> {
    match gso_type.kind() {
        GsoType::TCPV4 | GsoType::TCPV6 => Some(Protocol::TCP),
        // CWR is TCP's.
        GsoType::UDP_L4 if !gso_type.has(GsoType::ECN) => Some(Protocol::UDP),
        _ => None,
    }
}

/// Whether packet and vnet header disagree, or the packet with itself.
fn lies(packet: &[u8], headers: &Headers, vnet: &VnetHeader) -> bool {
    let is_another = match GsoType(vnet.gso_type.into()).kind() {
        GsoType::TCPV4 => headers.is_ipv6(),
        GsoType::TCPV6 => !headers.is_ipv6(),
        // One kind for both families; a checksum over all of it would be no datagram's.
        GsoType::UDP_L4 => !vnet.needs_csum(),
        _ => false,
    };
    is_another
        || headers.fragment != Fragment::Whole
        || !length_is_true(packet, headers)
        || matches!(vnet.gso_size, 0 | BY_FRAGS)
        || usize::from(vnet.hdr_len) > packet.len()
        || vnet.needs_csum() && !sums_transport(headers, vnet)
}

/// Whether the IP header says how long the packet is, or cannot (S12).
fn length_is_true(packet: &[u8], headers: &Headers) -> bool {
    let network = usize::from(headers.network);
    is_jumbogram(packet, network) || ip_len(packet, network) == Some(packet.len() - network)
}

/// Whether the checksum to be completed is that of the transport header.
fn sums_transport(headers: &Headers, vnet: &VnetHeader) -> bool {
    let at = (vnet.csum_start, usize::from(vnet.csum_offset));
    checksum_offset(headers.protocol).is_some_and(|offset| at == (headers.transport, offset))
}

/// S5: no packet with these is segmented.
fn has_syn_or_rst(packet: &[u8], headers: &Headers) -> bool {
    let flags = packet.byte(usize::from(headers.transport) + 13).map_or(tcp::Flags(0), tcp::Flags);
    headers.protocol == Protocol::TCP && flags.intersects(tcp::Flags::SYN.with(tcp::Flags::RST))
}

/// Where the transport header ends, if it is all there and says nothing untrue of lengths.
fn header_end(packet: &[u8], headers: &Headers) -> Option<usize> {
    let transport = usize::from(headers.transport);
    if headers.protocol == Protocol::UDP {
        let len = usize::from(packet.be16(transport + udp::LENGTH)?);
        let is_whole = len >= udp::HEADER_LEN && transport + len == packet.len();
        return is_whole.then_some(transport + udp::HEADER_LEN);
    }
    let len = usize::from(packet.byte(transport + 12)? >> 4) * 4;
    (len >= tcp::HEADER_LEN && transport + len <= packet.len()).then_some(transport + len)
}

/// Where the checksum stands in a transport header.
fn checksum_offset(protocol: Protocol) -> Option<usize> {
    match protocol {
        Protocol::TCP => Some(tcp::CHECKSUM),
        Protocol::UDP => Some(udp::CHECKSUM),
        _ => None,
    }
}
