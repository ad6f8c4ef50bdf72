//! The parser: where each header of a packet begins, and what steering needs to know of it.

use super::{Bytes, EtherType, Protocol, ethernet, ipv4, ipv6, vlan};

/// What a packet begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// An Ethernet header, with up to two VLAN tags.
    Ethernet,
    /// An IP header: what a TUN device carries.
    None,
}

/// Source and destination address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Addresses {
    /// IPv4.
    V4 {
        /// Source, network byte order.
        src: [u8; 4],
        /// Destination, network byte order.
        dst: [u8; 4],
    },
    /// IPv6.
    V6 {
        /// Source, network byte order.
        src: [u8; 16],
        /// Destination, network byte order.
        dst: [u8; 16],
    },
}

impl Addresses {
    /// Those of the packets that go the other way.
    #[inline]
    #[must_use]
    pub const fn reversed(self) -> Self {
        match self {
            Self::V4 { src, dst } => Self::V4 { src: dst, dst: src },
            Self::V6 { src, dst } => Self::V6 { src: dst, dst: src },
        }
    }
}

/// Transport ports, host byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ports {
    /// Source port.
    pub src: u16,
    /// Destination port.
    pub dst: u16,
}

impl Ports {
    /// Those of the packets that go the other way.
    #[inline]
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self { src: self.dst, dst: self.src }
    }
}

/// Whether a packet is a piece of a larger one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fragment {
    /// A whole packet.
    Whole,
    /// The first fragment: the transport header can be seen.
    First,
    /// A later fragment: it has no transport header.
    Later,
}

/// Why a packet has no [`Headers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unparsed {
    /// The packet ends inside a header.
    Truncated,
    /// The EtherType behind the VLAN tags is neither IPv4 nor IPv6.
    NotIp(EtherType),
    /// More VLAN tags than [`vlan::MAX_TAGS`].
    TooManyTags,
    /// The version field disagrees with the EtherType, or is neither 4 nor 6.
    BadVersion,
    /// An IPv4 header length below 20.
    BadHeaderLength,
    /// More IPv6 extension headers than [`ipv6::MAX_EXTENSIONS`].
    TooManyExtensions,
}

/// Where the headers of an IP packet begin, and the fields that steering compares.
///
/// Offsets are in bytes from the start of the packet. That the transport header is all there, and
/// that the lengths in the headers are true, is not said here: the parser looks no further than the
/// ports.
///
/// ```
/// use sluice_common::wire::{Headers, Link, Ports, Protocol};
///
/// let packet = [
///     0x45, 0, 0, 28, 0, 0, 0x40, 0, 64, 17, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, // IPv4
///     0x13, 0x88, 0, 53, 0, 8, 0, 0, // UDP
/// ];
/// let headers = Headers::parse(&packet[..], Link::None)?;
/// assert_eq!((headers.protocol, headers.transport), (Protocol::UDP, 20));
/// assert_eq!(headers.ports, Some(Ports { src: 5000, dst: 53 }));
/// # Ok::<(), sluice_common::wire::Unparsed>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headers {
    /// VLAN tags, outermost first.
    pub vlan: vlan::Tags,
    /// Offset of the IP header.
    pub network: u16,
    /// Offset of what follows the IP header and its skippable extension headers.
    pub transport: u16,
    /// Addresses; also tells IPv4 from IPv6.
    pub addresses: Addresses,
    /// What stands at [`transport`](Self::transport).
    pub protocol: Protocol,
    /// Whether this is a fragment.
    pub fragment: Fragment,
    /// Ports of a TCP or UDP packet that has its transport header.
    pub ports: Option<Ports>,
}

impl Headers {
    /// Parses `packet`.
    ///
    /// # Errors
    /// [`Unparsed`] says why it is not an IP packet this parser can follow. A packet of another
    /// transport protocol is no error; it has no [`ports`](Self::ports).
    #[inline(always)]
    pub fn parse<B: Bytes + ?Sized>(packet: &B, link: Link) -> Result<Self, Unparsed> {
        let (vlan, network, ethertype) = match link {
            Link::Ethernet => parse_link(packet)?,
            Link::None => (vlan::Tags::default(), 0, ethertype_of_version(packet)?),
        };
        let parsed = match ethertype {
            EtherType::IPV4 => parse_ipv4(packet, network)?,
            EtherType::IPV6 => parse_ipv6(packet, network)?,
            other => return Err(Unparsed::NotIp(other)),
        };
        Ok(Self { vlan, ports: parse_ports(packet, &parsed)?, ..parsed })
    }

    /// Whether the packet is IPv6.
    #[inline(always)]
    #[must_use]
    pub const fn is_ipv6(&self) -> bool {
        matches!(self.addresses, Addresses::V6 { .. })
    }
}

#[inline(always)]
fn parse_link<B: Bytes + ?Sized>(packet: &B) -> Result<(vlan::Tags, u16, EtherType), Unparsed> {
    let mut tags = vlan::Tags::default();
    let mut at = ethernet::HEADER_LEN;
    let mut ethertype =
        packet.be16(ethernet::ETHERTYPE).map(EtherType).ok_or(Unparsed::Truncated)?;
    for _ in 0..vlan::MAX_TAGS {
        if !ethertype.is_tag() {
            break;
        }
        let [t0, t1, e0, e1] = packet.read(at).ok_or(Unparsed::Truncated)?;
        tags = tags.with(u16::from_be_bytes([t0, t1])).ok_or(Unparsed::TooManyTags)?;
        ethertype = EtherType(u16::from_be_bytes([e0, e1]));
        at += vlan::TAG_LEN;
    }
    if ethertype.is_tag() {
        return Err(Unparsed::TooManyTags);
    }
    Ok((tags, at as u16, ethertype))
}

