//! One packet of every kind, with what the parser has to say about it.

use std::net::{Ipv4Addr, Ipv6Addr};

use sluice_common::wire::{
    Addresses, EtherType, Fragment, Headers, Ports, Protocol, Unparsed, ipv4, ipv6, vlan,
};

use crate::{Extension, Network, Spec, Tag, Transport};

/// A packet and what the parser has to say about it.
#[derive(Clone, Debug)]
pub struct Fixture {
    /// What is special about it.
    pub name: &'static str,
    /// Its bytes, from the Ethernet header on.
    pub bytes: Vec<u8>,
    /// What [`Headers::parse`] has to say.
    pub parsed: Result<Headers, Unparsed>,
}

const SRC4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const DST4: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
const SRC6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
const DST6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);
const TCP: Transport = Transport::Tcp(40_000, 5201);
const UDP: Transport = Transport::Udp(40_000, 443);
const PORTS: Option<Ports> = Some(Ports { src: 40_000, dst: 5201 });
const UDP_PORTS: Option<Ports> = Some(Ports { src: 40_000, dst: 443 });
const OPTIONS_8: Extension = Extension::Sized { protocol: Protocol::DESTINATION_OPTIONS, units: 0 };

/// All of them.
#[must_use]
pub fn fixtures() -> Vec<Fixture> {
    [ipv4_kinds(), ipv6_kinds(), vlan_kinds(), not_ip(), broken()].concat()
}

fn v4(options: u8, fragment: u16) -> Network {
    Network::V4 { src: SRC4, dst: DST4, options, fragment }
}

fn v6(extensions: &[Extension]) -> Network {
    Network::V6 { src: SRC6, dst: DST6, extensions: extensions.to_vec() }
}

fn bytes(tags: &[Tag], network: Network, transport: Transport) -> Vec<u8> {
    Spec { tags: tags.to_vec(), network, transport, payload: 10 }.bytes()
}

/// What an untagged IPv4 packet without options parses to.
fn v4_headers(protocol: Protocol, ports: Option<Ports>) -> Headers {
    Headers {
        vlan: vlan::Tags::default(),
        network: 14,
        transport: 34,
        addresses: Addresses::V4 { src: SRC4.octets(), dst: DST4.octets() },
        protocol,
        fragment: Fragment::Whole,
        ports,
    }
}

/// What an untagged IPv6 packet parses to, with so many bytes of extension headers.
fn v6_headers(extensions: u16, protocol: Protocol, ports: Option<Ports>) -> Headers {
    Headers {
        transport: 54 + extensions,
        addresses: Addresses::V6 { src: SRC6.octets(), dst: DST6.octets() },
        ..v4_headers(protocol, ports)
    }
}

fn ipv4_kinds() -> Vec<Fixture> {
    let tcp = v4_headers(Protocol::TCP, PORTS);
    let fixture = |name, network, transport, parsed| Fixture {
        name,
        bytes: bytes(&[], network, transport),
        parsed: Ok(parsed),
    };
    vec![
        fixture("ipv4 tcp", v4(0, ipv4::DF), TCP, tcp),
        fixture("ipv4 udp", v4(0, 0), UDP, v4_headers(Protocol::UDP, UDP_PORTS)),
        fixture("ipv4 tcp behind options", v4(1, 0), TCP, Headers { transport: 38, ..tcp }),
        fixture("ipv4 tcp behind most options", v4(10, 0), TCP, Headers { transport: 74, ..tcp }),
        fixture(
            "ipv4 icmp",
            v4(0, 0),
            Transport::Other(Protocol::ICMP),
            v4_headers(Protocol::ICMP, None),
        ),
        fixture(
            "ipv4 esp",
            v4(0, 0),
            Transport::Other(Protocol(50)),
            v4_headers(Protocol(50), None),
        ),
        fixture(
            "ipv4 first fragment",
            v4(0, ipv4::MF),
            TCP,
            Headers { fragment: Fragment::First, ..tcp },
        ),
        fixture(
            "ipv4 middle fragment",
            v4(0, ipv4::MF | 185),
            TCP,
            Headers { fragment: Fragment::Later, ports: None, ..tcp },
        ),
        fixture(
            "ipv4 last fragment",
            v4(0, 370),
            TCP,
            Headers { fragment: Fragment::Later, ports: None, ..tcp },
        ),
    ]
}

fn ipv6_kinds() -> Vec<Fixture> {
    let sized = |protocol, units| Extension::Sized { protocol, units };
    let fixture = |name, extensions: &[Extension], transport, parsed| Fixture {
        name,
        bytes: bytes(&[], v6(extensions), transport),
        parsed: Ok(parsed),
    };
    let tcp = |extensions| v6_headers(extensions, Protocol::TCP, PORTS);
    let icmp = Transport::Other(Protocol::ICMPV6);
    let three = [
        sized(Protocol::HOP_BY_HOP, 0),
        sized(Protocol::ROUTING, 2),
        sized(Protocol::DESTINATION_OPTIONS, 1),
    ];
    let many = [OPTIONS_8; ipv6::MAX_EXTENSIONS];
    let longest = [sized(Protocol::HOP_BY_HOP, 255)];
    let later = |extensions| Headers { fragment: Fragment::Later, ports: None, ..tcp(extensions) };
    vec![
        fixture("ipv6 tcp", &[], TCP, tcp(0)),
        fixture("ipv6 udp", &[], UDP, v6_headers(0, Protocol::UDP, UDP_PORTS)),
        fixture("ipv6 icmp", &[], icmp, v6_headers(0, Protocol::ICMPV6, None)),
        fixture("ipv6 three extension headers", &three, TCP, tcp(8 + 24 + 16)),
        fixture("ipv6 as many extension headers as are followed", &many, TCP, tcp(48)),
        fixture("ipv6 the longest extension header", &longest, TCP, tcp(2048)),
        fixture(
            "ipv6 authentication header: not followed",
            &[],
            Transport::Other(Protocol(51)),
            v6_headers(0, Protocol(51), None),
        ),
        fixture(
            "ipv6 first fragment",
            &[Extension::Fragment(1)],
            TCP,
            Headers { fragment: Fragment::First, ..tcp(8) },
        ),
        fixture(
            "ipv6 atomic fragment",
            &[Extension::Fragment(0)],
            TCP,
            Headers { fragment: Fragment::First, ..tcp(8) },
        ),
        fixture("ipv6 later fragment", &[Extension::Fragment(8)], TCP, later(8)),
        fixture(
            "ipv6 later fragment behind options",
            &[OPTIONS_8, Extension::Fragment(0xfff9)],
            TCP,
            later(16),
        ),
    ]
}

