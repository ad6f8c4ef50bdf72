//! Address translation: what is mapped comes back, for every shape of rule.

use std::net::IpAddr;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use sluice_common::Side;
use sluice_common::classify::{Field, PortRange, Prefix};
use sluice_common::stage::{AnyStage, InvalidNat, InvalidNatRule, Nat, NatRule, NatTarget, To};
use sluice_common::testing::Packet;
use sluice_common::wire::{Headers, Protocol};

use crate::bytes::{address, judge, parse, port, sum_of_ipv4, sum_of_transport};

const KEYS: [u64; 4] = [1, 2, 3, 4];

fn prefix(address: IpAddr, len: u8) -> Prefix {
    Prefix::new(address, len).expect("not longer than the address")
}

/// `203.0.113.10:80` from side A becomes `10.0.0.1:8080`.
fn rule() -> NatRule {
    NatRule {
        from: Side::A,
        protocol: Some(Protocol::TCP),
        field: Field::Destination,
        prefix: prefix([203, 0, 113, 10].into(), 32),
        ports: PortRange::new(80, 80),
        to: NatTarget::OneOf(vec![[10, 0, 0, 1].into()]),
        to_port: Some(8080),
    }
}

fn nat(rules: Vec<NatRule>) -> Nat {
    Nat::new(rules, KEYS).expect("sound rules")
}

/// What comes out of `nat`, and its headers.
fn through(nat: &Nat, side: Side, packet: &Packet) -> (Vec<u8>, Headers) {
    let mut bytes = packet.build();
    let headers = parse(&bytes);
    let verdict = judge(&mut AnyStage::Nat(nat.clone()), side, &bytes);
    assert_eq!(verdict.to, To::Other);
    verdict.edit.apply(&mut bytes, &headers, false);
    let headers = parse(&bytes);
    (bytes, headers)
}

/// Address and port of an end.
type End = (IpAddr, u16);

/// Source and destination.
fn ends(headers: &Headers) -> [End; 2] {
    let ports = headers.ports.expect("TCP or UDP");
    Field::BOTH.map(|end| (end.address_of(&headers.addresses), end.port_of(&ports)))
}

/// `packet` from `src` to `dst`.
fn between(packet: &Packet, [src, dst]: [End; 2]) -> Packet {
    let ((src, src_port), (dst, dst_port)) = (src, dst);
    Packet { src, src_port, dst, dst_port, ..packet.clone() }
}

fn from_client(dst: End) -> Packet {
    between(&Packet::tcp4(), [([192, 0, 2, 7].into(), 40_000), dst])
}

/// A sound rule of any shape, and an end that it maps.
fn any_rule() -> impl Strategy<Value = (NatRule, End)> {
    any::<bool>().prop_flat_map(|is_ipv6| {
        let longest = if is_ipv6 { 128 } else { 32 };
        (
            (select(&Side::BOTH[..]), select(&Field::BOTH[..])),
            option::of(select(vec![Protocol::TCP, Protocol::UDP])),
            (address(is_ipv6), address(is_ipv6), 0..=longest),
            option::of(vec(address(is_ipv6), 1..=NatTarget::MOST)),
            (option::of((port(), port())), option::of(port()), any::<prop::sample::Index>()),
        )
            .prop_map(move |(way, protocol, (end, net, len), list, ports)| {
                let (ports, to_port, port) = self::ports(ports);
                let len = if list.is_some() { longest } else { len };
                let to = list.map_or(NatTarget::Prefix(prefix(net, len)), NatTarget::OneOf);
                let (from, field) = way;
                let rule =
                    NatRule { from, protocol, field, prefix: prefix(end, len), ports, to, to_port };
                (rule, (end, port))
            })
    })
}

/// What a rule says of ports, and one that it maps.
fn ports(
    (range, to, index): (Option<(u16, u16)>, Option<u16>, prop::sample::Index),
) -> (Option<PortRange>, Option<u16>, u16) {
    match (range, to) {
        (None, _) => (None, None, index.index(65_536) as u16),
        (Some((one, _)), Some(to)) => (PortRange::new(one, one), Some(to), one),
        (Some((a, b)), None) => {
            let (first, last) = (a.min(b), a.max(b));
            let port = first + index.index(usize::from(last - first) + 1) as u16;
            (PortRange::new(first, last), None, port)
        }
    }
}

