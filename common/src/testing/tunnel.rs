//! What is put around a packet, field by field.

use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::ip::Ip;
use super::packet::Field;
use crate::checksum::naive;
use crate::wire::{EtherType, Protocol, ethernet};

/// The tunnel around a [`Packet`](super::Packet): an outer IP header, what the kind of tunnel puts
/// behind it, and an inner Ethernet header where it carries frames.
///
/// The Ethernet header, tags and padding of the whole stay the packet's own; its addresses, its other
/// IP fields and its transport header are the inner ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// Outer source address; both are of one family.
    pub src: IpAddr,
    /// Outer destination address.
    pub dst: IpAddr,
    /// Outer TTL or hop limit.
    pub ttl: u8,
    /// Outer TOS or traffic class.
    pub tos: u8,
    /// Outer IPv4 identification.
    pub id: u16,
    /// Outer IPv4 flags and fragment offset.
    pub fragment_word: u16,
    /// Outer IPv4 options, a multiple of four bytes.
    pub ip_options: Vec<u8>,
    /// Outer IPv4 header checksum.
    pub ip_checksum: Field,
    /// Outer IPv6 flow label.
    pub flow_label: u32,
    /// Outer IPv6 extension headers, as [`Packet::extensions`](super::Packet::extensions).
    pub extensions: Vec<(Protocol, Vec<u8>)>,
    /// What stands between the outer IP header and the inner packet.
    pub encapsulation: Encapsulation,
    /// The inner Ethernet header, for VXLAN always there.
    pub frame: Option<Frame>,
}

/// An inner Ethernet header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Destination and source MAC address.
    pub macs: [ethernet::Mac; 2],
    /// VLAN tags, outermost first: EtherType and tag control information.
    pub tags: Vec<(EtherType, u16)>,
}

/// The outer UDP header of VXLAN and Geneve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OuterUdp {
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// The checksum; [`Field::Is`]`(0)` says that there is none.
    pub checksum: Field,
}

/// What stands between the outer IP header and the inner packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encapsulation {
    /// IPIP, SIT, IP6IP6, IPv4 in IPv6: nothing.
    Ip,
    /// VXLAN (RFC 7348).
    Vxlan {
        /// The UDP header.
        udp: OuterUdp,
        /// The first byte: 0x08 says that the VNI is valid.
        flags: u8,
        /// The three bytes after the flags.
        reserved: [u8; 3],
        /// VXLAN network identifier, 24 bits.
        vni: u32,
        /// The last byte.
        last: u8,
    },
    /// Geneve (RFC 8926).
    Geneve {
        /// The UDP header.
        udp: OuterUdp,
        /// Version, 2 bits.
        version: u8,
        /// The second byte: 0x80 is O (control), 0x40 is C (critical options).
        flags: u8,
        /// Virtual network identifier, 24 bits.
        vni: u32,
        /// Options, a multiple of four bytes.
        options: Vec<u8>,
    },
    /// GRE (RFC 2784, RFC 2890).
    Gre {
        /// The first word but for the C, K and S flags, which are set by what is there: version and
        /// whatever else.
        word: u16,
        /// The checksum, if the C flag is set.
        checksum: Option<Field>,
        /// The key, if the K flag is set.
        key: Option<u32>,
        /// The sequence number, if the S flag is set.
        sequence: Option<u32>,
    },
}

impl Tunnel {
    /// Nothing but an outer IPv4 header: IPIP around an IPv4 packet, SIT around IPv6.
    #[must_use]
    pub fn ip4() -> Self {
        Self {
            src: IpAddr::from([192, 0, 2, 1]),
            dst: IpAddr::from([192, 0, 2, 2]),
            ttl: 63,
            tos: 0,
            id: 5000,
            fragment_word: crate::wire::ipv4::DF,
            ip_options: Vec::new(),
            ip_checksum: Field::Right,
            flow_label: 0x12345,
            extensions: Vec::new(),
            encapsulation: Encapsulation::Ip,
            frame: None,
        }
    }