fn vlan_kinds() -> Vec<Fixture> {
    let tag = |kind, tci| Tag { kind, tci };
    let customer = tag(EtherType::VLAN, 0x6000 | 100);
    let service = tag(EtherType::QINQ, 7);
    let tagged = |headers: Headers, tags: &[Tag]| {
        let offset = (tags.len() * vlan::TAG_LEN) as u16;
        Headers {
            vlan: tags.iter().fold(vlan::Tags::default(), |all, tag| all.with(tag.tci).unwrap()),
            network: headers.network + offset,
            transport: headers.transport + offset,
            ..headers
        }
    };
    let fixture = |name, tags: &[Tag], network, parsed| Fixture {
        name,
        bytes: bytes(tags, network, TCP),
        parsed: Ok(tagged(parsed, tags)),
    };
    let tcp4 = v4_headers(Protocol::TCP, PORTS);
    let tcp6 = v6_headers(0, Protocol::TCP, PORTS);
    vec![
        fixture("vlan ipv4 tcp", &[customer], v4(0, 0), tcp4),
        fixture("vlan ipv6 tcp", &[customer], v6(&[]), tcp6),
        fixture("vlan priority tag only", &[tag(EtherType::VLAN, 0xe000)], v4(0, 0), tcp4),
        fixture("qinq ipv4 tcp", &[service, customer], v4(0, 0), tcp4),
        fixture("qinq ipv6 tcp", &[service, customer], v6(&[]), tcp6),
        fixture("vlan in vlan", &[customer, customer], v4(2, 0), Headers { transport: 42, ..tcp4 }),
    ]
}

fn not_ip() -> Vec<Fixture> {
    let fixture = |name, tags: &[Tag], ethertype| Fixture {
        name,
        bytes: bytes(tags, Network::Other(ethertype), TCP),
        parsed: Err(Unparsed::NotIp(ethertype)),
    };
    let tag = Tag { kind: EtherType::VLAN, tci: 5 };
    vec![
        fixture("arp", &[], EtherType::ARP),
        fixture("arp in a vlan", &[tag], EtherType::ARP),
        fixture("lldp", &[], EtherType(0x88cc)),
        fixture("an 802.3 length", &[], EtherType(46)),
    ]
}

fn broken() -> Vec<Fixture> {
    let fixture = |name, bytes, unparsed| Fixture { name, bytes, parsed: Err(unparsed) };
    let patched = |mut bytes: Vec<u8>, at: usize, value| {
        bytes[at] = value;
        bytes
    };
    let cut = |mut bytes: Vec<u8>, len| {
        bytes.truncate(len);
        bytes
    };
    let tcp4 = || bytes(&[], v4(0, 0), TCP);
    let tcp6 = || bytes(&[], v6(&[]), TCP);
    let three_tags = [Tag { kind: EtherType::VLAN, tci: 5 }; 3];
    let too_many = [OPTIONS_8; ipv6::MAX_EXTENSIONS + 1];
    let mut too_many_fragment = [OPTIONS_8; ipv6::MAX_EXTENSIONS + 1];
    too_many_fragment[ipv6::MAX_EXTENSIONS] = Extension::Fragment(1);
    vec![
        fixture("an Ethernet header and nothing else", cut(tcp4(), 14), Unparsed::Truncated),
        fixture("ipv4 cut in its header", cut(tcp4(), 33), Unparsed::Truncated),
        fixture("ipv4 cut before the ports", cut(tcp4(), 37), Unparsed::Truncated),
        fixture(
            "ipv4 with more header than packet",
            patched(tcp4(), 14, 0x4f),
            Unparsed::Truncated,
        ),
        fixture("ipv6 cut in its header", cut(tcp6(), 53), Unparsed::Truncated),
        fixture("ipv6 cut before the ports", cut(tcp6(), 57), Unparsed::Truncated),
        fixture(
            "ipv6 extension header longer than the packet",
            patched(bytes(&[], v6(&[OPTIONS_8]), TCP), 55, 255),
            Unparsed::Truncated,
        ),
        fixture("ipv4 of version 6", patched(tcp4(), 14, 0x65), Unparsed::BadVersion),
        fixture("ipv6 of version 4", patched(tcp6(), 14, 0x45), Unparsed::BadVersion),
        fixture("ipv4 header of 16 bytes", patched(tcp4(), 14, 0x44), Unparsed::BadHeaderLength),
        fixture("three tags", bytes(&three_tags, v4(0, 0), TCP), Unparsed::TooManyTags),
        fixture(
            "one extension header too many",
            bytes(&[], v6(&too_many), TCP),
            Unparsed::TooManyExtensions,
        ),
        fixture(
            "a fragment header too deep",
            bytes(&[], v6(&too_many_fragment), TCP),
            Unparsed::TooManyExtensions,
        ),
    ]
}
