//! A packet, field by field.

use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;

use crate::checksum::{Sum, naive};
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

/// A TCP or UDP packet to be made. [`tcp4`](Self::tcp4), [`tcp6`](Self::tcp6) and [`udp4`](Self::udp4)
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

    /// The packet with `payload`.
    #[must_use]
    pub fn with_payload(mut self, payload: &[u8]) -> Self {
        self.payload = payload.to_vec();
        self
    }

    /// The packet a sender sends after this one: sequence number and identification go on.
    #[must_use]
    pub fn next(&self) -> Self {
        let seq = self.seq.wrapping_add(self.payload.len() as u32);
        Self { seq, id: self.id.wrapping_add(1), ..self.clone() }
    }

    /// The packet's bytes.
    #[must_use]
    pub fn build(&self) -> Vec<u8> {
        let mut bytes = self.link_header();
        let transport = self.transport();
        let network = match (self.src, self.dst) {
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                self.ipv6(&src.octets(), &dst.octets(), transport.len())
            }
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                self.ipv4(&src.octets(), &dst.octets(), transport.len())
            }
            _ => panic!("addresses of two families"),
        };
        bytes.extend(network);
        bytes.extend(transport);
        bytes.resize(bytes.len() + self.padding, 0);
        bytes
    }

    fn link_header(&self) -> Vec<u8> {
        let mut header = Vec::new();
        if self.link == Link::Ethernet {
            header.extend(self.macs.as_flattened());
            for (tag, tci) in &self.tags {
                header.extend(tag.0.to_be_bytes());
                header.extend(tci.to_be_bytes());
            }
            let ethertype = if self.src.is_ipv6() { EtherType::IPV6 } else { EtherType::IPV4 };
            header.extend(ethertype.0.to_be_bytes());
        }
        header
    }

    fn ipv4(&self, src: &[u8; 4], dst: &[u8; 4], transport: usize) -> Vec<u8> {
        let header_len = 20 + self.ip_options.len();
        let mut header = vec![0x40 | (header_len / 4) as u8, self.tos];
        header.extend(((header_len + transport) as u16).to_be_bytes());
        header.extend(self.id.to_be_bytes());
        header.extend(self.fragment_word.to_be_bytes());
        header.extend([self.ttl, self.protocol.0, 0, 0]);
        header.extend(src);
        header.extend(dst);
        header.extend(&self.ip_options);
        let checksum = field(self.ip_checksum, naive(&header).checksum(), 0);
        header[10..12].copy_from_slice(&checksum.to_be_bytes());
        header
    }

    fn ipv6(&self, src: &[u8; 16], dst: &[u8; 16], transport: usize) -> Vec<u8> {
        let extensions: usize = self.extensions.iter().map(|(_, body)| body.len()).sum();
        let word = 6 << 28 | u32::from(self.tos) << 20 | self.flow_label;
        let mut header = word.to_be_bytes().to_vec();
        header.extend(((extensions + transport) as u16).to_be_bytes());
        let nexts = self.extensions.iter().map(|(protocol, _)| *protocol);
        let mut nexts = nexts.chain([self.protocol]);
        header.extend([nexts.next().unwrap_or(self.protocol).0, self.ttl]);
        header.extend(src);
        header.extend(dst);
        for ((kind, body), next) in self.extensions.iter().zip(nexts) {
            let length = if *kind == Protocol::FRAGMENT { 0 } else { body.len() as u8 / 8 - 1 };
            header.extend([next.0, length]);
            header.extend(&body[2..]);
        }
        header
    }

    fn transport(&self) -> Vec<u8> {
        let mut bytes = match self.protocol {
            Protocol::TCP => self.tcp_header(),
            Protocol::UDP => self.udp_header(),
            _ => return self.payload.clone(),
        };
        let at = if self.protocol == Protocol::TCP { 16 } else { 6 };
        bytes.extend(&self.payload);
        let pseudo = self.pseudo_sum(bytes.len());
        let right = match (pseudo + naive(&bytes)).checksum() {
            0 if self.protocol == Protocol::UDP => 0xffff,
            checksum => checksum,
        };
        let checksum = field(self.checksum, right, pseudo.folded());
        bytes[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
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

    fn pseudo_sum(&self, len: usize) -> Sum {
        let mut bytes = Vec::new();
        for end in [self.src, self.dst] {
            match end {
                IpAddr::V4(end) => bytes.extend(end.octets()),
                IpAddr::V6(end) => bytes.extend(end.octets()),
            }
        }
        bytes.extend([0, self.protocol.0]);
        bytes.extend((len as u16).to_be_bytes());
        naive(&bytes)
    }
}

fn field(field: Field, right: u16, partial: u16) -> u16 {
    match field {
        Field::Right => right,
        Field::Wrong => right ^ 0x0101,
        Field::Partial => partial,
        Field::Is(value) => value,
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
}
