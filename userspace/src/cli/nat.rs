//! Do the rules that steer leave out what the `nat` stage is to translate?

use sluice_common::classify::{Action, Field, PortRange, Rule};
use sluice_common::stage::{AnyStage, NatRule};
use sluice_common::wire::Protocol;

use crate::config::Config;

/// The ends of a packet as the configuration calls them.
const ENDS: [(&str, Field); 2] = [("src", Field::Source), ("dst", Field::Destination)];

/// One sentence for each way of a `[[stage.nat]]` of which nothing is steered.
pub(super) fn warnings(config: &Config) -> Vec<String> {
    let AnyStage::Nat(nat) = &config.stage else { return Vec::new() };
    let rules = config.rules.iter().filter(|rule| rule.action == Action::Steer);
    let rules: Vec<Rule> = rules.map(Into::into).collect();
    nat.rules().iter().enumerate().flat_map(|(index, nat)| missing(&rules, index, nat)).collect()
}

fn missing(rules: &[Rule], index: usize, nat: &NatRule) -> impl Iterator<Item = String> {
    let ways = nat.steering().into_iter();
    let missing = ways.filter(|way| !rules.iter().any(|rule| serves(rule, way)));
    missing.map(move |way| {
        format!(
            "stage.nat[{index}] is about packets that no rule steers, and that cross unchanged; put in a rule with \
             {}, action = \"steer\"",
            keys(&way)
        )
    })
}

/// Whether a rule is about packets of this way. One that names the port of nothing but the other end is not where the
/// way has a port: it is about the other direction, in which that port is this end's.
fn serves(rule: &Rule, way: &Rule) -> bool {
    let turned_round = ENDS.into_iter().any(|(_, field)| {
        let other_only = rule.ports(field).is_none() && rule.ports(field.other()).is_some();
        way.ports(field).is_some() && other_only
    });
    rule.meets(way) && !turned_round
}

/// The conditions of a rule as the configuration has them.
fn keys(rule: &Rule) -> String {
    let proto = rule.protocol.map(|proto| if proto == Protocol::UDP { "udp" } else { "tcp" });
    let ends = ENDS.into_iter().flat_map(|(key, field)| {
        let prefix = rule.prefix(field).map(|prefix| format!("{key} = \"{prefix}\""));
        let ports = rule.ports(field).map(|ports| format!("{key}_port = {}", range(ports)));
        [prefix, ports]
    });
    let proto = proto.map(|proto| format!("proto = \"{proto}\""));
    ends.chain([proto]).flatten().collect::<Vec<_>>().join(", ")
}

fn range(ports: &PortRange) -> String {
    match (ports.first(), ports.last()) {
        (first, last) if first == last => first.to_string(),
        (first, last) => format!("\"{first}-{last}\""),
    }
}
