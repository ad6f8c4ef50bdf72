//! A packet as a list of its headers, written to bytes.

use std::net::{Ipv4Addr, Ipv6Addr};

use sluice_common::wire::{EtherType, Protocol, ethernet, ipv4};

/// A VLAN tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// 802.1Q or 802.1ad.
    pub kind: EtherType,
    /// Priority, drop eligibility and VLAN ID.
    pub tci: u16,
}

/// An IPv6 extension header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extension {
    /// One with a length: hop-by-hop, routing, destination options.
    Sized {
        /// Which.
        protocol: Protocol,
        /// Its length field: units of eight bytes after the first.
        units: u8,
    },
    /// Fragment: thirteen bits of offset, two reserved, one "more".
    Fragment(u16),
}

/// The network header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    /// IPv4.
    V4 {
        /// Source.
        src: Ipv4Addr,
        /// Destination.
        dst: Ipv4Addr,
        /// Words of options, 0..=10.
        options: u8,
        /// Flags and offset.
        fragment: u16,
    },
    /// IPv6.
    V6 {
        /// Source.
        src: Ipv6Addr,
        /// Destination.
        dst: Ipv6Addr,
        /// Extension headers, in order.
        extensions: Vec<Extension>,
    },
    /// Something else, of 28 bytes (an ARP packet's length).
    Other(EtherType),
}

/// What the network header carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP, from and to these ports.
    Tcp(u16, u16),
    /// UDP, from and to these ports.
    Udp(u16, u16),
    /// Another protocol, with eight bytes of it.
    Other(Protocol),
}

impl Transport {
    /// Its protocol number.
    #[must_use]
    pub const fn protocol(self) -> Protocol {
        match self {
            Self::Tcp(..) => Protocol::TCP,
            Self::Udp(..) => Protocol::UDP,
            Self::Other(protocol) => protocol,
        }
    }

    fn write(self, out: &mut Vec<u8>) {
        let (ports, len) = match self {
            Self::Tcp(src, dst) => (Some((src, dst)), 20),
            Self::Udp(src, dst) => (Some((src, dst)), 8),
            Self::Other(_) => (None, 8),
        };
        let start = out.len();
        out.resize(start + len, 0);
        if let Some((src, dst)) = ports {
            out[start..start + 2].copy_from_slice(&src.to_be_bytes());
            out[start + 2..start + 4].copy_from_slice(&dst.to_be_bytes());
        }
        match self {
            Self::Tcp(..) => out[start + 12] = 5 << 4,
            Self::Udp(..) => out[start + 5] = 8,
            Self::Other(_) => {}
        }
    }
}

/// A packet with an Ethernet header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// VLAN tags, outermost first.
    pub tags: Vec<Tag>,
    /// Network header.
    pub network: Network,
    /// Transport header.
    pub transport: Transport,
    /// Bytes after the headers.
    pub payload: usize,
}

impl Spec {
    /// Its bytes. Lengths are true, checksums are not made: steering looks at neither.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = vec![0; ethernet::HEADER_LEN];
        ethernet::write_header(&mut out, [2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2], EtherType(0));
        out.truncate(ethernet::ETHERTYPE);
        for tag in &self.tags {
            out.extend(tag.kind.0.to_be_bytes());
            out.extend(tag.tci.to_be_bytes());
        }
        out.extend(self.ethertype().0.to_be_bytes());
        let mut body = Vec::new();
        self.transport.write(&mut body);
        body.resize(body.len() + self.payload, 0xda);
        match &self.network {
            Network::V4 { src, dst, options, fragment } => {
                out.extend(ipv4_header(self.transport.protocol(), body.len(), *options, *fragment));
                out.extend(src.octets());
                out.extend(dst.octets());
                out.extend(std::iter::repeat_n(1, usize::from(*options) * 4));
                out.extend(body);
            }
            Network::V6 { src, dst, extensions } => {
                let (first, chain) = extension_chain(extensions, self.transport.protocol());
                let len = (chain.len() + body.len()) as u16;
                out.extend([0x60, 0, 0, 0]);
                out.extend(len.to_be_bytes());
                out.extend([first.0, 64]);
                out.extend(src.octets());
                out.extend(dst.octets());
                out.extend(chain);
                out.extend(body);
            }
            Network::Other(_) => out.resize(out.len() + 28, 0),
        }
        out
    }

    fn ethertype(&self) -> EtherType {
        match self.network {
            Network::V4 { .. } => EtherType::IPV4,
            Network::V6 { .. } => EtherType::IPV6,
            Network::Other(ethertype) => ethertype,
        }
    }
}

/// The first twelve bytes.
fn ipv4_header(protocol: Protocol, body: usize, options: u8, fragment: u16) -> [u8; 12] {
    let header_len = ipv4::HEADER_LEN + usize::from(options) * 4;
    let [t0, t1] = ((header_len + body) as u16).to_be_bytes();
    let [f0, f1] = fragment.to_be_bytes();
    [0x40 | (5 + options), 0, t0, t1, 0, 1, f0, f1, 64, protocol.0, 0, 0]
}

/// The protocol of the first header, and the extension headers' bytes.
fn extension_chain(extensions: &[Extension], last: Protocol) -> (Protocol, Vec<u8>) {
    let protocol_of = |extension: &Extension| match extension {
        Extension::Sized { protocol, .. } => *protocol,
        Extension::Fragment(_) => Protocol::FRAGMENT,
    };
    let mut bytes = Vec::new();
    for (index, extension) in extensions.iter().enumerate() {
        let next = extensions.get(index + 1).map_or(last, protocol_of);
        match extension {
            Extension::Sized { units, .. } => {
                bytes.extend([next.0, *units]);
                // One padding option (RFC 8200 §4.2) over all of the rest.
                let rest = 6 + usize::from(*units) * 8;
                bytes.extend([1, (rest - 2).min(255) as u8]);
                bytes.resize(bytes.len() + rest - 2, 0);
            }
            Extension::Fragment(word) => {
                bytes.extend([next.0, 0]);
                bytes.extend(word.to_be_bytes());
                bytes.extend([0, 0, 0, 7]);
            }
        }
    }
    (extensions.first().map_or(last, protocol_of), bytes)
}
