//! `[stage]`: what happens to packets on their way from one port of wire mode to the other.

use std::net::IpAddr;

use sluice_common::Side;
use sluice_common::classify::{Field, MAX_RULES, PortRange, Prefix};
use sluice_common::stage::{
    AnyStage, Forward, InvalidNatRule, Leaving, Nat, NatRule, NatTarget, Rewrite, VlanMap,
};
use sluice_common::wire::Protocol;
use sluice_common::wire::ethernet::Mac;
use toml::Spanned;
use toml::de::DeValue;

use super::table::{Entry, Table};
use super::words::one_of;
use super::{Mode, Port, rule};

/// What one of several addresses is chosen with. The same at every start and on every machine: clients keep
/// theirs when Sluice starts anew, and when a second one takes over. That a client can find out which
/// source ports lead where is the price.
const HASH_KEYS: [u64; 4] =
    [0x243f_6a88_85a3_08d3, 0x1319_8a2e_0370_7344, 0xa409_3822_299f_31d0, 0x082e_fa98_ec4e_6c89];

/// Which stage `kind` names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Forward,
    Rewrite,
    Nat,
}

const KINDS: [(&str, Kind); 3] =
    [("forward", Kind::Forward), ("rewrite", Kind::Rewrite), ("nat", Kind::Nat)];

/// The stage of the file; a plain wire where there is none.
pub(super) fn read(root: &Table<'_>, mode: Mode, ports: &[Port]) -> AnyStage {
    let table = root.table("stage");
    if mode != Mode::Wire {
        if root.has("stage") {
            let reason = "only for mode \"wire\", where packets go from one port to the other";
            root.problem_without_value("stage", reason);
        }
        return AnyStage::default();
    }
    let kind = table.choice("kind", Kind::Forward, &KINDS);
    let (rewrite, rules) = (rewrite(&table, ports), nat_rules(&table, ports));
    for (key, own) in [("rewrite", Kind::Rewrite), ("nat", Kind::Nat)] {
        check_kind(&table, kind, key, own);
    }
    table.finish();
    match kind {
        Kind::Forward => AnyStage::Forward(Forward),
        Kind::Rewrite => AnyStage::Rewrite(rewrite),
        // What it refuses has been noted rule by rule.
        Kind::Nat => Nat::new(rules, HASH_KEYS).map_or_else(|_| AnyStage::default(), AnyStage::Nat),
    }
}

/// The tables under `key` are there if and only if `kind` is their own.
fn check_kind(table: &Table<'_>, kind: Kind, key: &str, own: Kind) {
    match (kind == own, table.has(key)) {
        (true, false) => {
            table.problem("kind", format!("says nothing without at least one [[stage.{key}]]"));
        }
        (false, true) => {
            let message = format!("of no effect; kind = {key:?} is wanted, or this is to go");
            table.problem_without_value(key, message);
        }
        _ => {}
    }
}

/// `[[stage.rewrite]]`, one for each port at most.
fn rewrite(stage: &Table<'_>, ports: &[Port]) -> Rewrite {
    let mut leaving = [None, None];
    for table in stage.tables("rewrite") {
        let out = side(&table, "out", ports);
        let new = Leaving {
            src_mac: source_mac(&table),
            dst_mac: mac(&table, "dst_mac"),
            vlans: vlans(&table),
        };
        if !["src_mac", "dst_mac", "vlan"].iter().any(|key| table.has(key)) {
            table.problem("out", "nothing is rewritten; name src_mac, dst_mac or vlan");
        }
        if let Some(out) = out
            && leaving[out.index()].replace(new).is_some()
        {
            table.problem("out", "named by an earlier [[stage.rewrite]] already; once is enough");
        }
        table.finish();
    }
    Rewrite::new(leaving.map(Option::unwrap_or_default))
}

