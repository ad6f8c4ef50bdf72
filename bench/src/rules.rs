//! Steering rules, and the way to look them up that is written first.

use std::net::{IpAddr, Ipv4Addr};

use sluice_common::classify::{Action, Field, PortRange, Prefix, Rule};
use sluice_common::wire::{Headers, Protocol};

/// `count` rules of which the last takes the packets of a [`Stream`](crate::stream::Stream) and the others none: who
/// reads them in order reads all. Each names both ends, the protocol and ports.
///
/// # Panics
/// Never for as many as a set can have.
#[must_use]
pub fn rules(count: usize) -> Vec<Rule> {
    let others = (1..count).map(|number| rule([172, 16, number as u8, 0], number));
    others.chain([rule([10, 1, 0, 0], 0)]).collect()
}

/// TCP from the network `src` to a server.
fn rule(src: [u8; 4], number: usize) -> Rule {
    let prefix = |address: [u8; 4], len| Prefix::new(Ipv4Addr::from(address).into(), len);
    let port = 5_001 + number as u16;
    Rule {
        src: prefix(src, if number == 0 { 16 } else { 24 }),
        dst: prefix([10, 0, number as u8, 2], 32),
        protocol: Some(Protocol::TCP),
        dst_port: PortRange::new(port, port),
        ..Rule::any(Action::Drop)
    }
}

/// The first of `rules` that accepts a packet, which has to be in one piece: one rule after the other.
#[must_use]
pub fn first_match(rules: &[Rule], headers: &Headers) -> Option<usize> {
    let ports = headers.ports.as_ref()?;
    let [src, dst] = Field::BOTH.map(|field| field.address_of(&headers.addresses));
    let within = |prefix: Option<Prefix>, address: IpAddr| {
        prefix.is_none_or(|prefix| prefix.contains(address))
    };
    let between =
        |range: Option<PortRange>, port| range.is_none_or(|range: PortRange| range.contains(port));
    rules.iter().position(|rule| {
        rule.protocol.is_none_or(|protocol| protocol == headers.protocol)
            && within(rule.src, src)
            && within(rule.dst, dst)
            && between(rule.src_port, ports.src)
            && between(rule.dst_port, ports.dst)
            && rule.vlan.is_none_or(|vlan| vlan == headers.vlan.vlan_id())
    })
}

#[cfg(test)]
mod tests {
    use sluice_common::classify::{Compiled, MAX_RULES, classify};
    use sluice_common::testing::Packet;
    use sluice_common::wire::Link;

    use super::*;
    use crate::stream::Stream;

    fn both(rules: &[Rule], packet: &[u8]) -> [Option<usize>; 2] {
        let parsed = Headers::parse(packet, Link::Ethernet);
        let tables = Compiled::new(rules).unwrap();
        let by_tables = classify(&parsed, &tables).rule.map(usize::from);
        [by_tables, first_match(rules, &parsed.unwrap())]
    }

    #[test]
    fn the_last_rule_takes_the_stream() {
        for count in [1, 2, 8, MAX_RULES] {
            let (rules, stream) = (rules(count), Stream::of(100));
            for header in stream.bursts(100).next().unwrap() {
                assert_eq!(both(&rules, header), [Some(count - 1); 2]);
            }
        }
    }

    #[test]
    fn every_rule_is_there_to_be_found_and_each_field_counts() {
        let rules = rules(MAX_RULES);
        for (index, number) in (0..MAX_RULES - 1).zip(1..) {
            let there = Packet {
                src: [172, 16, number, 9].into(),
                dst: [10, 0, number, 2].into(),
                dst_port: 5_001 + u16::from(number),
                ..Packet::tcp4()
            };
            assert_eq!(both(&rules, &there.build()), [Some(index); 2]);
            let others = [
                Packet { src: [172, 16, 99, 9].into(), ..there.clone() },
                Packet { dst: [10, 0, 99, 2].into(), ..there.clone() },
                Packet { dst_port: 9, ..there.clone() },
                Packet {
                    src: there.src,
                    dst: there.dst,
                    dst_port: there.dst_port,
                    ..Packet::udp4()
                },
            ];
            for other in others {
                assert_eq!(both(&rules, &other.build()), [None; 2]);
            }
        }
    }
}
