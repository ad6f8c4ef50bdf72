//! Packets that differ in little: made once, then copied and filled in.
//!
//! What differs is the source (the flow), TCP's sequence number and the stamp. The sums of everything else are
//! taken once, so that a packet costs one copy and the sum of some 30 bytes, whatever its size.

use std::net::IpAddr;

use sluice_common::checksum::{Sum, pseudo_header, sum};
use sluice_common::testing::{Field, Packet};
use sluice_common::wire::{Addresses, Headers, Link, Protocol, ethernet};

use crate::stamp::{self, Stamp};

/// Offset of the source address in an IPv4 header.
const V4_SOURCE: usize = 12;
/// Offset of its checksum.
const V4_CHECKSUM: usize = 10;
/// Offset of the source address in an IPv6 header.
const V6_SOURCE: usize = 8;
/// Offset of the sequence number in a TCP header.
const SEQUENCE: usize = 4;

/// What kind of packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Segments of a bulk transfer: sequence numbers go on from packet to packet.
    Tcp,
    /// Datagrams.
    Udp,
}

impl Kind {
    /// Bytes of its header, and where in it the checksum stands.
    const fn header(self) -> (usize, usize) {
        match self {
            Self::Tcp => (20, 16),
            Self::Udp => (8, 6),
        }
    }
}

/// What all packets of a load have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Common {
    /// Destination and source MAC address.
    pub macs: [ethernet::Mac; 2],
    /// Where they go to.
    pub destination: (IpAddr, u16),
    /// What they are.
    pub kind: Kind,
}

/// A packet of one size, but for what differs.
#[derive(Clone, Debug)]
pub struct Template {
    bytes: Vec<u8>,
    kind: Kind,
    transport: usize,
    payload: usize,
    is_ipv6: bool,
    /// Of the IPv4 header without its source.
    network_sum: Sum,
    /// Of pseudo header and transport packet without source, sequence number and stamp.
    transport_sum: Sum,
}

/// What differs from packet to packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filling {
    /// Address and port it comes from.
    pub source: (IpAddr, u16),
    /// TCP's sequence number.
    pub seq: u32,
    /// The stamp.
    pub stamp: Stamp,
}

impl Template {
    /// Bytes of the smallest packet: headers and no payload.
    #[must_use]
    pub const fn least(kind: Kind, is_ipv6: bool) -> usize {
        ethernet::HEADER_LEN + if is_ipv6 { 40 } else { 20 } + kind.header().0
    }

    /// The template of packets of `size` bytes, link header included and frame check sequence not.
    ///
    /// # Panics
    /// Where `size` is below [`least`](Self::least).
    #[must_use]
    pub fn new(common: &Common, size: usize) -> Self {
        let is_ipv6 = common.destination.0.is_ipv6();
        let least = Self::least(common.kind, is_ipv6);
        assert!(size >= least, "a packet of {size} bytes has no room for {least} bytes of headers");
        let bytes = blank(common, size - least).build();
        let headers = Headers::parse(&bytes[..], Link::Ethernet).expect("it was made so");
        let transport = usize::from(headers.transport);
        let network = &bytes[ethernet::HEADER_LEN..transport];
        let network_sum = if is_ipv6 { Sum::default() } else { sum(network) };
        let len = (bytes.len() - transport) as u16;
        let pseudo = pseudo_header(&headers.addresses, headers.protocol, len);
        let transport_sum = pseudo + sum(&bytes[transport..]);
        let payload = transport + common.kind.header().0;
        Self { bytes, kind: common.kind, transport, payload, is_ipv6, network_sum, transport_sum }
    }

    /// Bytes of a packet.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes of its payload.
    #[must_use]
    pub const fn payload(&self) -> usize {
        self.bytes.len() - self.payload
    }