#[inline(always)]
fn ethertype_of_version<B: Bytes + ?Sized>(packet: &B) -> Result<EtherType, Unparsed> {
    match packet.byte(0).ok_or(Unparsed::Truncated)? >> 4 {
        4 => Ok(EtherType::IPV4),
        6 => Ok(EtherType::IPV6),
        _ => Err(Unparsed::BadVersion),
    }
}

#[inline(always)]
fn parse_ipv4<B: Bytes + ?Sized>(packet: &B, network: u16) -> Result<Headers, Unparsed> {
    let bytes: [u8; ipv4::HEADER_LEN] = packet.read(network.into()).ok_or(Unparsed::Truncated)?;
    if bytes[0] >> 4 != 4 {
        return Err(Unparsed::BadVersion);
    }
    let header_len = u16::from(bytes[0] & 0x0f) * 4;
    if usize::from(header_len) < ipv4::HEADER_LEN {
        return Err(Unparsed::BadHeaderLength);
    }
    let [.., s0, s1, s2, s3, d0, d1, d2, d3] = bytes;
    Ok(Headers {
        vlan: vlan::Tags::default(),
        network,
        transport: network + header_len,
        addresses: Addresses::V4 { src: [s0, s1, s2, s3], dst: [d0, d1, d2, d3] },
        protocol: Protocol(bytes[9]),
        fragment: fragment_of(u16::from_be_bytes([bytes[6], bytes[7]])),
        ports: None,
    })
}

/// IPv4 keeps offset and MF flag in one word; only the offset's being zero and MF matter here.
#[inline(always)]
fn fragment_of(word: u16) -> Fragment {
    if word & ipv4::OFFSET != 0 {
        Fragment::Later
    } else if word & ipv4::MF != 0 {
        Fragment::First
    } else {
        Fragment::Whole
    }
}

#[inline(always)]
fn parse_ipv6<B: Bytes + ?Sized>(packet: &B, network: u16) -> Result<Headers, Unparsed> {
    let start = usize::from(network);
    let [version, _, _, _, _, _, next_header, _] = packet.read(start).ok_or(Unparsed::Truncated)?;
    if version >> 4 != 6 {
        return Err(Unparsed::BadVersion);
    }
    let src = packet.read(start + 8).ok_or(Unparsed::Truncated)?;
    let dst = packet.read(start + 24).ok_or(Unparsed::Truncated)?;
    let (transport, protocol, fragment) =
        skip_extensions(packet, network + ipv6::HEADER_LEN as u16, Protocol(next_header))?;
    Ok(Headers {
        vlan: vlan::Tags::default(),
        network,
        transport,
        addresses: Addresses::V6 { src, dst },
        protocol,
        fragment,
        ports: None,
    })
}

/// Steps over extension headers to the transport header, or to the first header whose length it
/// cannot know (ESP, AH, anything new), which is then the packet's protocol.
#[inline(always)]
fn skip_extensions<B: Bytes + ?Sized>(
    packet: &B,
    mut at: u16,
    mut protocol: Protocol,
) -> Result<(u16, Protocol, Fragment), Unparsed> {
    let mut fragment = Fragment::Whole;
    for _ in 0..ipv6::MAX_EXTENSIONS {
        let is_fragment = matches!(protocol, Protocol::FRAGMENT);
        if !is_fragment && !protocol.is_skippable_extension() {
            return Ok((at, protocol, fragment));
        }
        let [next, len, hi, lo] = packet.read(at.into()).ok_or(Unparsed::Truncated)?;
        if is_fragment {
            // RFC 8200 §4.5: 13 bits of offset, two reserved, one M flag; eight bytes in all.
            let word = u16::from_be_bytes([hi, lo]);
            fragment = if word & 0xfff8 != 0 { Fragment::Later } else { Fragment::First };
            at += 8;
        } else {
            at += (u16::from(len) + 1) * 8;
        }
        protocol = Protocol(next);
        if matches!(fragment, Fragment::Later) {
            return Ok((at, protocol, fragment));
        }
    }
    if matches!(protocol, Protocol::FRAGMENT) || protocol.is_skippable_extension() {
        return Err(Unparsed::TooManyExtensions);
    }
    Ok((at, protocol, fragment))
}

#[inline(always)]
fn parse_ports<B: Bytes + ?Sized>(
    packet: &B,
    headers: &Headers,
) -> Result<Option<Ports>, Unparsed> {
    let has_ports = matches!(headers.protocol, Protocol::TCP | Protocol::UDP);
    if !has_ports || matches!(headers.fragment, Fragment::Later) {
        return Ok(None);
    }
    let [s0, s1, d0, d1] = packet.read(headers.transport.into()).ok_or(Unparsed::Truncated)?;
    Ok(Some(Ports { src: u16::from_be_bytes([s0, s1]), dst: u16::from_be_bytes([d0, d1]) }))
}
