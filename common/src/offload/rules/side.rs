//! The header fields of a packet that the rules compare.

use crate::offload::train::{Layout, OuterLayout, Shape};
use crate::wire::{Bytes, Protocol, ipv4, ipv6, tcp};

/// The header fields of one packet. All headers are there: [`refusal`](super::refusal) has seen to it.
pub(super) struct Side<'a> {
    link: &'a [u8],
    network: &'a [u8],
    transport: &'a [u8],
    is_ipv6: bool,
}

impl<'a> Side<'a> {
    #[inline]
    pub(super) fn new(bytes: &'a [u8], shape: &Shape) -> Self {
        let Layout { network, transport, payload, outer } = shape.layout;
        let link = outer.map_or(0, |outer| outer.payload);
        Self::at(bytes, [link, network, transport, payload])
    }

    /// The outer headers of a tunnel's packet: its transport header includes the tunnel's.
    #[inline]
    pub(super) fn outer(bytes: &'a [u8], outer: OuterLayout) -> Self {
        let OuterLayout { network, transport, payload, .. } = outer;
        Self::at(bytes, [0, network, transport, payload])
    }

    /// Where these begin: link header, IP header, transport header, and what follows them.
    #[inline]
    fn at(bytes: &'a [u8], [link, network, transport, end]: [u16; 4]) -> Self {
        let header = bytes.get(..end.into()).unwrap_or_default();
        let (front, transport) = header.split_at_checked(transport.into()).unwrap_or_default();
        let (front, network) = front.split_at_checked(network.into()).unwrap_or_default();
        let link = front.get(link.into()..).unwrap_or_default();
        let is_ipv6 = network.first().is_some_and(|byte| byte >> 4 == 6);
        Self { link, network, transport, is_ipv6 }
    }

    fn ipv4(&self) -> Option<ipv4::Packet<&'a [u8]>> {
        if self.is_ipv6 { None } else { ipv4::Packet::new(self.network) }
    }

    fn ipv6(&self) -> Option<ipv6::Packet<&'a [u8]>> {
        if self.is_ipv6 { ipv6::Packet::new(self.network) } else { None }
    }

    /// MAC addresses, VLAN tags, EtherType.
    pub(super) fn link(&self) -> &'a [u8] {
        self.link
    }

    pub(super) fn flow_label(&self) -> Option<u32> {
        self.ipv6().map(|packet| packet.flow_label())
    }

    /// Next header and extension headers.
    pub(super) fn extensions(&self) -> Option<(Protocol, &'a [u8])> {
        let packet = self.ipv6()?;
        Some((packet.next_header(), self.network.get(ipv6::HEADER_LEN..)?))
    }

    pub(super) fn ttl(&self) -> Option<u8> {
        self.network.byte(if self.is_ipv6 { 7 } else { 8 })
    }

    pub(super) fn tos(&self) -> Option<u8> {
        match self.ipv6() {
            Some(packet) => Some(packet.traffic_class()),
            None => self.ipv4().map(|packet| packet.tos()),
        }
    }

    pub(super) fn dont_fragment(&self) -> bool {
        self.ipv4().is_some_and(|packet| packet.fragment_word() & ipv4::DF != 0)
    }

    pub(super) fn id(&self) -> Option<u16> {
        self.ipv4().map(|packet| packet.id())
    }

    pub(super) fn transport(&self) -> &'a [u8] {
        self.transport
    }

    pub(super) fn header_len(&self) -> usize {
        self.transport.len()
    }

    pub(super) fn reserved(&self) -> Option<u8> {
        self.transport.byte(12).map(|byte| byte & 0x0f)
    }

    pub(super) fn flags(&self) -> tcp::Flags {
        self.transport.byte(13).map_or_else(Default::default, tcp::Flags)
    }

    pub(super) fn acknowledgement(&self) -> Option<[u8; 4]> {
        self.transport.read(8)
    }

    pub(super) fn window(&self) -> Option<u16> {
        self.transport.be16(14)
    }

    pub(super) fn options(&self) -> Option<&'a [u8]> {
        self.transport.get(tcp::HEADER_LEN..)
    }
}