/// The side of the interface that `key` names, which has to be a port's.
fn side(table: &Table<'_>, key: &'static str, ports: &[Port]) -> Option<Side> {
    let ifaces = ports.iter().map(|port| &*port.iface);
    let sides: Vec<_> = ifaces.zip(Side::BOTH.map(Some)).collect();
    if !table.has(key) {
        table.problem(key, format!("missing; {} is wanted", one_of(&sides)));
    }
    table.choice(key, None, &sides)
}

fn source_mac(table: &Table<'_>) -> Option<Mac> {
    let mac = mac(table, "src_mac")?;
    if mac[0] & 1 == 1 {
        table.problem(
            "src_mac",
            "a group address, from which no packet comes; take one with an even first byte",
        );
    }
    Some(mac)
}

fn mac(table: &Table<'_>, key: &'static str) -> Option<Mac> {
    const WANTED: &str = "a MAC address such as \"02:00:00:00:00:01\"";
    let mac = parse_mac(table.text(key, WANTED)?);
    if mac.is_none() {
        table.problem(key, format!("not {WANTED}, six bytes of two hexadecimal digits each"));
    }
    mac
}

fn parse_mac(written: &str) -> Option<Mac> {
    let is_byte = |digits: &str| digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    let bytes = written.split(':').map(|digits| match is_byte(digits) {
        true => u8::from_str_radix(digits, 16).ok(),
        false => None,
    });
    bytes.collect::<Option<Vec<_>>>()?.try_into().ok()
}

/// `vlan = { old = new, … }`.
fn vlans(table: &Table<'_>) -> VlanMap {
    const WANTED: &str = "a table of VLAN IDs such as { 10 = 20 }";
    let Some(entry) = table.get("vlan") else { return VlanMap::default() };
    let Some(pairs) = entry.value.as_table() else {
        table.wrong_type("vlan", &entry, WANTED);
        return VlanMap::default();
    };
    let pairs = pairs.iter().filter_map(|(old, new)| vlan_pair(table, old, new));
    VlanMap::new(pairs).unwrap_or_else(|invalid| {
        table.problem("vlan", invalid.to_string());
        VlanMap::default()
    })
}

fn vlan_pair<S: AsRef<str>>(
    table: &Table<'_>,
    old: &Spanned<S>,
    new: &Spanned<DeValue<'_>>,
) -> Option<(u16, u16)> {
    let (first, last) = VlanMap::IDS.into_inner();
    let new = Entry { value: new.get_ref(), span: new.span() };
    let new = table.integer_in("vlan", &new, &(first.into()..=last.into()));
    let written = old.get_ref().as_ref().parse().ok();
    let old_id = written.filter(|id| VlanMap::IDS.contains(id));
    if old_id.is_none() {
        let message = format!("not a VLAN ID, a whole number from {first} to {last}");
        table.problem_at("vlan", old.span(), message);
    }
    Some((old_id?, new? as u16))
}

/// `[[stage.nat]]`, in order.
fn nat_rules(stage: &Table<'_>, ports: &[Port]) -> Vec<NatRule> {
    let tables = stage.tables("nat");
    if tables.len() > MAX_RULES {
        let message = format!("{} of them; at most {MAX_RULES}", tables.len());
        stage.problem_without_value("nat", message);
    }
    let mut rules: Vec<Option<NatRule>> = Vec::new();
    for table in tables {
        let rule = nat_rule(&table, ports);
        if let Some(rule) = &rule {
            check_nat_rule(&table, rule, &rules);
        }
        rules.push(rule);
        table.finish();
    }
    rules.into_iter().flatten().collect()
}

