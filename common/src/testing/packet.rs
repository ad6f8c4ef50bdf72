//! A packet, field by field.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::ip::Ip;
use super::tunnel::{Frame, Tunnel};
use crate::wire::{EtherType, Link, Protocol, ethernet, tcp};

/// What a checksum field holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Field {
    /// What it should.
    #[default]
    Right,
    /// Another value than it should.
    Wrong,
    /// The pseudo-header sum, not inverted: the rest is left to a NIC.
    Partial,
    /// This.
    Is(u16),
}

impl Field {
    /// What stands in the field, where `right` should, or `partial` in a partial one.
    pub(super) fn value(self, right: u16, partial: u16) -> u16 {
        match self {
            Self::Right => right,
            Self::Wrong => right ^ 0x0101,
            Self::Partial => partial,
            Self::Is(value) => value,
        }
    }
}

/// A TCP or UDP packet to be made. [`tcp4`](Self::tcp4) and [`udp4`](Self::udp4) and their like
/// give one that can be changed field by field; [`build`](Self::build) makes its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Whether an Ethernet header stands before the IP header.
    pub link: Link,
    /// Destination and source MAC address.
    pub macs: [ethernet::Mac; 2],
    /// VLAN tags, outermost first: EtherType and tag control information.
    pub tags: Vec<(EtherType, u16)>,
    /// Source address; both are of one family.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// TTL or hop limit.
    pub ttl: u8,
    /// TOS or traffic class.
    pub tos: u8,
    /// IPv4 identification.
    pub id: u16,
    /// IPv4 flags and fragment offset.
    pub fragment_word: u16,
    /// IPv4 options, a multiple of four bytes.
    pub ip_options: Vec<u8>,
    /// IPv4 header checksum.
    pub ip_checksum: Field,
    /// IPv6 flow label.
    pub flow_label: u32,
    /// IPv6 extension headers, each a multiple of eight bytes whose first two are made.
    pub extensions: Vec<(Protocol, Vec<u8>)>,
    /// TCP, UDP, or anything else, which has no transport header.
    pub protocol: Protocol,
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// TCP sequence number.
    pub seq: u32,
    /// TCP acknowledgement number.
    pub ack: u32,
    /// The four bits between TCP's data offset and flags.
    pub reserved: u8,
    /// TCP flags.
    pub flags: tcp::Flags,
    /// TCP window.
    pub window: u16,
    /// TCP urgent pointer.
    pub urgent: u16,
    /// TCP options, a multiple of four bytes.
    pub options: Vec<u8>,
    /// Transport checksum.
    pub checksum: Field,
    /// What the transport header is followed by.
    pub payload: Vec<u8>,
    /// Bytes of Ethernet padding after the IP packet.
    pub padding: usize,
    /// What is put around it.
    pub tunnel: Option<Box<Tunnel>>,
}

impl Packet {
    /// A TCP packet over IPv4 and Ethernet with 100 bytes of payload.
    #[must_use]
    pub fn tcp4() -> Self {
        Self {
            link: Link::Ethernet,
            macs: [[2, 0, 0, 0, 0, 2], [2, 0, 0, 0, 0, 1]],
            tags: Vec::new(),
            src: IpAddr::from([10, 0, 0, 1]),
            dst: IpAddr::from([10, 0, 0, 2]),
            ttl: 64,
            tos: 0,
            id: 1000,
            fragment_word: crate::wire::ipv4::DF,
            ip_options: Vec::new(),
            ip_checksum: Field::Right,
            flow_label: 0xabcde,
            extensions: Vec::new(),
            protocol: Protocol::TCP,
            src_port: 40_000,
            dst_port: 5_001,
            seq: 1,
            ack: 0x7000_0000,
            reserved: 0,
            flags: tcp::Flags::ACK,
            window: 501,
            urgent: 0,
            options: vec![1, 1, 8, 10, 0, 0, 1, 0, 0, 0, 2, 0],
            checksum: Field::Right,
            payload: vec![0x5a; 100],
            padding: 0,
            tunnel: None,
        }
    }