proptest! {
    #[test]
    fn the_reply_to_what_was_mapped_is_what_the_client_waits_for(
        (rule, mapped) in any_rule(), peer in any::<[u8; 16]>(), peer_port in port(), is_udp: bool,
    ) {
        let short = peer.first_chunk::<4>().copied().unwrap();
        let peer: IpAddr = if mapped.0.is_ipv6() { peer.into() } else { short.into() };
        let free = if is_udp { Protocol::UDP } else { Protocol::TCP };
        let packet = Packet { protocol: rule.protocol.unwrap_or(free), ..Packet::tcp4() };
        let peer = (peer, peer_port);
        let sent = if rule.field == Field::Source { [mapped, peer] } else { [peer, mapped] };
        let nat = nat(vec![rule.clone()]);

        let (bytes, headers) = through(&nat, rule.from, &between(&packet, sent));
        let arrived = ends(&headers);
        let (new, kept) = (arrived[rule.field as usize], arrived[rule.field.other() as usize]);
        prop_assert_eq!(kept, peer, "the other end stays");
        prop_assert!(rule.to.contains(new.0), "{} is a target", new.0);
        prop_assert_eq!(new.1, rule.to_port.unwrap_or(mapped.1));
        prop_assert_eq!(sum_of_transport(&packet, &bytes, &headers), 0xffff);
        if !headers.is_ipv6() {
            prop_assert_eq!(sum_of_ipv4(&bytes, &headers), 0xffff);
        }

        let [src, dst] = arrived;
        let (_, headers) = through(&nat, rule.from.other(), &between(&packet, [dst, src]));
        let [src, dst] = sent;
        prop_assert_eq!(ends(&headers), [dst, src], "the reply comes from where it was asked");
    }
}

/// What it names for steering is what it changes, and what has been steered back is changed back.
#[test]
fn a_rule_tells_what_is_to_be_steered_to_it() {
    let rule = rule();
    let ways = rule.steering();
    let NatTarget::OneOf(targets) = &rule.to else { unreachable!("one of several") };
    assert_eq!(ways.len(), 1 + targets.len());
    let [forward, back @ ..] = &ways[..] else { unreachable!("counted") };
    assert_eq!((forward.dst, forward.dst_port), (Some(rule.prefix), rule.ports));
    assert_eq!((forward.src, forward.src_port, forward.protocol), (None, None, rule.protocol));
    for (way, target) in back.iter().zip(targets) {
        assert_eq!(way.src, Some((*target).into()));
        assert_eq!(way.src_port, rule.to_port.map(|port| PortRange::new(port, port).unwrap()));
        assert_eq!((way.dst, way.dst_port), (None, None));
    }
}

#[test]
fn the_host_part_is_kept_from_prefix_to_prefix() {
    let to = NatTarget::Prefix(prefix([10, 1, 2, 0].into(), 24));
    let prefix = prefix([203, 0, 113, 0].into(), 24);
    let nat = nat(vec![NatRule { prefix, ports: None, to_port: None, to, ..rule() }]);
    let (_, headers) = through(&nat, Side::A, &from_client(([203, 0, 113, 77].into(), 443)));
    assert_eq!(ends(&headers)[1], ([10, 1, 2, 77].into(), 443));
}

/// Whether `nat` leaves the packet alone.
fn ignores(nat: &Nat, side: Side, packet: &Packet) -> bool {
    through(nat, side, packet).0 == packet.build()
}

#[test]
fn what_no_rule_names_goes_on_as_it_came() {
    let nat = nat(vec![rule()]);
    let named = from_client(([203, 0, 113, 10].into(), 80));
    assert!(!ignores(&nat, Side::A, &named));
    assert!(ignores(&nat, Side::B, &named), "the other side");
    for other in [
        Packet { dst_port: 81, ..named.clone() },
        Packet { dst: [203, 0, 113, 11].into(), ..named.clone() },
        Packet { protocol: Protocol::UDP, ..named.clone() },
        Packet { protocol: Protocol::ICMP, ..named.clone() },
        Packet::tcp6(),
    ] {
        assert!(ignores(&nat, Side::A, &other), "{other:?}");
    }
    let reply = between(&named, [([10, 0, 0, 1].into(), 8080), ([192, 0, 2, 7].into(), 40_000)]);
    assert!(!ignores(&nat, Side::B, &reply));
    assert!(ignores(&nat, Side::A, &reply), "the other side");
    assert!(ignores(&nat, Side::B, &Packet { src_port: 80, ..reply.clone() }), "another port");
    assert!(ignores(&nat, Side::B, &Packet { src: [10, 0, 0, 2].into(), ..reply }));
}

#[test]
fn without_a_protocol_it_is_tcp_and_udp() {
    let nat = nat(vec![NatRule { protocol: None, ports: None, to_port: None, ..rule() }]);
    let named = from_client(([203, 0, 113, 10].into(), 80));
    for (protocol, ignored) in [
        (Protocol::TCP, false),
        (Protocol::UDP, false),
        (Protocol::ICMP, true),
        (Protocol(132), true),
    ] {
        let packet = Packet { protocol, ..named.clone() };
        assert_eq!(ignores(&nat, Side::A, &packet), ignored, "{protocol:?}");
    }
}

