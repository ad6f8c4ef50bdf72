//! Tunnels: what stands inside an IP packet that carries another one.
//!
//! ```text
//! ┌──────┬──────────┬ ─ ─ ─ ─ ─ ┬───────────────┬ ─ ─ ─ ─ ─ ─ ─ ┬──────────┬───────────┬─ ─ ─
//! │ link │ outer IP │ outer UDP │ tunnel header │ inner Ethernet│ inner IP │ transport │
//! └──────┴──────────┴ ─ ─ ─ ─ ─ ┴───────────────┴ ─ ─ ─ ─ ─ ─ ─ ┴──────────┴───────────┴─ ─ ─
//!        network    transport   header          payload         inner.network  inner.transport
//! ```

use super::{
    Bytes, EtherType, Fragment, Headers, Link, Protocol, Unparsed, geneve, gre, udp, vxlan,
};

/// Which kind of tunnel it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum TunnelKind {
    /// VXLAN (RFC 7348), over UDP.
    Vxlan,
    /// Geneve (RFC 8926), over UDP.
    Geneve,
    /// GRE (RFC 2784).
    Gre,
    /// Nothing between the IP headers: IPIP, SIT, IP6IP6, IPv4 in IPv6.
    Ip,
}

impl TunnelKind {
    /// Whether an outer UDP header stands before the tunnel header.
    #[inline]
    #[must_use]
    pub const fn is_udp(self) -> bool {
        matches!(self, Self::Vxlan | Self::Geneve)
    }
}

/// The UDP destination ports that say what a datagram carries: configuration, as no byte of it tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TunnelPorts {
    vxlan: [u16; Self::MAX],
    geneve: [u16; Self::MAX],
}

impl TunnelPorts {
    /// Most ports of one kind. Each is compared with every UDP packet's; who runs tunnels on more than
    /// the standard port runs them on one or two.
    pub const MAX: usize = 4;
    /// No UDP port is a tunnel's.
    pub const NONE: Self = Self { vxlan: [0; Self::MAX], geneve: [0; Self::MAX] };

    /// These ports; `None` if they are more than [`MAX`](Self::MAX) of a kind, one is 0, or one is said
    /// to be both.
    #[must_use]
    pub fn new(vxlan: &[u16], geneve: &[u16]) -> Option<Self> {
        let mut ports = Self::NONE;
        ports.vxlan.get_mut(..vxlan.len())?.copy_from_slice(vxlan);
        ports.geneve.get_mut(..geneve.len())?.copy_from_slice(geneve);
        let is_wrong = |port: &u16| *port == 0 || vxlan.contains(port) && geneve.contains(port);
        (!vxlan.iter().chain(geneve).any(is_wrong)).then_some(ports)
    }

    /// What a datagram to `port` carries, if it is a tunnel's.
    #[inline]
    #[must_use]
    pub fn kind(&self, port: u16) -> Option<TunnelKind> {
        // What is not used holds 0, which is nobody's port.
        if port == 0 {
            None
        } else if self.vxlan.contains(&port) {
            Some(TunnelKind::Vxlan)
        } else if self.geneve.contains(&port) {
            Some(TunnelKind::Geneve)
        } else {
            None
        }
    }
}

impl Default for TunnelPorts {
    /// The ports IANA gave: 4789 and 6081.
    fn default() -> Self {
        let mut ports = Self::NONE;
        (ports.vxlan[0], ports.geneve[0]) = (vxlan::PORT, geneve::PORT);
        ports
    }
}

/// Why what is inside a tunnel's packet cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotInside {
    /// The packet ends inside the tunnel header, or the header has a length that is not known: a GRE
    /// version or flag, a Geneve version.
    Header,
    /// A later fragment: the headers of what is inside stand in another packet. Those of the first fragment are
    /// found, and how much of it is there is not asked.
    Fragment,
    /// Neither an Ethernet frame nor an IP packet.
    Protocol(EtherType),
    /// The inner packet has no [`Headers`].
    Inner(Unparsed),
}

