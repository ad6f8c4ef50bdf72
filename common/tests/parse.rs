//! The parser: fixtures of every kind, packets cut at every offset, and a second opinion.

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use proptest::prelude::*;
use sluice_common::wire::{Addresses, Fragment, Headers, Link, Ports, Unparsed, ethernet, vlan};
use sluice_packets::{Network, Transport, fixtures, packet, spec};

fn parse(bytes: &[u8]) -> Result<Headers, Unparsed> {
    Headers::parse(bytes, Link::Ethernet)
}

#[test]
fn every_kind_of_packet_parses_to_what_its_fixture_says() {
    for fixture in fixtures() {
        assert_eq!(parse(&fixture.bytes), fixture.parsed, "{}", fixture.name);
    }
}

/// Which way not to parse this is. Without a wildcard: a new one does not compile until it has a number
/// here, and then the test below wants a fixture of it.
const fn way(unparsed: Unparsed) -> usize {
    match unparsed {
        Unparsed::Truncated => 0,
        Unparsed::NotIp(_) => 1,
        Unparsed::TooManyTags => 2,
        Unparsed::BadVersion => 3,
        Unparsed::BadHeaderLength => 4,
        Unparsed::TooManyExtensions => 5,
    }
}

#[test]
fn the_fixtures_hold_every_way_not_to_parse() {
    let mut seen = [false; 6];
    for unparsed in fixtures().iter().filter_map(|fixture| fixture.parsed.err()) {
        seen[way(unparsed)] = true;
    }
    assert_eq!(seen, [true; 6]);
}

/// As [`Link::Ethernet`], but from the IP header on.
#[test]
fn without_a_link_header_an_ip_packet_parses_the_same_less_the_offset() {
    for fixture in fixtures() {
        let Ok(expected) = fixture.parsed else { continue };
        let packet = &fixture.bytes[usize::from(expected.network)..];
        let expected = Headers {
            vlan: vlan::Tags::default(),
            network: 0,
            transport: expected.transport - expected.network,
            ..expected
        };
        assert_eq!(Headers::parse(packet, Link::None), Ok(expected), "{}", fixture.name);
    }
    assert_eq!(Headers::parse(&[][..], Link::None), Err(Unparsed::Truncated));
    assert_eq!(Headers::parse(&[0x50; 64][..], Link::None), Err(Unparsed::BadVersion));
}

/// A packet that is cut never panics and never says anything else than the whole one: it is cut short,
/// up to the byte from which on it parses like the whole.
#[test]
fn a_packet_cut_at_any_offset_is_truncated_or_parses_as_the_whole() {
    for fixture in fixtures() {
        let whole = parse(&fixture.bytes);
        let mut seen_whole = false;
        for len in 0..=fixture.bytes.len() {
            let cut = parse(&fixture.bytes[..len]);
            seen_whole |= cut == whole && whole != Err(Unparsed::Truncated);
            let expected = if seen_whole { whole } else { Err(Unparsed::Truncated) };
            assert_eq!(cut, expected, "{} cut to {len} bytes", fixture.name);
        }
    }
}

#[test]
fn an_ethernet_header_is_needed_and_enough_to_say_not_ip() {
    let arp = fixtures().into_iter().find(|fixture| fixture.name == "arp").unwrap();
    assert_eq!(parse(&arp.bytes[..ethernet::HEADER_LEN - 1]), Err(Unparsed::Truncated));
    assert_eq!(parse(&arp.bytes[..ethernet::HEADER_LEN]), arp.parsed);
}

/// What both parsers can be asked.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    vlan_ids: Vec<u16>,
    addresses: Option<Addresses>,
    is_fragment: bool,
    ports: Option<Ports>,
}

fn ours(headers: &Headers) -> Seen {
    let ids = [headers.vlan.vlan_id()];
    Seen {
        vlan_ids: ids[..headers.vlan.count().min(1)].to_vec(),
        addresses: Some(headers.addresses),
        is_fragment: headers.fragment != Fragment::Whole,
        // Etherparse shows no ports of fragments.
        ports: headers.ports.filter(|_| headers.fragment == Fragment::Whole),
    }
}

fn theirs(bytes: &[u8]) -> Option<Seen> {
    let sliced = SlicedPacket::from_ethernet(bytes).ok()?;
    let vlan_ids = sliced.vlan_ids().iter().take(1).map(|id| id.value()).collect();
    let (addresses, is_fragment) = match sliced.net.as_ref()? {
        NetSlice::Ipv4(ip) => {
            let header = ip.header();
            let (src, dst) = (header.source(), header.destination());
            let is_fragment = header.more_fragments() || header.fragments_offset().value() != 0;
            (Addresses::V4 { src, dst }, is_fragment)
        }
        NetSlice::Ipv6(ip) => {
            let header = ip.header();
            let (src, dst) = (header.source(), header.destination());
            // An atomic fragment is no fragment to etherparse.
            let has_header =
                ip.extensions().clone().into_iter().any(|extension| {
                    matches!(extension, etherparse::Ipv6ExtensionSlice::Fragment(_))
                });
            (Addresses::V6 { src, dst }, has_header)
        }
        NetSlice::Arp(_) => return None,
    };
    let ports = match sliced.transport {
        Some(TransportSlice::Tcp(tcp)) => {
            Some(Ports { src: tcp.source_port(), dst: tcp.destination_port() })
        }
        Some(TransportSlice::Udp(udp)) => {
            Some(Ports { src: udp.source_port(), dst: udp.destination_port() })
        }
        _ => None,
    };
    Some(Seen {
        vlan_ids,
        addresses: Some(addresses),
        is_fragment,
        ports: ports.filter(|_| !is_fragment),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..<_>::default() })]

    #[test]
    fn etherparse_sees_the_same(spec in spec()) {
        let bytes = spec.bytes();
        // Etherparse gives up on an extension header where the standard does not want it (hop-by-hop
        // anywhere but first), and knows three tags; we give up on others. Both must see the rest alike.
        if let (Ok(headers), Some(theirs)) = (parse(&bytes), theirs(&bytes)) {
            prop_assert_eq!(ours(&headers), theirs);
        } else {
            let is_plain = match &spec.network {
                Network::V4 { .. } => true,
                Network::V6 { extensions, .. } => extensions.is_empty(),
                Network::Other(_) => false,
            } && !matches!(spec.transport, Transport::Other(_));
            prop_assert!(!is_plain || spec.tags.len() > vlan::MAX_TAGS);
        }
    }

    #[test]
    fn no_bytes_make_the_parser_panic(bytes in packet(), noise in prop::collection::vec(any::<u8>(), 0..128)) {
        let _ = parse(&bytes);
        let _ = parse(&noise);
        let _ = Headers::parse(&noise[..], Link::None);
    }

    /// The offsets point into the packet, at what they say.
    #[test]
    fn offsets_and_ports_agree_with_the_bytes(bytes in packet()) {
        if let Ok(headers) = parse(&bytes) {
            prop_assert!(headers.network < headers.transport);
            if let Some(ports) = headers.ports {
                let at = usize::from(headers.transport);
                prop_assert_eq!(&bytes[at..at + 2], ports.src.to_be_bytes());
                prop_assert_eq!(&bytes[at + 2..at + 4], ports.dst.to_be_bytes());
            }
        }
    }
}