#[test]
fn the_first_rule_that_matches_decides() {
    let general = NatRule {
        prefix: prefix([203, 0, 113, 0].into(), 24),
        to: NatTarget::Prefix(prefix([10, 1, 2, 0].into(), 24)),
        ports: None,
        to_port: None,
        ..rule()
    };
    let packet = from_client(([203, 0, 113, 10].into(), 80));
    for (rules, expected) in [
        (vec![rule(), general.clone()], ([10, 0, 0, 1].into(), 8080)),
        (vec![general, rule()], (IpAddr::from([10, 1, 2, 10]), 80)),
    ] {
        let (_, headers) = through(&nat(rules), Side::A, &packet);
        assert_eq!(ends(&headers)[1], expected);
    }
}

#[test]
fn a_fragment_is_mapped_only_where_no_port_has_to_be_seen() {
    let first = Packet { fragment_word: 0x2000, ..from_client(([203, 0, 113, 10].into(), 80)) };
    let later = Packet { fragment_word: 3, ..first.clone() };
    let two = NatTarget::OneOf(vec![[10, 0, 0, 1].into(), [10, 0, 0, 2].into()]);
    let plain = NatRule { ports: None, to_port: None, ..rule() };
    for (rule, ignored) in
        [(rule(), true), (NatRule { to: two, ..plain.clone() }, true), (plain, false)]
    {
        let nat = nat(vec![rule]);
        for packet in [&first, &later] {
            assert_eq!(ignores(&nat, Side::A, packet), ignored, "{nat:?}");
        }
    }
}

#[test]
fn a_rule_that_cannot_be_undone_is_refused_with_the_reason() {
    let v6: IpAddr = "2001:db8::1".parse().unwrap();
    let net = |len| prefix([203, 0, 113, 0].into(), len);
    let list = |count| NatTarget::OneOf(vec![[10, 0, 0, 1].into(); count]);
    for (rule, says) in [
        (NatRule { protocol: Some(Protocol::ICMP), ..rule() }, "IP protocol 1 has no ports"),
        (NatRule { ports: None, ..rule() }, "only a single port becomes 8080"),
        (NatRule { ports: PortRange::new(80, 81), ..rule() }, "only a single port becomes 8080"),
        (
            NatRule { to: NatTarget::OneOf(vec![v6]), ..rule() },
            "203.0.113.10/32 cannot become 2001:",
        ),
        (NatRule { to: NatTarget::Prefix(prefix(v6, 32)), ..rule() }, "stay with one IP version"),
        (NatRule { to: NatTarget::Prefix(net(24)), ..rule() }, "of another length; use /32"),
        (NatRule { to: list(0), ..rule() }, "0 addresses to choose from; name 1 to 16"),
        (NatRule { to: list(17), ..rule() }, "17 addresses to choose from; name 1 to 16"),
        (NatRule { prefix: net(31), ..rule() }, "203.0.113.0/31 is more than one address"),
    ] {
        let sound = NatRule { from: Side::B, ..self::rule() };
        let error = Nat::new(vec![sound, rule.clone()], KEYS).unwrap_err();
        let said = error.to_string();
        assert!(said.starts_with("rule 1: ") && said.contains(says), "{said}");
        let invalid: InvalidNatRule = rule.validate().unwrap_err();
        assert_eq!(error, InvalidNat::Rule { rule: 1, invalid });
        assert!(std::error::Error::source(&error).is_some());
    }
}

#[test]
fn rules_whose_replies_cannot_be_told_apart_are_refused() {
    let another = NatRule { prefix: prefix([203, 0, 113, 11].into(), 32), ..rule() };
    let error = Nat::new(vec![rule(), another.clone()], KEYS).unwrap_err();
    assert_eq!(error, InvalidNat::SharedReplies { rule: 1, earlier: 0 });
    assert!(
        error.to_string().starts_with("rule 1: maps to addresses and ports that rule 0 maps to")
    );
    for apart in [
        NatRule { to_port: Some(8081), ..another.clone() },
        NatRule { to_port: None, ..another.clone() },
        NatRule { protocol: Some(Protocol::UDP), ..another.clone() },
        NatRule { from: Side::B, ..another.clone() },
        NatRule { field: Field::Source, ..another.clone() },
        NatRule { to: NatTarget::OneOf(vec![[10, 0, 0, 2].into()]), ..another },
    ] {
        assert_eq!(Nat::new(vec![rule(), apart.clone()], KEYS).map(|_| ()), Ok(()), "{apart:?}");
    }
}

#[test]
fn up_to_64_rules() {
    let rules = |count| {
        (0..count).map(|port| NatRule { to_port: Some(port), ..rule() }).collect::<Vec<_>>()
    };
    assert_eq!(nat(rules(64)).rules().len(), 64);
    let error = Nat::new(rules(65), KEYS).unwrap_err();
    assert_eq!(error.to_string(), "65 rules; there may be at most 64");
}