/// What stands inside a tunnel's packet. All offsets are in bytes from the start of the whole packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// Which kind it is.
    pub kind: TunnelKind,
    /// Offset of the tunnel header; where there is none, of the inner packet.
    pub header: u16,
    /// Offset of the inner packet: its Ethernet header where it has one.
    pub payload: u16,
    /// VXLAN's or Geneve's network identifier, GRE's key; 0 where there is none.
    pub id: u32,
    /// Whether the tunnel header says nothing but what a train can say once for all of its packets
    /// (G31, G32): VXLAN without unknown flags, Geneve that is no control message, GRE without sequence
    /// number.
    pub is_plain: bool,
    /// Whether the inner packet is a tunnel's as well (G26). What is inside that is not looked at.
    pub is_nested: bool,
    /// The inner packet.
    pub inner: Headers,
}

impl Tunnel {
    /// What stands inside `packet`, whose outermost headers are `outer`; `None` if it is no tunnel's.
    #[inline]
    #[must_use]
    pub fn find(
        packet: &[u8],
        outer: &Headers,
        ports: &TunnelPorts,
    ) -> Option<Result<Self, NotInside>> {
        // The branch that a TCP packet pays.
        if outer.protocol == Protocol::TCP {
            return None;
        }
        kind_of(outer, ports).map(|kind| Self::open(packet, outer, kind, ports))
    }

    fn open(
        packet: &[u8],
        outer: &Headers,
        kind: TunnelKind,
        ports: &TunnelPorts,
    ) -> Result<Self, NotInside> {
        if outer.fragment == Fragment::Later {
            return Err(NotInside::Fragment);
        }
        let udp = if kind.is_udp() { udp::HEADER_LEN } else { 0 };
        let header = usize::from(outer.transport) + udp;
        let Opened { len, id, is_plain, protocol } = match kind {
            TunnelKind::Vxlan => open_vxlan(packet.get(header..).unwrap_or_default()),
            TunnelKind::Geneve => open_geneve(packet.get(header..).unwrap_or_default()),
            TunnelKind::Gre => open_gre(packet.get(header..).unwrap_or_default()),
            TunnelKind::Ip => Some(Opened::of_ip(outer.protocol)),
        }
        .ok_or(NotInside::Header)?;
        let payload = header + len;
        let inner = parse_inner(packet, payload, protocol)?;
        let is_nested = kind_of(&inner, ports).is_some();
        Ok(Self {
            kind,
            header: header as u16,
            payload: payload as u16,
            id,
            is_plain,
            is_nested,
            inner,
        })
    }
}

/// Which tunnel's packet has these headers.
fn kind_of(headers: &Headers, ports: &TunnelPorts) -> Option<TunnelKind> {
    match headers.protocol {
        Protocol::UDP => ports.kind(headers.ports?.dst),
        Protocol::GRE => Some(TunnelKind::Gre),
        Protocol::IPV4 | Protocol::IPV6 => Some(TunnelKind::Ip),
        _ => None,
    }
}

/// What a tunnel header says.
struct Opened {
    /// Its length.
    len: usize,
    id: u32,
    is_plain: bool,
    /// What follows it.
    protocol: EtherType,
}

impl Opened {
    const fn of_ip(protocol: Protocol) -> Self {
        let is_ipv6 = matches!(protocol, Protocol::IPV6);
        let protocol = if is_ipv6 { EtherType::IPV6 } else { EtherType::IPV4 };
        Self { len: 0, id: 0, is_plain: true, protocol }
    }
}

fn open_vxlan(bytes: &[u8]) -> Option<Opened> {
    let header = vxlan::Header::new(bytes)?;
    Some(Opened {
        len: vxlan::HEADER_LEN,
        id: header.vni(),
        is_plain: header.flags() == vxlan::VNI_VALID,
        protocol: EtherType::TEB,
    })
}

fn open_geneve(bytes: &[u8]) -> Option<Opened> {
    let header = geneve::Header::new(bytes)?;
    if header.version() != 0 {
        return None;
    }
    Some(Opened {
        len: header.header_len(),
        id: header.vni(),
        is_plain: !header.is_control(),
        protocol: header.protocol(),
    })
}