    /// Nothing but an outer IPv6 header: IP6IP6 around an IPv6 packet.
    #[must_use]
    pub fn ip6() -> Self {
        Self::ip4().over_ipv6()
    }

    /// VXLAN over IPv4 without outer UDP checksum.
    #[must_use]
    pub fn vxlan() -> Self {
        let udp = OuterUdp { src_port: 50_000, dst_port: 4789, checksum: Field::Is(0) };
        let encapsulation =
            Encapsulation::Vxlan { udp, flags: 8, reserved: [0; 3], vni: 42, last: 0 };
        Self { encapsulation, frame: Some(Frame::default()), ..Self::ip4() }
    }

    /// Geneve over IPv4 with an option, without outer UDP checksum, carrying an Ethernet frame.
    #[must_use]
    pub fn geneve() -> Self {
        let udp = OuterUdp { src_port: 50_001, dst_port: 6081, checksum: Field::Is(0) };
        let options = vec![1, 2, 3, 1, 9, 9, 9, 9];
        let encapsulation = Encapsulation::Geneve { udp, version: 0, flags: 0, vni: 43, options };
        Self { encapsulation, frame: Some(Frame::default()), ..Self::ip4() }
    }

    /// GRE over IPv4, neither checksum nor key, carrying an IP packet.
    #[must_use]
    pub fn gre() -> Self {
        let encapsulation =
            Encapsulation::Gre { word: 0, checksum: None, key: None, sequence: None };
        Self { encapsulation, ..Self::ip4() }
    }

    /// GRE with checksum and key.
    #[must_use]
    pub fn gre_with(checksum: Field, key: u32) -> Self {
        let encapsulation = Encapsulation::Gre {
            word: 0,
            checksum: Some(checksum),
            key: Some(key),
            sequence: None,
        };
        Self { encapsulation, ..Self::ip4() }
    }

