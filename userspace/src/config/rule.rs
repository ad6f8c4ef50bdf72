//! `[[rule]]`: which packets, and what becomes of them.

use std::net::IpAddr;

use ipnet::IpNet;
use sluice_common::classify::{self, Action, Prefix};
use sluice_common::wire::Protocol;

use super::table::Table;
use super::{MAX_RULES, PortRange, Proto, Rule};

/// Highest VLAN ID of IEEE 802.1Q; 4095 is reserved, 0 is no VLAN.
const HIGHEST_VLAN: u64 = 4094;

/// Every `[[rule]]` of the file, in order.
pub(super) fn read_all(root: &Table<'_>) -> Vec<Rule> {
    let tables = root.tables("rule");
    if tables.len() > MAX_RULES {
        let message = format!("{} of them; at most {MAX_RULES}", tables.len());
        root.problem_without_value("rule", message);
    }
    tables.into_iter().map(read).collect()
}

fn read(table: Table<'_>) -> Rule {
    let rule = Rule {
        src: prefix(&table, "src"),
        dst: prefix(&table, "dst"),
        proto: protocol(&table),
        src_port: ports(&table, "src_port"),
        dst_port: ports(&table, "dst_port"),
        vlan: vlan(&table),
        action: action(&table),
    };
    check_families(&table, &rule);
    table.finish();
    rule
}

/// No packet has a source of one family and a destination of the other.
fn check_families(table: &Table<'_>, rule: &Rule) {
    let (Some(src), Some(dst)) = (rule.src, rule.dst) else { return };
    if src.addr().is_ipv4() != dst.addr().is_ipv4() {
        let family = |net: IpNet| if net.addr().is_ipv4() { "IPv4" } else { "IPv6" };
        let message = format!(
            "{} while src = {src} is {}: no packet has both; write two rules",
            family(dst),
            family(src)
        );
        table.problem("dst", message);
    }
}

const PREFIX: &str = "an IPv4 or IPv6 prefix such as \"10.0.0.0/8\" or \"2001:db8::/32\"";

pub(super) fn prefix(table: &Table<'_>, key: &'static str) -> Option<IpNet> {
    parse_prefix(table, key, table.text(key, PREFIX)?)
}

/// What is `written` at `key` as a prefix; an address is one of full length.
pub(super) fn parse_prefix(table: &Table<'_>, key: &str, written: &str) -> Option<IpNet> {
    let parsed = written
        .parse::<IpNet>()
        .or_else(|error| written.parse::<IpAddr>().map(IpNet::from).map_err(|_| error));
    let Ok(net) = parsed else {
        table.problem(key, format!("not {PREFIX}, its length 0 to 32 or 0 to 128"));
        return None;
    };
    if net != net.trunc() {
        let message =
            format!("has bits set beyond its length; {} or {} is meant", net.trunc(), net.addr());
        table.problem(key, message);
    }
    Some(net)
}

impl From<Proto> for Protocol {
    fn from(proto: Proto) -> Self {
        match proto {
            Proto::Tcp => Self::TCP,
            Proto::Udp => Self::UDP,
        }
    }
}

impl From<&Rule> for classify::Rule {
    /// The rule as the classifier has it.
    fn from(rule: &Rule) -> Self {
        let prefix = |net| classified(net).expect("a prefix fits its family");
        let ports = |PortRange { first, last }| {
            classify::PortRange::new(first, last).expect("checked when it was read")
        };
        Self {
            src: rule.src.map(prefix),
            dst: rule.dst.map(prefix),
            protocol: rule.proto.map(Protocol::from),
            src_port: rule.src_port.map(ports),
            dst_port: rule.dst_port.map(ports),
            vlan: rule.vlan,
            action: rule.action,
        }
    }
}

/// The prefix as the classifier has it.
pub(super) fn classified(net: IpNet) -> Option<Prefix> {
    Prefix::new(net.addr(), net.prefix_len())
}

pub(super) fn protocol(table: &Table<'_>) -> Option<Proto> {
    let words = [("tcp", Some(Proto::Tcp)), ("udp", Some(Proto::Udp))];
    table.choice("proto", None, &words)
}

fn vlan(table: &Table<'_>) -> Option<u16> {
    let entry = table.get("vlan")?;
    table.integer_in("vlan", &entry, &(0..=HIGHEST_VLAN)).map(|id| id as u16)
}

fn action(table: &Table<'_>) -> Action {
    let words = [("steer", Action::Steer), ("pass", Action::Pass), ("drop", Action::Drop)];
    if !table.has("action") {
        table.problem("action", "missing; \"steer\", \"pass\" or \"drop\" is wanted");
    }
    table.choice("action", Action::Pass, &words)
}

pub(super) fn ports(table: &Table<'_>, key: &'static str) -> Option<PortRange> {
    const WANTED: &str = "a port or a range of ports such as 443 or \"5000-6000\", 0 to 65535,";
    let entry = table.get(key)?;
    if entry.value.is_integer() {
        let port = table.integer_in(key, &entry, &(0..=u16::MAX.into()))? as u16;
        return Some(PortRange { first: port, last: port });
    }
    let Some(written) = entry.value.as_str() else {
        table.wrong_type(key, &entry, WANTED);
        return None;
    };
    let (first, last) = written.split_once('-').unwrap_or((written, written));
    match (first.trim().parse(), last.trim().parse()) {
        (Ok(first), Ok(last)) if first <= last => Some(PortRange { first, last }),
        _ => {
            table.problem(key, format!("not {WANTED} the first no higher than the last"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_keeps_all_its_conditions() {
        let rule = Rule {
            src: Some("10.0.0.0/8".parse().unwrap()),
            dst: Some("2001:db8::/32".parse().unwrap()),
            proto: Some(Proto::Udp),
            src_port: Some(PortRange { first: 1, last: 2 }),
            dst_port: Some(PortRange { first: 3, last: 3 }),
            vlan: Some(7),
            action: Action::Drop,
        };
        let steering = classify::Rule::from(&rule);
        assert_eq!(steering.src.unwrap().to_string(), "10.0.0.0/8");
        assert_eq!(steering.dst.unwrap().to_string(), "2001:db8::/32");
        assert_eq!(steering.protocol, Some(Protocol::UDP));
        assert_eq!(steering.src_port.map(|p| (p.first(), p.last())), Some((1, 2)));
        assert_eq!(steering.dst_port.map(|p| (p.first(), p.last())), Some((3, 3)));
        assert_eq!((steering.vlan, steering.action), (Some(7), Action::Drop));
    }
}
