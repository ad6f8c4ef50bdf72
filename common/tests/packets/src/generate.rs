//! As many packets and rules as wanted.
//!
//! Values come from small pools, so that rules and packets meet, and from the whole range, so that
//! what nobody thought of is met as well.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use sluice_common::classify::{Action, MAX_RULES, PortRange, Prefix, Rule};
use sluice_common::wire::{EtherType, Protocol, ipv4};

use crate::{Extension, Network, Spec, Tag, Transport};

/// A whole packet.
pub fn spec() -> impl Strategy<Value = Spec> {
    (vec(tag(), 0..=3), network(), transport(), 0_usize..64)
        .prop_map(|(tags, network, transport, payload)| Spec { tags, network, transport, payload })
}

/// A packet's bytes: mostly whole, some cut short, some with a byte changed.
pub fn packet() -> impl Strategy<Value = Vec<u8>> {
    let whole = || spec().prop_map(|spec| spec.bytes());
    prop_oneof![
        6 => whole(),
        1 => (whole(), any::<prop::sample::Index>()).prop_map(|(mut bytes, at)| {
            bytes.truncate(at.index(bytes.len() + 1));
            bytes
        }),
        1 => (whole(), any::<prop::sample::Index>(), any::<u8>()).prop_map(
            |(mut bytes, at, value)| {
                let at = at.index(bytes.len());
                bytes[at] = value;
                bytes
            }
        ),
    ]
}

/// A set of rules, the empty and the full one included.
pub fn rules() -> impl Strategy<Value = Vec<Rule>> {
    prop_oneof![4 => vec(rule(), 0..8), 1 => vec(rule(), 0..=MAX_RULES), 1 => vec(rule(), MAX_RULES)]
}

/// A rule that can be compiled.
pub fn rule() -> impl Strategy<Value = Rule> {
    (
        prefixes(),
        option::of(prop_oneof![Just(Protocol::TCP), Just(Protocol::UDP)]),
        option::of(port_range()),
        option::of(port_range()),
        option::weighted(0.3, vlan_id()),
        prop_oneof![Just(Action::Steer), Just(Action::Pass), Just(Action::Drop)],
    )
        .prop_map(|((src, dst), protocol, src_port, dst_port, vlan, action)| Rule {
            src,
            dst,
            protocol,
            src_port,
            dst_port,
            vlan,
            action,
        })
}

/// Source and destination, of one family.
fn prefixes() -> impl Strategy<Value = (Option<Prefix>, Option<Prefix>)> {
    prop_oneof![
        (option::of(prefix4()), option::of(prefix4())),
        (option::of(prefix6()), option::of(prefix6())),
    ]
}

fn prefix4() -> impl Strategy<Value = Prefix> {
    (address4(), prop_oneof![28_u8..=32, 0_u8..=32])
        .prop_map(|(address, len)| Prefix::new(IpAddr::V4(address), len).expect("at most 32"))
}

fn prefix6() -> impl Strategy<Value = Prefix> {
    (address6(), prop_oneof![124_u8..=128, 0_u8..=128])
        .prop_map(|(address, len)| Prefix::new(IpAddr::V6(address), len).expect("at most 128"))
}

fn address4() -> impl Strategy<Value = Ipv4Addr> {
    prop_oneof![
        4 => (0_u8..8).prop_map(|last| Ipv4Addr::new(10, 0, 0, last)),
        1 => any::<u32>().prop_map(Ipv4Addr::from_bits),
    ]
}

fn address6() -> impl Strategy<Value = Ipv6Addr> {
    prop_oneof![
        4 => (0_u16..8).prop_map(|last| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last)),
        1 => any::<u128>().prop_map(Ipv6Addr::from_bits),
    ]
}

/// The edges of map pages (255, 256) and of the range are in the pool.
fn port() -> impl Strategy<Value = u16> {
    prop_oneof![
        4 => prop::sample::select(vec![0, 1, 255, 256, 5200, 5201, 5202, 65_535]),
        1 => any::<u16>(),
    ]
}

fn port_range() -> impl Strategy<Value = PortRange> {
    (port(), port())
        .prop_map(|(a, b)| PortRange::new(a.min(b), a.max(b)).expect("the smaller one is first"))
}

fn vlan_id() -> impl Strategy<Value = u16> {
    prop::sample::select(vec![0, 1, 100, 255, 256, 4095])
}

fn tag() -> impl Strategy<Value = Tag> {
    (prop_oneof![Just(EtherType::VLAN), Just(EtherType::QINQ)], vlan_id(), 0_u16..16)
        .prop_map(|(kind, id, priority)| Tag { kind, tci: priority << 12 | id })
}

fn network() -> impl Strategy<Value = Network> {
    let v4 = (address4(), address4(), prop_oneof![3 => Just(0), 1 => 0_u8..=10], fragment4())
        .prop_map(|(src, dst, options, fragment)| Network::V4 { src, dst, options, fragment });
    let v6 = (address6(), address6(), extensions())
        .prop_map(|(src, dst, extensions)| Network::V6 { src, dst, extensions });
    let other = prop_oneof![Just(EtherType::ARP), Just(EtherType(0x88cc))].prop_map(Network::Other);
    prop_oneof![8 => v4, 8 => v6, 1 => other]
}

fn fragment4() -> impl Strategy<Value = u16> {
    prop_oneof![
        6 => prop_oneof![Just(0), Just(ipv4::DF)],
        1 => Just(ipv4::MF),
        1 => any::<u16>(),
    ]
}

fn extensions() -> impl Strategy<Value = Vec<Extension>> {
    prop_oneof![3 => Just(vec![]), 1 => vec(extension(), 0..=8)]
}

fn extension() -> impl Strategy<Value = Extension> {
    let protocol = prop_oneof![
        Just(Protocol::HOP_BY_HOP),
        Just(Protocol::ROUTING),
        Just(Protocol::DESTINATION_OPTIONS)
    ];
    prop_oneof![
        6 => (protocol, 0_u8..4).prop_map(|(protocol, units)| Extension::Sized { protocol, units }),
        1 => prop_oneof![Just(0), Just(1), any::<u16>()].prop_map(Extension::Fragment),
    ]
}

fn transport() -> impl Strategy<Value = Transport> {
    prop_oneof![
        6 => (port(), port()).prop_map(|(src, dst)| Transport::Tcp(src, dst)),
        4 => (port(), port()).prop_map(|(src, dst)| Transport::Udp(src, dst)),
        1 => prop::sample::select(vec![1, 50, 51, 58, 59, 132])
            .prop_map(|number| Transport::Other(Protocol(number))),
    ]
}