/// A rule can be undone, and is not taken for another when it is.
fn check_nat_rule(table: &Table<'_>, rule: &NatRule, before: &[Option<NatRule>]) {
    match rule.validate() {
        Err(invalid @ InvalidNatRule::Port { .. }) => table.problem("to_port", invalid.to_string()),
        Err(invalid) => table.problem("to", invalid.to_string()),
        Ok(()) => {}
    }
    let shares = |earlier: &NatRule| earlier.shares_replies(rule);
    if let Some(index) = before.iter().position(|earlier| earlier.as_ref().is_some_and(shares)) {
        let message = format!(
            "stage.nat[{index}] maps to the same addresses and ports, and a reply from there could belong to \
             either; take others"
        );
        table.problem("to", message);
    }
}

fn nat_rule(table: &Table<'_>, ports: &[Port]) -> Option<NatRule> {
    let from = side(table, "from", ports);
    let protocol = rule::protocol(table).map(Protocol::from);
    let mapped = mapped(table);
    let (to, to_port) = (target(table), to_port(table));
    let (field, prefix, ports) = mapped?;
    Some(NatRule { from: from?, protocol, field, prefix, ports, to: to?, to_port })
}

/// The end that is mapped, with its addresses and ports: either `dst` and `dst_port` or `src` and `src_port`.
fn mapped(table: &Table<'_>) -> Option<(Field, Prefix, Option<PortRange>)> {
    let [src, dst] = ["src", "dst"].map(|key| rule::prefix(table, key));
    let [src_port, dst_port] = ["src_port", "dst_port"].map(|key| rule::ports(table, key));
    let (field, net, ports, foreign) = match (table.has("src"), table.has("dst")) {
        (false, true) => (Field::Destination, dst, dst_port, "src_port"),
        (true, false) => (Field::Source, src, src_port, "dst_port"),
        (true, true) => {
            table.problem(
                "src",
                "dst is there already, and a rule maps one of them; write two rules",
            );
            return None;
        }
        (false, false) => {
            table.problem("dst", "missing; the prefix that is mapped is wanted, as dst or as src");
            return None;
        }
    };
    if table.has(foreign) {
        table.problem(foreign, "not of the end that the rule maps; its port is meant, or none");
    }
    let ports = ports.and_then(|ports| PortRange::new(ports.first, ports.last));
    Some((field, rule::classified(net?)?, ports))
}

fn target(table: &Table<'_>) -> Option<NatTarget> {
    const WANTED: &str = "a prefix such as \"10.0.0.0/24\", or a list of addresses,";
    let Some(entry) = table.get("to") else {
        table.problem("to", format!("missing; {WANTED} is wanted"));
        return None;
    };
    if let Some(items) = Table::list(&entry) {
        let addresses: Vec<_> = items.iter().map(|item| address(table, item)).collect();
        return addresses.into_iter().collect::<Option<_>>().map(NatTarget::OneOf);
    }
    let Some(written) = entry.value.as_str() else {
        table.wrong_type("to", &entry, WANTED);
        return None;
    };
    rule::parse_prefix(table, "to", written).and_then(rule::classified).map(NatTarget::Prefix)
}

fn address(table: &Table<'_>, item: &Entry<'_>) -> Option<IpAddr> {
    const WANTED: &str = "an IPv4 or IPv6 address such as \"10.0.0.1\"";
    let address = item.value.as_str().and_then(|written| written.parse().ok());
    if address.is_none() {
        table.not_wanted("to", item, WANTED);
    }
    address
}

fn to_port(table: &Table<'_>) -> Option<u16> {
    let entry = table.get("to_port")?;
    table.integer_in("to_port", &entry, &(1..=u16::MAX.into())).map(|port| port as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mac_address_is_six_pairs_of_digits() {
        assert_eq!(parse_mac("02:0a:FF:00:00:01"), Some([2, 10, 255, 0, 0, 1]));
        for wrong in [
            "",
            "02:00:00:00:00",
            "02:00:00:00:00:01:02",
            "2:0:0:0:0:1",
            "02-00-00-00-00-01",
            "+2:00:00:00:00:01",
            "0g:00:00:00:00:01",
        ] {
            assert_eq!(parse_mac(wrong), None, "{wrong}");
        }
    }
}
