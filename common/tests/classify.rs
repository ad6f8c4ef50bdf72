//! The classifier against a naive one that reads the rules in order, and the cases a user thinks of.

use std::net::IpAddr;

use proptest::prelude::*;
use sluice_common::classify::{
    Action, Compiled, Decision, Invalid, MAX_RULES, PortRange, Prefix, Rule, classify,
};
use sluice_common::reason::VerdictReason;
use sluice_common::wire::{Addresses, Fragment, Headers, Link, Protocol, Unparsed};
use sluice_packets::{fixtures, packet, rules};

fn parse(bytes: &[u8]) -> Result<Headers, Unparsed> {
    Headers::parse(bytes, Link::Ethernet)
}

/// The oracle: no tables, one rule after the other.
fn naive(parsed: &Result<Headers, Unparsed>, rules: &[Rule]) -> Decision {
    let pass = |reason| Decision { verdict: Action::Pass, rule: None, reason };
    let headers = match parsed {
        Err(Unparsed::NotIp(_)) => return pass(VerdictReason::NotIp),
        Err(_) => return pass(VerdictReason::Malformed),
        Ok(headers) if headers.fragment != Fragment::Whole => return pass(VerdictReason::Fragment),
        Ok(headers) if headers.ports.is_none() => return pass(VerdictReason::NotTcpUdp),
        Ok(headers) => headers,
    };
    match rules.iter().position(|rule| matches(rule, headers)) {
        None => pass(VerdictReason::NoRule),
        Some(index) => Decision {
            verdict: rules[index].action,
            rule: Some(index as u8),
            reason: match rules[index].action {
                Action::Steer => VerdictReason::Steered,
                Action::Pass => VerdictReason::PassRule,
                Action::Drop => VerdictReason::DropRule,
            },
        },
    }
}

fn matches(rule: &Rule, headers: &Headers) -> bool {
    let (src, dst): (IpAddr, IpAddr) = match headers.addresses {
        Addresses::V4 { src, dst } => (src.into(), dst.into()),
        Addresses::V6 { src, dst } => (src.into(), dst.into()),
    };
    let ports = headers.ports.unwrap();
    let inside = |prefix: Option<Prefix>, address| prefix.is_none_or(|p| begins_with(address, p));
    let between = |range: Option<PortRange>, port| {
        range.is_none_or(|r| r.first() <= port && port <= r.last())
    };
    inside(rule.src, src)
        && inside(rule.dst, dst)
        && rule.protocol.is_none_or(|protocol| protocol == headers.protocol)
        && between(rule.src_port, ports.src)
        && between(rule.dst_port, ports.dst)
        && rule.vlan.is_none_or(|vlan| vlan == headers.vlan.vlan_id())
}

/// Bit by bit, so that it shares no mask with `Prefix`.
fn begins_with(address: IpAddr, prefix: Prefix) -> bool {
    let bits = |address| match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    };
    let bit = |bytes: &[u8], n: usize| bytes[n / 8] >> (7 - n % 8) & 1;
    let (address, wanted) = (bits(address), bits(prefix.address()));
    address.len() == wanted.len()
        && (0..usize::from(prefix.prefix_len())).all(|n| bit(&address, n) == bit(&wanted, n))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..<_>::default() })]

    #[test]
    fn bit_vectors_decide_like_reading_the_rules_in_order(
        rules in rules(),
        packets in prop::collection::vec(packet(), 64),
    ) {
        let compiled = Compiled::new(&rules).unwrap();
        for packet in packets {
            let parsed = parse(&packet);
            prop_assert_eq!(classify(&parsed, &compiled), naive(&parsed, &rules), "{:?}", parsed);
        }
    }
}

/// The property above says nothing if packets and rules never meet.
#[test]
fn generated_packets_meet_generated_rules() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut seen = [0; VerdictReason::COUNT];
    for _ in 0..200 {
        let compiled = Compiled::new(&rules().new_tree(&mut runner).unwrap().current()).unwrap();
        for _ in 0..50 {
            let bytes = packet().new_tree(&mut runner).unwrap().current();
            seen[classify(&parse(&bytes), &compiled).reason.index()] += 1;
        }
    }
    for reason in VerdictReason::ALL {
        let count = seen[reason.index()];
        match reason {
            // Not for the rules to say.
            VerdictReason::NoSocket
            | VerdictReason::NoHeartbeat
            | VerdictReason::TooLarge
            | VerdictReason::TooLargePassed => assert_eq!(count, 0),
            _ => assert!(count > 100, "{} only {count} times in 10,000", reason.label()),
        }
    }
}

/// The bytes of a fixture.
fn fixture(name: &str) -> Result<Headers, Unparsed> {
    let found = fixtures().into_iter().find(|fixture| fixture.name == name);
    parse(&found.unwrap_or_else(|| panic!("no fixture {name}")).bytes)
}

fn decide(rules: &[Rule], name: &str) -> Decision {
    classify(&fixture(name), &Compiled::new(rules).unwrap())
}

