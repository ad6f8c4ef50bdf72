//! From steering rules to policy rules.

use ipnet::IpNet;
use sluice_common::classify::Action;
use sluice_common::wire::Protocol;

use super::{Family, MAIN_TABLE, PolicyRule, Selector};
use crate::config::{Host, PortRange, Proto, Routes, Rule};

/// The priority of the kernel's own rule for the main table; what follows it is never asked.
const MAIN_PRIORITY: u32 = 32_766;

/// Why no plan could be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// The policy rules would not all stand between the local and the main table's.
    #[error(
        "{count} policy rules from [host] priority {priority} on do not fit below 32766, where the \
         main table is looked up: choose a priority from 1 to {}", MAIN_PRIORITY.saturating_sub(*count)
    )]
    Priority {
        /// The first priority asked for.
        priority: u32,
        /// How many rules there are.
        count: u32,
    },
}

/// The policy rules that mirror `rules`, in their order: what a steering rule says of a packet's
/// destination is said of the reply's source, and the other way round.
///
/// A rule that steers looks up the TUN device's table. A rule that passes or drops keeps the replies
/// of what it matches on the kernel's path, so it looks up the main table, at its place: first match
/// wins here as there. A rule for a VLAN speaks of packets that do not leave untagged through the NIC,
/// so it is not mirrored.
///
/// # Errors
/// Where the priorities do not fit.
pub fn plan(host: &Host, rules: &[Rule]) -> Result<Vec<PolicyRule>, PlanError> {
    if host.routes == Routes::None {
        return Ok(Vec::new());
    }
    let mirrored: Vec<_> = rules.iter().flat_map(|rule| mirror(rule, host.table)).collect();
    let count = mirrored.len() as u32;
    let priority = host.priority;
    if priority == 0 || priority.saturating_add(count) > MAIN_PRIORITY {
        return Err(PlanError::Priority { priority, count });
    }
    let number = |(priority, (selector, table))| PolicyRule { priority, selector, table };
    Ok((priority..).zip(mirrored).map(number).collect())
}

/// One rule for each protocol and family: the kernel knows no rule for two of either.
fn mirror(rule: &Rule, tun_table: u32) -> Vec<(Selector, u32)> {
    let table = if rule.action == Action::Steer { tun_table } else { MAIN_TABLE };
    let (Some(sport), Some(dport)) = (ports(rule.dst_port), ports(rule.src_port)) else {
        return Vec::new();
    };
    let from = rule.dst.as_ref().map(IpNet::trunc);
    let to = rule.src.as_ref().map(IpNet::trunc);
    let mut mirrored = Vec::new();
    for &family in families(rule) {
        for &ip_proto in protocols(rule.proto) {
            mirrored.push((Selector { family, ip_proto, from, to, sport, dport }, table));
        }
    }
    mirrored
}

/// The families a rule can match; none where its prefixes exclude each other or it names a VLAN.
fn families(rule: &Rule) -> &'static [Family] {
    let is_v6 = |prefix: &IpNet| matches!(prefix, IpNet::V6(_));
    let tagged = rule.vlan.is_some_and(|id| id != 0);
    match (rule.src.as_ref().map(is_v6), rule.dst.as_ref().map(is_v6)) {
        _ if tagged => &[],
        (None, None) => &[Family::V4, Family::V6],
        (Some(a), Some(b)) if a != b => &[],
        (Some(true), _) | (_, Some(true)) => &[Family::V6],
        _ => &[Family::V4],
    }
}

fn protocols(proto: Option<Proto>) -> &'static [u8] {
    match proto {
        Some(Proto::Tcp) => &[Protocol::TCP.0],
        Some(Proto::Udp) => &[Protocol::UDP.0],
        None => &[Protocol::TCP.0, Protocol::UDP.0],
    }
}

