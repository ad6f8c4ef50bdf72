//! From rules to table contents: the one step that both the host's tables and the kernel's maps are
//! filled from.

use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::rule::VLAN_IDS;
use super::trie::Tries;
use super::{Action, Actions, Bitmap, Field, Invalid, MAX_RULES, Prefix, Rule, Tables};
use crate::wire::{Addresses, Protocol};

/// A prefix that some rule names, or the root of a family, with the rules that accept every address
/// under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixEntry {
    /// Which end of the packet.
    pub field: Field,
    /// The prefix.
    pub prefix: Prefix,
    /// The rules that accept it.
    pub rules: Bitmap,
}

/// A set of rules as tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    prefixes: Vec<PrefixEntry>,
    /// The same, to be looked up.
    tries: Tries,
    ports: [Vec<Bitmap>; 2],
    vlans: Vec<Bitmap>,
    tcp: Bitmap,
    udp: Bitmap,
    actions: Actions,
    count: usize,
}

impl Compiled {
    /// Compiles `rules`.
    ///
    /// # Errors
    /// [`Invalid`] says which rule cannot be compiled, and why.
    pub fn new(rules: &[Rule]) -> Result<Self, Invalid> {
        if rules.len() > MAX_RULES {
            return Err(Invalid::TooMany { count: rules.len() });
        }
        for (index, rule) in rules.iter().enumerate() {
            rule.validate(index)?;
        }
        let prefixes: Vec<_> =
            Field::BOTH.into_iter().flat_map(|field| prefixes(rules, field)).collect();
        Ok(Self {
            tries: Tries::new(&prefixes),
            prefixes,
            ports: Field::BOTH.map(|field| ports(rules, field)),
            vlans: (0..VLAN_IDS)
                .map(|id| select(rules, |rule| rule.vlan.is_none_or(|vlan| vlan == id)))
                .collect(),
            tcp: protocol(rules, Protocol::TCP),
            udp: protocol(rules, Protocol::UDP),
            actions: Actions {
                steer: select(rules, |rule| rule.action == Action::Steer),
                drop: select(rules, |rule| rule.action == Action::Drop),
            },
            count: rules.len(),
        })
    }

    /// How many rules there are.
    #[must_use]
    pub const fn rule_count(&self) -> usize {
        self.count
    }

    /// The prefixes of both ends, the roots of both families among them, each once.
    #[must_use]
    pub fn prefixes(&self) -> &[PrefixEntry] {
        &self.prefixes
    }

    /// One bitmap for each of the 65,536 ports.
    #[must_use]
    pub fn ports(&self, field: Field) -> &[Bitmap] {
        &self.ports[field as usize]
    }

    /// One bitmap for each of the 4096 VLAN IDs.
    #[must_use]
    pub fn vlans(&self) -> &[Bitmap] {
        &self.vlans
    }
}

impl Tables for Compiled {
    fn prefix(&self, field: Field, addresses: &Addresses) -> Bitmap {
        self.tries.find(field, addresses)
    }

    fn port(&self, field: Field, port: u16) -> Bitmap {
        self.ports(field)[usize::from(port)]
    }

    fn protocol(&self, protocol: Protocol) -> Bitmap {
        match protocol {
            Protocol::TCP => self.tcp,
            Protocol::UDP => self.udp,
            _ => 0,
        }
    }

    fn vlan(&self, id: u16) -> Bitmap {
        self.vlans.get(usize::from(id)).copied().unwrap_or(0)
    }

    fn actions(&self) -> Actions {
        self.actions
    }
}

/// The bitmap of the rules that `accept` says yes to.
fn select(rules: &[Rule], accept: impl Fn(&Rule) -> bool) -> Bitmap {
    rules
        .iter()
        .enumerate()
        .fold(0, |bitmap, (index, rule)| bitmap | Bitmap::from(accept(rule)) << index)
}

fn protocol(rules: &[Rule], protocol: Protocol) -> Bitmap {
    select(rules, |rule| rule.protocol.is_none_or(|named| named == protocol))
}

/// A longest-prefix match finds one entry, so each must know every rule that accepts the prefix: those
/// that name it, a shorter one around it, or none. The two roots answer for addresses under no other.
fn prefixes(rules: &[Rule], field: Field) -> Vec<PrefixEntry> {
    let mut named: Vec<Prefix> =
        rules.iter().filter_map(|rule| rule.prefix(field).copied()).chain(roots()).collect();
    named.sort_unstable_by_key(|prefix| (prefix.address(), prefix.prefix_len()));
    named.dedup();
    named
        .into_iter()
        .map(|prefix| PrefixEntry {
            field,
            prefix,
            rules: select(rules, |rule| rule.prefix(field).is_none_or(|p| p.covers(&prefix))),
        })
        .collect()
}

fn roots() -> impl Iterator<Item = Prefix> {
    [IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::UNSPECIFIED)]
        .into_iter()
        .filter_map(|address| Prefix::new(address, 0))
}

fn ports(rules: &[Rule], field: Field) -> Vec<Bitmap> {
    let everywhere = select(rules, |rule| rule.ports(field).is_none());
    let mut table = vec![everywhere; usize::from(u16::MAX) + 1];
    for (index, rule) in rules.iter().enumerate() {
        if let Some(range) = rule.ports(field) {
            for port in &mut table[usize::from(range.first())..=usize::from(range.last())] {
                *port |= 1 << index;
            }
        }
    }
    table
}