    /// The same over IPv6.
    #[must_use]
    pub fn tcp6() -> Self {
        let end = |last| IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, last]);
        Self { src: end(1), dst: end(2), ..Self::tcp4() }
    }

    /// A UDP datagram over IPv4.
    #[must_use]
    pub fn udp4() -> Self {
        Self { protocol: Protocol::UDP, ..Self::tcp4() }
    }

    /// The same over IPv6.
    #[must_use]
    pub fn udp6() -> Self {
        Self { protocol: Protocol::UDP, ..Self::tcp6() }
    }

    /// The packet with `payload`.
    #[must_use]
    pub fn with_payload(mut self, payload: &[u8]) -> Self {
        self.payload = payload.to_vec();
        self
    }

    /// The packet inside `tunnel`.
    #[must_use]
    pub fn inside(mut self, tunnel: Tunnel) -> Self {
        self.tunnel = Some(Box::new(tunnel));
        self
    }

    /// The packet a sender sends after this one: sequence number and identifications go on.
    #[must_use]
    pub fn next(&self) -> Self {
        let seq = self.seq.wrapping_add(self.payload.len() as u32);
        let tunnel = self.tunnel.as_ref().map(|tunnel| Box::new(tunnel.next()));
        Self { seq, id: self.id.wrapping_add(1), tunnel, ..self.clone() }
    }

    /// The packet's bytes.
    #[must_use]
    pub fn build(&self) -> Vec<u8> {
        let (packet, ethertype) = self.ip_packet();
        let mut bytes = match self.link {
            Link::Ethernet => Frame { macs: self.macs, tags: self.tags.clone() }.header(ethertype),
            Link::None => Vec::new(),
        };
        bytes.extend(packet);
        bytes.resize(bytes.len() + self.padding, 0);
        bytes
    }

    /// Everything from the outermost IP header on, and its EtherType.
    fn ip_packet(&self) -> (Vec<u8>, EtherType) {
        let ethertype = |end: IpAddr| if end.is_ipv6() { EtherType::IPV6 } else { EtherType::IPV4 };
        let transport = self.transport();
        let mut packet = self.ip().header(transport.len());
        packet.extend(transport);
        match &self.tunnel {
            None => (packet, ethertype(self.src)),
            Some(tunnel) => (tunnel.around(&packet, ethertype(self.src)), ethertype(tunnel.src)),
        }
    }

    fn ip(&self) -> Ip<'_> {
        Ip {
            ends: [self.src, self.dst],
            ttl: self.ttl,
            tos: self.tos,
            id: self.id,
            fragment_word: self.fragment_word,
            options: &self.ip_options,
            checksum: self.ip_checksum,
            flow_label: self.flow_label,
            extensions: &self.extensions,
            protocol: self.protocol,
        }
    }

    fn transport(&self) -> Vec<u8> {
        let (mut bytes, at) = match self.protocol {
            Protocol::TCP => (self.tcp_header(), 16),
            Protocol::UDP => (self.udp_header(), 6),
            _ => return self.payload.clone(),
        };
        bytes.extend(&self.payload);
        self.ip().put_checksum(&mut bytes, at, self.checksum);
        bytes
    }

    fn tcp_header(&self) -> Vec<u8> {
        let mut header = Vec::new();
        header.extend(self.src_port.to_be_bytes());
        header.extend(self.dst_port.to_be_bytes());
        header.extend(self.seq.to_be_bytes());
        header.extend(self.ack.to_be_bytes());
        let words = (tcp::HEADER_LEN + self.options.len()) as u8 / 4;
        header.extend([words << 4 | self.reserved, self.flags.0]);
        header.extend(self.window.to_be_bytes());
        header.extend([0, 0]);
        header.extend(self.urgent.to_be_bytes());
        header.extend(&self.options);
        header
    }

    fn udp_header(&self) -> Vec<u8> {
        let len = 8 + self.payload.len() as u16;
        [self.src_port, self.dst_port, len, 0].map(u16::to_be_bytes).as_flattened().to_vec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An independent parser finds the fields where they were put, and both checksums right.
    fn assert_parses(packet: &Packet) {
        let bytes = packet.build();
        let parsed = etherparse::PacketHeaders::from_ethernet_slice(&bytes).unwrap();
        let Some(etherparse::TransportHeader::Tcp(tcp)) = parsed.transport else {
            panic!("no TCP header");
        };
        assert_eq!((tcp.sequence_number, tcp.window_size), (packet.seq, packet.window));
        assert_eq!(tcp.options.as_slice(), packet.options);
        let payload = parsed.payload.slice();
        assert_eq!(payload, packet.payload);
        let expected = match parsed.net.unwrap() {
            etherparse::NetHeaders::Ipv4(ip, _) => {
                assert_eq!(ip.header_checksum, ip.calc_header_checksum());
                tcp.calc_checksum_ipv4(&ip, payload).unwrap()
            }
            etherparse::NetHeaders::Ipv6(ip, _) => tcp.calc_checksum_ipv6(&ip, payload).unwrap(),
            other => panic!("{other:?}"),
        };
        assert_eq!(tcp.checksum, expected);
    }

    #[test]
    fn an_independent_parser_agrees() {
        assert_parses(&Packet::tcp4());
        assert_parses(&Packet::tcp6());
        assert_parses(&Packet { ip_options: vec![1; 8], payload: vec![7; 33], ..Packet::tcp4() });
        let mut tagged = Packet::tcp6();
        tagged.tags = vec![(EtherType::QINQ, 5), (EtherType::VLAN, 6)];
        tagged.extensions =
            vec![(Protocol::HOP_BY_HOP, vec![0; 8]), (Protocol::DESTINATION_OPTIONS, vec![1; 16])];
        assert_parses(&tagged);
    }

    /// The independent parser finds the tunnel's headers where they were put, and their checksums right.
    #[test]
    fn an_independent_parser_agrees_about_a_tunnel() {
        let udp_checksums = [Field::Right, Field::Is(0)];
        for (tunnel, checksum) in [Tunnel::vxlan(), Tunnel::geneve(), Tunnel::vxlan().over_ipv6()]
            .into_iter()
            .flat_map(|tunnel| udp_checksums.map(|checksum| (tunnel.clone(), checksum)))
        {
            let packet = Packet::tcp6().inside(tunnel.with_udp_checksum(checksum));
            let bytes = packet.build();
            let parsed = etherparse::PacketHeaders::from_ethernet_slice(&bytes).unwrap();
            let Some(etherparse::TransportHeader::Udp(udp)) = parsed.transport else {
                panic!("no UDP header");
            };
            let payload = parsed.payload.slice();
            let expected = match parsed.net.unwrap() {
                etherparse::NetHeaders::Ipv4(ip, _) => {
                    assert_eq!(ip.header_checksum, ip.calc_header_checksum());
                    udp.calc_checksum_ipv4(&ip, payload).unwrap()
                }
                etherparse::NetHeaders::Ipv6(ip, _) => {
                    udp.calc_checksum_ipv6(&ip, payload).unwrap()
                }
                other => panic!("{other:?}"),
            };
            let is_none = checksum == Field::Is(0);
            assert_eq!(udp.checksum, if is_none { 0 } else { expected });
            let header = if udp.destination_port == 6081 { 16 } else { 8 };
            let frame = Packet { tunnel: None, ..packet }.build();
            assert_eq!(payload[header + 12..], frame[12..], "the frame but for its addresses");
        }
        let bare = Packet { link: Link::None, ..Packet::tcp4() }.build();
        for (tunnel, before) in [
            (Tunnel::ip4(), 20),
            (Tunnel::ip6(), 40),
            (Tunnel::gre(), 24),
            (Tunnel::gre_with(Field::Right, 9), 32),
            (Tunnel::gre().with_frame(Frame::default()), 38),
        ] {
            let outer = Packet { link: Link::None, ..Packet::tcp4() }.inside(tunnel).build();
            let is_ipv6 = outer[0] >> 4 == 6;
            assert_eq!(outer[before..], bare);
            let len =
                u16::from_be_bytes(outer[if is_ipv6 { 4..6 } else { 2..4 }].try_into().unwrap());
            assert_eq!(usize::from(len) + if is_ipv6 { 40 } else { 0 }, outer.len());
            if before == 32 {
                assert_eq!(crate::checksum::naive(&outer[20..]).folded(), 0xffff, "GRE checksum");
                assert_eq!(outer[20..24], [0xa0, 0, 8, 0]);
            }
        }
    }
}