fn open_gre(bytes: &[u8]) -> Option<Opened> {
    let header = gre::Header::new(bytes)?;
    Some(Opened {
        len: header.header_len()?,
        id: header.key().unwrap_or(0),
        is_plain: header.flags() & gre::SEQUENCE == 0,
        protocol: header.protocol(),
    })
}

/// The headers of the inner packet at `payload`, with offsets from the start of the whole.
fn parse_inner(packet: &[u8], payload: usize, protocol: EtherType) -> Result<Headers, NotInside> {
    let (link, version) = match protocol {
        EtherType::TEB => (Link::Ethernet, None),
        EtherType::IPV4 => (Link::None, Some(4)),
        EtherType::IPV6 => (Link::None, Some(6)),
        other => return Err(NotInside::Protocol(other)),
    };
    let bytes = packet.get(payload..).ok_or(NotInside::Header)?;
    if version.is_some_and(|version| bytes.byte(0).is_some_and(|byte| byte >> 4 != version)) {
        return Err(NotInside::Inner(Unparsed::BadVersion));
    }
    let inner = Headers::parse(bytes, link).map_err(NotInside::Inner)?;
    let moved = |at: u16| {
        u16::try_from(usize::from(at) + payload).map_err(|_| NotInside::Inner(Unparsed::Truncated))
    };
    Ok(Headers { network: moved(inner.network)?, transport: moved(inner.transport)?, ..inner })
}

#[cfg(test)]
mod tests {
    use std::vec;
    use std::vec::Vec;

    use super::*;
    use crate::testing::{self, Field, Frame, Packet};

    /// Every kind of tunnel, with where its header and its payload begin behind an outer IPv4 header.
    fn all() -> Vec<(testing::Tunnel, TunnelKind, u16, u16, u32)> {
        let bridged = testing::Tunnel::gre().with_frame(Frame::default());
        vec![
            (testing::Tunnel::vxlan(), TunnelKind::Vxlan, 28, 36, 42),
            (testing::Tunnel::geneve(), TunnelKind::Geneve, 28, 44, 43),
            (testing::Tunnel::gre(), TunnelKind::Gre, 20, 24, 0),
            (testing::Tunnel::gre_with(Field::Right, 9), TunnelKind::Gre, 20, 32, 9),
            (bridged, TunnelKind::Gre, 20, 24, 0),
            (testing::Tunnel::ip4(), TunnelKind::Ip, 20, 20, 0),
        ]
    }

    fn find(bytes: &[u8]) -> Option<Result<Tunnel, NotInside>> {
        let outer = Headers::parse(bytes, Link::Ethernet).unwrap();
        Tunnel::find(bytes, &outer, &TunnelPorts::default())
    }

    #[test]
    fn the_inner_packet_is_found_in_every_kind_of_tunnel() {
        for (tunnel, kind, header, payload, id) in all() {
            for (over, wider) in [(tunnel.clone(), 0), (tunnel.over_ipv6(), 20)] {
                for packet in [Packet::tcp4(), Packet::tcp6(), Packet::udp4()] {
                    let alone = Packet { link: Link::None, ..packet.clone() }.build();
                    let frame = over.frame.as_ref().map_or(0, |_| 14);
                    let bytes = packet.inside(over.clone()).build();
                    let found = find(&bytes).unwrap().unwrap();
                    let (before, inner) = (14 + wider, found.inner);
                    assert_eq!((found.kind, found.id), (kind, id));
                    assert_eq!((found.header, found.payload), (before + header, before + payload));
                    assert_eq!(inner.network, found.payload + frame);
                    assert_eq!(bytes[inner.network.into()..], alone);
                    assert!(found.is_plain && !found.is_nested);
                    let expected = Headers::parse(&alone[..], Link::None).unwrap();
                    assert_eq!(
                        (inner.addresses, inner.ports),
                        (expected.addresses, expected.ports)
                    );
                    assert_eq!(inner.transport - inner.network, expected.transport);
                }
            }
        }
    }