    /// The tunnel between IPv6 addresses.
    #[must_use]
    pub fn over_ipv6(self) -> Self {
        let end = |last| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, last]);
        Self { src: end(1), dst: end(2), ..self }
    }

    /// The tunnel with an inner Ethernet header: GRE of Ethernet frames.
    #[must_use]
    pub fn with_frame(mut self, frame: Frame) -> Self {
        self.frame = Some(frame);
        self
    }

    /// VXLAN or Geneve with this outer UDP checksum; others stay as they are.
    #[must_use]
    pub fn with_udp_checksum(mut self, field: Field) -> Self {
        if let Some(udp) = self.udp_mut() {
            udp.checksum = field;
        }
        self
    }

    /// The outer UDP header of VXLAN and Geneve.
    #[must_use]
    pub fn udp_mut(&mut self) -> Option<&mut OuterUdp> {
        match &mut self.encapsulation {
            Encapsulation::Vxlan { udp, .. } | Encapsulation::Geneve { udp, .. } => Some(udp),
            _ => None,
        }
    }

    /// The tunnel of the next packet: identification and GRE sequence number go on.
    #[must_use]
    pub fn next(&self) -> Self {
        let mut next = Self { id: self.id.wrapping_add(1), ..self.clone() };
        if let Encapsulation::Gre { sequence: Some(sequence), .. } = &mut next.encapsulation {
            *sequence = sequence.wrapping_add(1);
        }
        next
    }

    /// The tunnel around `inner`, an IP packet of this EtherType: everything from the outer IP header on.
    pub(super) fn around(&self, inner: &[u8], ethertype: EtherType) -> Vec<u8> {
        let ip = self.ip(ethertype);
        let (mut body, protocol) = match &self.frame {
            Some(frame) => (frame.header(ethertype), EtherType::TEB.0),
            None => (Vec::new(), ethertype.0),
        };
        body.extend(inner);
        let mut carried = self.tunnel_header(protocol, body.len());
        carried.extend(body);
        self.make_checksums(&ip, &mut carried);
        let mut packet = ip.header(carried.len());
        packet.extend(carried);
        packet
    }

    fn tunnel_header(&self, protocol: u16, after: usize) -> Vec<u8> {
        match &self.encapsulation {
            Encapsulation::Ip => Vec::new(),
            Encapsulation::Vxlan { udp, flags, reserved, vni, last } => {
                let mut header = vec![*flags];
                header.extend(reserved);
                header.extend((vni << 8 | u32::from(*last)).to_be_bytes());
                udp.around(header, after)
            }
            Encapsulation::Geneve { udp, version, flags, vni, options } => {
                let mut header = vec![version << 6 | (options.len() / 4) as u8, *flags];
                header.extend(protocol.to_be_bytes());
                header.extend((vni << 8).to_be_bytes());
                header.extend(options);
                udp.around(header, after)
            }
            Encapsulation::Gre { word, checksum, key, sequence } => {
                gre_header(*word, checksum.is_some(), [*key, *sequence], protocol)
            }
        }
    }

    fn make_checksums(&self, ip: &Ip<'_>, carried: &mut [u8]) {
        match &self.encapsulation {
            Encapsulation::Vxlan { udp, .. } | Encapsulation::Geneve { udp, .. } => {
                ip.put_checksum(carried, 6, udp.checksum);
            }
            Encapsulation::Gre { checksum: Some(field), .. } => {
                let checksum = field.value(naive(carried).checksum(), 0);
                carried[4..6].copy_from_slice(&checksum.to_be_bytes());
            }
            _ => {}
        }
    }

    fn ip(&self, inner: EtherType) -> Ip<'_> {
        let protocol = match (&self.encapsulation, inner) {
            (Encapsulation::Vxlan { .. } | Encapsulation::Geneve { .. }, _) => Protocol::UDP,
            (Encapsulation::Gre { .. }, _) => Protocol::GRE,
            (Encapsulation::Ip, EtherType::IPV6) => Protocol::IPV6,
            (Encapsulation::Ip, _) => Protocol::IPV4,
        };
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
            protocol,
        }
    }
}

fn gre_header(word: u16, has_checksum: bool, fields: [Option<u32>; 2], protocol: u16) -> Vec<u8> {
    let flag = |is_set, bit| if is_set { bit } else { 0 };
    let [key, sequence] = fields;
    let flags = flag(has_checksum, 0x8000_u16)
        | flag(key.is_some(), 0x2000)
        | flag(sequence.is_some(), 0x1000);
    let mut header = [word | flags, protocol].map(u16::to_be_bytes).as_flattened().to_vec();
    if has_checksum {
        header.extend([0; 4]);
    }
    for field in fields.into_iter().flatten() {
        header.extend(field.to_be_bytes());
    }
    header
}

impl OuterUdp {
    /// The UDP header, without checksum, and `header` behind it, before `after` bytes.
    fn around(&self, header: Vec<u8>, after: usize) -> Vec<u8> {
        let len = (8 + header.len() + after) as u16;
        let words = [self.src_port, self.dst_port, len, 0].map(u16::to_be_bytes);
        let mut bytes = words.as_flattened().to_vec();
        bytes.extend(header);
        bytes
    }
}

impl Default for Frame {
    /// Without tags.
    fn default() -> Self {
        Self { macs: [[6, 0, 0, 0, 0, 2], [6, 0, 0, 0, 0, 1]], tags: Vec::new() }
    }
}

impl Frame {
    /// The header before a packet of this EtherType.
    pub(super) fn header(&self, ethertype: EtherType) -> Vec<u8> {
        let mut header = self.macs.as_flattened().to_vec();
        for (tag, tci) in &self.tags {
            header.extend(tag.0.to_be_bytes());
            header.extend(tci.to_be_bytes());
        }
        header.extend(ethertype.0.to_be_bytes());
        header
    }
}