    /// Writes the packet with this filling to the beginning of `to`, and returns its length.
    ///
    /// # Panics
    /// Where `to` is shorter, or the source of another family.
    pub fn write(&self, filling: &Filling, to: &mut [u8]) -> usize {
        let packet = &mut to[..self.bytes.len()];
        packet.copy_from_slice(&self.bytes);
        let source = self.put_source(filling.source, packet);
        let seq = self.put_sequence(filling.seq, packet);
        let stamped = filling.stamp.write(&mut packet[self.payload..]);
        // All headers are even, so the stamp's words are the checksum's.
        let stamp = sum(&packet[self.payload..self.payload + stamped]);
        let checksum = (self.transport_sum + source + seq + stamp).checksum();
        // RFC 768: a sum of 0 is sent as all ones, 0 says there is none.
        let checksum = if self.kind == Kind::Udp && checksum == 0 { 0xffff } else { checksum };
        put(packet, self.transport + self.kind.header().1, &checksum.to_be_bytes());
        packet.len()
    }

    fn put_source(&self, (address, port): (IpAddr, u16), packet: &mut [u8]) -> Sum {
        let network = ethernet::HEADER_LEN;
        assert_eq!(address.is_ipv6(), self.is_ipv6, "source and destination are of one family");
        let address = match address {
            IpAddr::V4(v4) => {
                let source = sum(&v4.octets());
                put(packet, network + V4_SOURCE, &v4.octets());
                let checksum = (self.network_sum + source).checksum();
                put(packet, network + V4_CHECKSUM, &checksum.to_be_bytes());
                source
            }
            IpAddr::V6(v6) => {
                put(packet, network + V6_SOURCE, &v6.octets());
                sum(&v6.octets())
            }
        };
        put(packet, self.transport, &port.to_be_bytes());
        address + Sum::of(port)
    }

    fn put_sequence(&self, seq: u32, packet: &mut [u8]) -> Sum {
        if self.kind != Kind::Tcp {
            return Sum::default();
        }
        put(packet, self.transport + SEQUENCE, &seq.to_be_bytes());
        sum(&seq.to_be_bytes())
    }
}

fn put(packet: &mut [u8], at: usize, bytes: &[u8]) {
    packet[at..at + bytes.len()].copy_from_slice(bytes);
}

/// The packet with everything that differs left 0, and the checksums with it.
fn blank(common: &Common, payload: usize) -> Packet {
    let (dst, dst_port) = common.destination;
    let (packet, any) = match dst {
        IpAddr::V4(_) => (Packet::tcp4(), IpAddr::from([0; 4])),
        IpAddr::V6(_) => (Packet::tcp6(), IpAddr::from([0; 16])),
    };
    let mut content: Vec<u8> = (0..payload).map(|at| at as u8).collect();
    content[..stamp::len(payload)].fill(0);
    Packet {
        macs: common.macs,
        src: any,
        dst,
        id: 0,
        protocol: if common.kind == Kind::Tcp { Protocol::TCP } else { Protocol::UDP },
        src_port: 0,
        dst_port,
        seq: 0,
        options: Vec::new(),
        payload: content,
        ip_checksum: Field::Is(0),
        checksum: Field::Is(0),
        ..packet
    }
}

/// The stamp of a generated packet, found by its headers; the destination port is no matter.
#[must_use]
pub fn stamp_of(packet: &[u8]) -> Option<Stamp> {
    let headers = Headers::parse(packet, Link::Ethernet).ok()?;
    let at = usize::from(headers.transport);
    let header = match headers.protocol {
        Protocol::TCP => usize::from(packet.get(at + 12)? >> 4) * 4,
        Protocol::UDP => 8,
        _ => return None,
    };
    // Ethernet pads what is short: the IP header knows where the payload ends.
    let network = usize::from(headers.network);
    let word = |at: usize| Some(usize::from(u16::from_be_bytes(*packet.get(at..)?.first_chunk()?)));
    let end = match headers.addresses {
        Addresses::V4 { .. } => network + word(network + 2)?,
        Addresses::V6 { .. } => network + 40 + word(network + 4)?,
    };
    Stamp::read(packet.get(at + header..end.min(packet.len()))?)
}

#[cfg(test)]
mod tests {
    use etherparse::{NetHeaders, PacketHeaders, TransportHeader};
    use proptest::prelude::*;