    #[test]
    fn inner_tags_are_stepped_over() {
        let mut tunnel = testing::Tunnel::vxlan();
        let tags = vec![(EtherType::QINQ, 5), (EtherType::VLAN, 6)];
        tunnel.frame = Some(Frame { tags, ..Frame::default() });
        let found = find(&Packet::tcp4().inside(tunnel).build()).unwrap().unwrap();
        assert_eq!(found.inner.network, found.payload + 22);
        assert_eq!(found.inner.vlan.count(), 2);
    }

    #[test]
    fn what_is_no_tunnel_is_none() {
        for packet in [Packet::tcp4(), Packet::udp4(), Packet::tcp6()] {
            assert_eq!(find(&packet.build()), None);
        }
        let answer = Packet { src_port: 4789, ..Packet::udp4() };
        assert_eq!(find(&answer.build()), None, "the destination port tells");
    }

    #[test]
    fn ports_are_configuration() {
        let ports = TunnelPorts::new(&[8472, 4789], &[]).unwrap();
        assert_eq!(ports.kind(8472), Some(TunnelKind::Vxlan));
        assert_eq!((ports.kind(6081), ports.kind(0)), (None, None));
        assert_eq!(TunnelPorts::NONE.kind(0), None);
        assert_eq!(TunnelPorts::default().kind(6081), Some(TunnelKind::Geneve));
        assert_eq!(TunnelPorts::new(&[1, 2, 3, 4, 5], &[]), None);
        assert_eq!(TunnelPorts::new(&[0], &[]), None);
        assert_eq!(TunnelPorts::new(&[7], &[7]), None);
    }

    #[test]
    fn g26_a_tunnel_in_a_tunnel_is_told_and_not_opened() {
        // The inner packet is IP in IP: its payload is a whole IP packet.
        let innermost = Packet { link: Link::None, ..Packet::tcp4() }.build();
        let inner = |protocol| Packet { protocol, ..Packet::tcp4() }.with_payload(&innermost);
        for tunnel in [testing::Tunnel::vxlan(), testing::Tunnel::ip4(), testing::Tunnel::gre()] {
            let found =
                find(&inner(Protocol::IPV4).inside(tunnel.clone()).build()).unwrap().unwrap();
            assert!(found.is_nested);
            assert_eq!(found.inner.ports, None);
            let vxlan = Packet { dst_port: 4789, ..inner(Protocol::UDP) };
            assert!(find(&vxlan.inside(tunnel).build()).unwrap().unwrap().is_nested);
        }
    }

    #[test]
    fn bytes_that_lie_are_refused_and_never_read_beyond() {
        for (tunnel, ..) in all() {
            let bytes = Packet::tcp6().inside(tunnel).build();
            for end in 0..bytes.len() {
                let Ok(outer) = Headers::parse(&bytes[..end], Link::Ethernet) else { continue };
                if let Some(Ok(found)) =
                    Tunnel::find(&bytes[..end], &outer, &TunnelPorts::default())
                {
                    assert!(usize::from(found.inner.transport) <= end);
                }
            }
        }
        let mut version = Packet::tcp4().inside(testing::Tunnel::ip4()).build();
        version[34] = 0x65;
        assert_eq!(find(&version), Some(Err(NotInside::Inner(Unparsed::BadVersion))));
        let mut gre = Packet::tcp4().inside(testing::Tunnel::gre()).build();
        gre[34] = 0x40;
        assert_eq!(find(&gre), Some(Err(NotInside::Header)));
        gre[34..38].copy_from_slice(&[0, 0, 0x88, 0xcc]);
        assert_eq!(find(&gre), Some(Err(NotInside::Protocol(EtherType(0x88cc)))));
        let mut geneve = Packet::tcp4().inside(testing::Tunnel::geneve()).build();
        geneve[42] = 0x42;
        assert_eq!(find(&geneve), Some(Err(NotInside::Header)));
    }
}
