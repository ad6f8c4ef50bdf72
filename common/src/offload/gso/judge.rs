//! What is to be done with a packet, from what it and its vnet header say (S1, S15).

use super::Work;
use crate::offload::template::Template;
use crate::offload::{GsoType, VnetHeader, ip_len};
use crate::reason::DropReason;
use crate::wire::{Bytes, Fragment, Headers, Protocol, tcp, udp};

/// S1: a packet that is not segmented.
pub(super) fn whole(
    packet: &[u8],
    headers: &Headers,
    vnet: &VnetHeader,
    mtu: usize,
) -> Result<Work, DropReason> {
    if packet.len() > mtu {
        return Err(DropReason::TooLarge);
    }
    if !vnet.needs_csum() {
        return Ok(Work::Whole);
    }
    let (start, offset) = (usize::from(vnet.csum_start), usize::from(vnet.csum_offset));
    let expected = match headers.protocol {
        Protocol::TCP => Some(tcp::CHECKSUM),
        Protocol::UDP => Some(udp::CHECKSUM),
        _ => None,
    };
    let at_transport = start == usize::from(headers.transport);
    let lies = start < usize::from(headers.transport)
        || start + offset + 2 > packet.len()
        || at_transport && expected.is_some_and(|expected| expected != offset);
    if lies {
        Err(DropReason::BadVnetHeader)
    } else {
        Ok(Work::Complete { start, at: start + offset })
    }
}

/// S2, S15: a packet that says it is to be segmented.
pub(super) fn split(
    packet: &[u8],
    headers: &Headers,
    vnet: &VnetHeader,
    mtu: usize,
) -> Result<Work, DropReason> {
    let gso_type = GsoType(vnet.gso_type.into());
    let is_ipv6 = match gso_type.kind() {
        GsoType::TCPV4 => false,
        GsoType::TCPV6 => true,
        _ => return Err(DropReason::UnknownGsoType),
    };
    if headers.protocol != Protocol::TCP {
        return Err(DropReason::UnknownGsoType);
    }
    let header_len = tcp_header_end(packet, headers).ok_or(DropReason::BadVnetHeader)?;
    let transport = headers.transport;
    let lies = is_ipv6 != headers.is_ipv6()
        || headers.fragment != Fragment::Whole
        || ip_len(packet, 0) != Some(packet.len())
        || vnet.gso_size == 0
        || usize::from(vnet.hdr_len) > packet.len()
        || vnet.needs_csum()
            && (vnet.csum_start, usize::from(vnet.csum_offset)) != (transport, tcp::CHECKSUM);
    if lies {
        return Err(DropReason::BadVnetHeader);
    }
    let size = usize::from(vnet.gso_size);
    if packet.len() - header_len <= size {
        return whole(packet, headers, vnet, mtu);
    }
    let flags = tcp::Flags(packet[usize::from(transport) + 13]);
    if flags.intersects(tcp::Flags::SYN.with(tcp::Flags::RST)) {
        return Err(DropReason::SynRstSuper);
    }
    if header_len + size > mtu {
        return Err(DropReason::TooLarge);
    }
    Ok(Work::Split(Template::new(packet, headers, header_len, size, gso_type)))
}

/// Where the TCP header ends, if it is all there.
fn tcp_header_end(packet: &[u8], headers: &Headers) -> Option<usize> {
    let transport = usize::from(headers.transport);
    let len = usize::from(packet.byte(transport + 12)? >> 4) * 4;
    (len >= tcp::HEADER_LEN && transport + len <= packet.len()).then_some(transport + len)
}