    use super::*;

    fn common(kind: Kind, is_ipv6: bool) -> Common {
        let v6 = IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 2]);
        let destination = if is_ipv6 { v6 } else { IpAddr::from([192, 0, 2, 2]) };
        Common { macs: [[2; 6], [4; 6]], destination: (destination, 5001), kind }
    }

    /// An independent parser finds everything where it was put, and both checksums right.
    fn assert_right(kind: Kind, is_ipv6: bool, size: usize, filling: &Filling) {
        let template = Template::new(&common(kind, is_ipv6), size);
        let mut packet = vec![0xee; size + 10];
        assert_eq!(template.write(filling, &mut packet), size);
        assert_eq!(packet[size..], [0xee; 10]);
        let parsed = PacketHeaders::from_ethernet_slice(&packet[..size]).unwrap();
        let payload = parsed.payload.slice();
        assert_eq!(payload.len(), template.payload());
        let (net, transport) = (parsed.net.unwrap(), parsed.transport.unwrap());
        let source = match &net {
            NetHeaders::Ipv4(ip, _) => {
                assert_eq!(ip.header_checksum, ip.calc_header_checksum());
                IpAddr::from(ip.source)
            }
            NetHeaders::Ipv6(ip, _) => IpAddr::from(ip.source),
            other => panic!("{other:?}"),
        };
        let (port, found, right) = match (&net, &transport) {
            (NetHeaders::Ipv4(ip, _), TransportHeader::Tcp(tcp)) => {
                assert_eq!(tcp.sequence_number, filling.seq);
                (tcp.source_port, tcp.checksum, tcp.calc_checksum_ipv4(ip, payload))
            }
            (NetHeaders::Ipv6(ip, _), TransportHeader::Tcp(tcp)) => {
                (tcp.source_port, tcp.checksum, tcp.calc_checksum_ipv6(ip, payload))
            }
            (NetHeaders::Ipv4(ip, _), TransportHeader::Udp(udp)) => {
                (udp.source_port, udp.checksum, udp.calc_checksum_ipv4(ip, payload))
            }
            (NetHeaders::Ipv6(ip, _), TransportHeader::Udp(udp)) => {
                (udp.source_port, udp.checksum, udp.calc_checksum_ipv6(ip, payload))
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(((source, port), found), (filling.source, right.unwrap()));
        let time = filling.stamp.time.filter(|_| template.payload() >= stamp::FULL);
        let stamp = (template.payload() >= stamp::SHORT).then_some(Stamp { time, ..filling.stamp });
        assert_eq!(stamp_of(&packet[..size]), stamp);
    }

    proptest! {
        #[test]
        fn an_independent_parser_agrees(
            is_tcp in any::<bool>(),
            is_ipv6 in any::<bool>(),
            more in 0_usize..1_500,
            address in any::<u128>(),
            (port, seq, flow, sequence, time) in any::<(u16, u32, u32, u32, u64)>(),
        ) {
            let kind = if is_tcp { Kind::Tcp } else { Kind::Udp };
            let source = if is_ipv6 {
                IpAddr::from(address.to_be_bytes())
            } else {
                IpAddr::from((address as u32).to_be_bytes())
            };
            let stamp = Stamp { flow, sequence, time: Some(time) };
            let filling = Filling { source: (source, port), seq, stamp };
            assert_right(kind, is_ipv6, Template::least(kind, is_ipv6) + more, &filling);
        }
    }

    #[test]
    fn padding_is_no_payload() {
        let template = Template::new(&common(Kind::Udp, false), 42 + 4);
        let stamp = Stamp::default();
        let source = (IpAddr::from([192, 0, 2, 1]), 40_000);
        let mut packet = [0; 80];
        template.write(&Filling { source, seq: 0, stamp }, &mut packet);
        stamp.write(&mut packet[42 + 4..]);
        assert_eq!(stamp_of(&packet), None);
        assert_eq!(stamp_of(&packet[..20]), None);
    }
}