fn prefix(address: &str, len: u8) -> Option<Prefix> {
    Prefix::new(address.parse().unwrap(), len)
}

#[test]
fn what_no_rule_can_name_passes_whatever_the_rules_say() {
    let drop_all = [Rule::any(Action::Drop)];
    let steer_all = [Rule::any(Action::Steer)];
    for (name, reason) in [
        ("arp", VerdictReason::NotIp),
        ("arp in a vlan", VerdictReason::NotIp),
        ("ipv4 icmp", VerdictReason::NotTcpUdp),
        ("ipv6 icmp", VerdictReason::NotTcpUdp),
        ("ipv4 first fragment", VerdictReason::Fragment),
        ("ipv4 last fragment", VerdictReason::Fragment),
        ("ipv6 first fragment", VerdictReason::Fragment),
        ("ipv6 later fragment", VerdictReason::Fragment),
        ("ipv4 cut before the ports", VerdictReason::Malformed),
        ("three tags", VerdictReason::Malformed),
    ] {
        for rules in [&drop_all, &steer_all] {
            let decision = decide(rules, name);
            assert_eq!(decision, Decision { verdict: Action::Pass, rule: None, reason }, "{name}");
        }
    }
}

#[test]
fn the_first_of_the_rules_that_match_decides() {
    let dst = prefix("10.0.0.0", 8);
    let narrow = Rule { dst: prefix("10.0.0.2", 32), ..Rule::any(Action::Steer) };
    let wide = Rule { dst, ..Rule::any(Action::Drop) };
    assert_eq!(decide(&[narrow, wide], "ipv4 tcp").verdict, Action::Steer);
    assert_eq!(decide(&[wide, narrow], "ipv4 tcp").verdict, Action::Drop);
    assert_eq!(decide(&[wide, narrow], "ipv4 tcp").rule, Some(0));
}

#[test]
fn a_rule_of_one_family_leaves_the_other_alone() {
    let v4 = Rule { dst: prefix("0.0.0.0", 0), ..Rule::any(Action::Drop) };
    let v6 = Rule { dst: prefix("::", 0), ..Rule::any(Action::Drop) };
    assert_eq!(decide(&[v4], "ipv4 tcp").verdict, Action::Drop);
    assert_eq!(decide(&[v4], "ipv6 tcp").reason, VerdictReason::NoRule);
    assert_eq!(decide(&[v6], "ipv6 tcp").verdict, Action::Drop);
    assert_eq!(decide(&[v6], "ipv4 tcp").reason, VerdictReason::NoRule);
}

#[test]
fn a_vlan_of_zero_is_untagged_or_priority_tagged() {
    let untagged = [Rule { vlan: Some(0), ..Rule::any(Action::Drop) }];
    assert_eq!(decide(&untagged, "ipv4 tcp").verdict, Action::Drop);
    assert_eq!(decide(&untagged, "vlan priority tag only").verdict, Action::Drop);
    assert_eq!(decide(&untagged, "vlan ipv4 tcp").reason, VerdictReason::NoRule);
    let outer = [Rule { vlan: Some(7), ..Rule::any(Action::Drop) }];
    assert_eq!(decide(&outer, "qinq ipv4 tcp").verdict, Action::Drop);
}

#[test]
fn the_last_of_64_rules_counts_and_a_65th_is_refused() {
    let never = Rule { protocol: Some(Protocol::UDP), ..Rule::any(Action::Drop) };
    let mut rules = vec![never; MAX_RULES - 1];
    rules.push(Rule::any(Action::Steer));
    let decision = decide(&rules, "ipv4 tcp");
    assert_eq!((decision.verdict, decision.rule), (Action::Steer, Some(63)));
    rules.push(never);
    assert_eq!(Compiled::new(&rules), Err(Invalid::TooMany { count: 65 }));
}

#[test]
fn no_rules_leave_everything_to_the_kernel() {
    assert_eq!(decide(&[], "ipv4 tcp").reason, VerdictReason::NoRule);
}

#[test]
fn an_invalid_rule_is_named() {
    let bad = Rule { vlan: Some(5000), ..Rule::any(Action::Drop) };
    let error = Compiled::new(&[Rule::any(Action::Pass), bad]).unwrap_err();
    assert_eq!(error, Invalid::Vlan { rule: 1, vlan: 5000 });
}

/// A worker can cut it, or tell its sender.
#[test]
fn what_is_too_large_is_steered_whatever_the_rule_says_unless_it_drops() {
    let parsed = parse(&fixtures()[0].bytes);
    let decide = |rules: &[Rule]| classify(&parsed, &Compiled::new(rules).unwrap());
    let too_large =
        |rule| Decision { verdict: Action::Steer, rule, reason: VerdictReason::TooLarge };
    assert_eq!(decide(&[]).about_too_large(), too_large(None));
    assert_eq!(decide(&[Rule::any(Action::Pass)]).about_too_large(), too_large(Some(0)));
    for action in [Action::Steer, Action::Drop] {
        let decision = decide(&[Rule::any(action)]);
        assert_eq!(decision.about_too_large(), decision);
    }
}