/// The condition on ports that says `range` to the kernel, which takes no range that begins with 0 or
/// ends with 65535 (`fib_rule_port_range_valid`): every port is no condition, and else the outermost
/// port is left out, whose replies then stay on the kernel's path. `None`: nothing of it can be said.
fn ports(range: Option<PortRange>) -> Option<Option<(u16, u16)>> {
    let Some(PortRange { first, last }) = range else { return Some(None) };
    if first <= 1 && last == u16::MAX {
        return Some(None);
    }
    let (first, last) = (first.max(1), last.min(u16::MAX - 1));
    (first <= last).then_some(Some((first, last)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: u32 = 21_000;

    fn host() -> Host {
        Host { tun: "sluice0".to_owned(), routes: Routes::Mirror, table: TABLE, priority: 1000 }
    }

    fn rule(action: Action) -> Rule {
        let (src, dst, proto, src_port, dst_port, vlan) = (None, None, None, None, None, None);
        Rule { src, dst, proto, src_port, dst_port, vlan, action }
    }

    fn range(first: u16, last: u16) -> Option<PortRange> {
        Some(PortRange { first, last })
    }

    /// What `ip rule` would print of the plan.
    fn planned(rules: &[Rule]) -> Vec<String> {
        plan(&host(), rules).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn source_and_destination_change_places() {
        let rule = Rule {
            src: Some("198.51.100.0/24".parse().unwrap()),
            dst: Some("192.0.2.2/32".parse().unwrap()),
            proto: Some(Proto::Tcp),
            src_port: range(1024, 2048),
            dst_port: range(5000, 6000),
            ..rule(Action::Steer)
        };
        let expected = "1000: from 192.0.2.2/32 to 198.51.100.0/24 iif lo ipproto 6 \
                        sport 5000-6000 dport 1024-2048 lookup 21000";
        assert_eq!(planned(&[rule]), [expected]);
    }

    #[test]
    fn a_rule_without_protocol_or_prefix_is_one_for_each_protocol_and_family() {
        let expected = [
            "1000: from all iif lo ipproto 6 lookup 21000",
            "1001: from all iif lo ipproto 17 lookup 21000",
            "-6 1002: from all iif lo ipproto 6 lookup 21000",
            "-6 1003: from all iif lo ipproto 17 lookup 21000",
        ];
        assert_eq!(planned(&[rule(Action::Steer)]), expected);
    }

    #[test]
    fn what_passes_or_drops_before_keeps_its_place_and_the_main_table() {
        let tcp = |action, port| Rule {
            dst: Some("2001:db8::2/128".parse().unwrap()),
            proto: Some(Proto::Tcp),
            dst_port: range(port, port),
            ..rule(action)
        };
        let rules = [tcp(Action::Pass, 22), tcp(Action::Drop, 23), tcp(Action::Steer, 24)];
        let expected = [
            "-6 1000: from 2001:db8::2/128 iif lo ipproto 6 sport 22-22 lookup 254",
            "-6 1001: from 2001:db8::2/128 iif lo ipproto 6 sport 23-23 lookup 254",
            "-6 1002: from 2001:db8::2/128 iif lo ipproto 6 sport 24-24 lookup 21000",
        ];
        assert_eq!(planned(&rules), expected);
    }

    #[test]
    fn a_rule_that_can_match_nothing_or_names_a_vlan_is_not_mirrored() {
        let mixed = Rule {
            src: Some("192.0.2.0/24".parse().unwrap()),
            dst: Some("2001:db8::/64".parse().unwrap()),
            ..rule(Action::Steer)
        };
        let tagged = Rule { vlan: Some(7), ..rule(Action::Steer) };
        assert_eq!(planned(&[mixed, tagged]), [""; 0]);
        assert_eq!(planned(&[Rule { vlan: Some(0), ..rule(Action::Steer) }]).len(), 4);
    }

    #[test]
    fn host_bits_of_a_prefix_are_cut_off() {
        let rule = Rule { dst: Some("192.0.2.77/24".parse().unwrap()), ..rule(Action::Steer) };
        assert!(planned(&[rule])[0].contains("from 192.0.2.0/24"));
    }

    #[test]
    fn port_ranges_are_cut_to_what_the_kernel_takes() {
        assert_eq!(ports(range(0, 65_535)), Some(None));
        assert_eq!(ports(range(1, 65_535)), Some(None));
        assert_eq!(ports(range(0, 80)), Some(Some((1, 80))));
        assert_eq!(ports(range(60_000, 65_535)), Some(Some((60_000, 65_534))));
        assert_eq!(ports(range(65_535, 65_535)), None);
        assert_eq!(ports(range(0, 0)), None);
    }

    #[test]
    fn without_mirror_there_is_no_policy_rule() {
        let host = Host { routes: Routes::None, ..host() };
        assert_eq!(plan(&host, &[rule(Action::Steer)]), Ok(Vec::new()));
    }

    #[test]
    fn priorities_behind_the_main_table_are_refused_with_the_range() {
        let plan_at = |priority| {
            plan(&Host { priority, ..host() }, &[rule(Action::Steer), rule(Action::Pass)])
        };
        assert_eq!(plan_at(32_758).unwrap().last().unwrap().priority, 32_765);
        let refused = plan_at(32_759).unwrap_err();
        assert!(refused.to_string().contains("from 1 to 32758"), "{refused}");
        assert!(plan_at(0).is_err());
        assert!(plan_at(u32::MAX).is_err());
    }
}
