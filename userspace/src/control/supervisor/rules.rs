//! Steering rules as the classifier has them, and in words.

use sluice_common::classify::{self, Action};

use crate::config::{Config, PortRange, Proto, Rule};

/// The rules of the configuration as the classifier has them.
pub(super) fn steering_rules(config: &Config) -> Vec<classify::Rule> {
    config.rules.iter().map(Into::into).collect()
}

/// A rule as a sentence of the configuration's words.
pub(super) fn in_words(rule: &Rule) -> String {
    let ports = |PortRange { first, last }: PortRange| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    let proto = rule.proto.map(|proto| if proto == Proto::Tcp { "tcp" } else { "udp" });
    let conditions = [
        rule.src.map(|src| format!("src {src}")),
        rule.dst.map(|dst| format!("dst {dst}")),
        proto.map(|proto| format!("proto {proto}")),
        rule.src_port.map(|range| format!("src_port {}", ports(range))),
        rule.dst_port.map(|range| format!("dst_port {}", ports(range))),
        rule.vlan.map(|vlan| format!("vlan {vlan}")),
    ];
    let said: Vec<_> = conditions.into_iter().flatten().collect();
    if said.is_empty() { "everything".to_owned() } else { said.join(" ") }
}

pub(super) const fn action(action: Action) -> &'static str {
    match action {
        Action::Steer => "steer",
        Action::Pass => "pass",
        Action::Drop => "drop",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_said_in_the_words_of_the_configuration() {
        let mut rule = Rule {
            src: None,
            dst: Some("10.0.0.2/32".parse().unwrap()),
            proto: Some(Proto::Tcp),
            src_port: Some(PortRange { first: 80, last: 80 }),
            dst_port: Some(PortRange { first: 5000, last: 6000 }),
            vlan: None,
            action: Action::Steer,
        };
        let said = "dst 10.0.0.2/32 proto tcp src_port 80 dst_port 5000-6000";
        assert_eq!(in_words(&rule), said);
        (rule.dst, rule.proto, rule.src_port, rule.dst_port) = (None, None, None, None);
        assert_eq!(in_words(&rule), "everything");
    }
}
