//! One super-packet, as the kernel and as the engine is given it.

use sluice_common::offload::{GsoType, VnetHeader};
use sluice_common::testing::Packet;
use sluice_common::wire::{Link, Protocol};

/// A super-packet and its vnet header, which need not be true.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// What is special about it.
    pub(crate) name: &'static str,
    /// What it was made from.
    pub(crate) packet: Packet,
    /// The link header, then what follows it.
    link: Vec<u8>,
    /// The packet from the IP header on.
    pub(crate) ip: Vec<u8>,
    /// Counted from the IP header on.
    pub(crate) vnet: VnetHeader,
}

impl Case {
    /// `packet` as a super-packet of segments of `size` bytes, truthfully.
    pub(crate) fn new(name: &'static str, packet: Packet, size: u16) -> Self {
        let ip = Packet { link: Link::None, ..packet.clone() }.build();
        let frame = packet.build();
        let link = frame[..frame.len() - ip.len()].to_vec();
        let csum_offset = if packet.protocol == Protocol::TCP { 16 } else { 6 };
        let header = if packet.protocol == Protocol::TCP { 20 + packet.options.len() } else { 8 };
        // In a tunnel this is the inner transport header.
        let start = ip.len() - packet.payload.len() - header;
        let vnet = VnetHeader {
            flags: VnetHeader::NEEDS_CSUM,
            gso_type: kind_of(&packet).0 as u8,
            hdr_len: (start + header) as u16,
            gso_size: size,
            csum_start: start as u16,
            csum_offset,
        };
        Self { name, packet, link, ip, vnet }
    }

    /// `packet` as one datagram to be cut into fragments of `size` bytes behind their headers (UFO).
    pub(crate) fn datagram(name: &'static str, packet: Packet, size: u16) -> Self {
        let mut case = Self::new(name, packet, size);
        case.vnet.gso_type = GsoType::UDP.0 as u8;
        case
    }

    pub(crate) fn is_datagram(&self) -> bool {
        GsoType(self.vnet.gso_type.into()) == GsoType::UDP
    }

    /// Bytes of the IP header and, with IPv6, the Fragment header of its fragments.
    pub(crate) fn fragment_header_len(&self) -> usize {
        transport_at(&self.packet) + if self.packet.src.is_ipv6() { 8 } else { 0 }
    }

    /// The link header, IP header, and the rest.
    pub(crate) fn frame(&self) -> Vec<u8> {
        [&self.link[..], &self.ip].concat()
    }

    /// The vnet header, counted from the link header on.
    pub(crate) fn vnet_of_frame(&self) -> VnetHeader {
        let link = self.link.len() as u16;
        let vnet = self.vnet;
        VnetHeader {
            hdr_len: vnet.hdr_len.saturating_add(link),
            csum_start: if vnet.needs_csum() { vnet.csum_start.saturating_add(link) } else { 0 },
            ..vnet
        }
    }

    /// The link header.
    pub(crate) fn link(&self) -> &[u8] {
        &self.link
    }

    /// `packet` behind this case's link header.
    pub(crate) fn framed(&self, packet: &[u8]) -> Vec<u8> {
        [&self.link[..], packet].concat()
    }

    /// Bytes before the transport header's payload, as the packet was made.
    pub(crate) fn payload_at(&self) -> usize {
        self.ip.len().saturating_sub(self.packet.payload.len())
    }
}

/// Where the transport header begins in an IP packet.
pub(crate) fn transport_at(packet: &Packet) -> usize {
    if packet.src.is_ipv6() {
        40 + packet.extensions.iter().map(|(_, body)| body.len()).sum::<usize>()
    } else {
        20 + packet.ip_options.len()
    }
}

/// Where the checksum stands in an IP packet.
pub(crate) fn checksum_at(packet: &Packet) -> usize {
    transport_at(packet) + if packet.protocol == Protocol::TCP { 16 } else { 6 }
}

/// How a packet of this protocol is segmented into packets of the same protocol.
fn kind_of(packet: &Packet) -> GsoType {
    match (packet.protocol, packet.src.is_ipv6()) {
        (Protocol::TCP, false) => GsoType::TCPV4,
        (Protocol::TCP, true) => GsoType::TCPV6,
        _ => GsoType::UDP_L4,
    }
}
