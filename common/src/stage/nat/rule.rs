//! A rule, and what it makes of a packet.

use alloc::vec::Vec;
use core::iter;
use core::net::IpAddr;

use super::target::same_host;
use super::{InvalidNatRule, NatTarget};
use crate::Side;
use crate::classify::{Action, Field, PortRange, Prefix, Rule};
use crate::stage::{Edit, Seen};
use crate::wire::{Fragment, Headers, Protocol};

/// A rule of address translation.
///
/// Forward, of packets that come in at [`from`](Self::from), one end is mapped to a target: the destination
/// (destination NAT, load balancing) or the source (source NAT). Back, of packets that come in at the other
/// side, the other end is: where that is the target, it becomes what it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatRule {
    /// Where the forward direction comes in.
    pub from: Side,
    /// [`Protocol::TCP`] or [`Protocol::UDP`]; `None` is both.
    pub protocol: Option<Protocol>,
    /// Which end of the forward direction is mapped.
    pub field: Field,
    /// The addresses that are mapped.
    pub prefix: Prefix,
    /// The ports that are; `None` is all.
    pub ports: Option<PortRange>,
    /// What the addresses become.
    pub to: NatTarget,
    /// What the port becomes, of which there is only one then; `None`: it stays.
    pub to_port: Option<u16>,
}

/// One end of a packet. The port of a fragment is not seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    pub(super) address: IpAddr,
    pub(super) port: Option<u16>,
}

impl End {
    fn of(headers: &Headers, field: Field) -> Self {
        let ports = headers.ports.filter(|_| headers.fragment == Fragment::Whole);
        Self {
            address: field.address_of(&headers.addresses),
            port: ports.map(|ports| field.port_of(&ports)),
        }
    }
}

impl NatRule {
    /// What makes the rule one that cannot be undone, or not be followed.
    ///
    /// # Errors
    /// [`InvalidNatRule`].
    pub fn validate(&self) -> Result<(), InvalidNatRule> {
        if let Some(protocol) = self.protocol
            && !has_ports(protocol)
        {
            return Err(InvalidNatRule::Protocol { protocol });
        }
        if let Some(port) = self.to_port
            && self.ports.is_none_or(|ports| ports.first() != ports.last())
        {
            return Err(InvalidNatRule::Port { port });
        }
        match &self.to {
            NatTarget::Prefix(to) => self.validate_prefix(*to),
            NatTarget::OneOf(to) => self.validate_list(to),
        }
    }

    fn validate_prefix(&self, to: Prefix) -> Result<(), InvalidNatRule> {
        let prefix = self.prefix;
        self.validate_family(to.address())?;
        if to.prefix_len() != prefix.prefix_len() {
            return Err(InvalidNatRule::Length { prefix, to });
        }
        Ok(())
    }

    fn validate_list(&self, to: &[IpAddr]) -> Result<(), InvalidNatRule> {
        let prefix = self.prefix;
        to.iter().try_for_each(|to| self.validate_family(*to))?;
        if !(1..=NatTarget::MOST).contains(&to.len()) {
            return Err(InvalidNatRule::Count { count: to.len() });
        }
        if prefix.prefix_len() != if prefix.address().is_ipv4() { 32 } else { 128 } {
            return Err(InvalidNatRule::NotOne { prefix });
        }
        Ok(())
    }

    fn validate_family(&self, to: IpAddr) -> Result<(), InvalidNatRule> {
        let prefix = self.prefix;
        if to.is_ipv4() == prefix.address().is_ipv4() {
            return Ok(());
        }
        Err(InvalidNatRule::Families { prefix, to })
    }

    /// Whether a reply may be one to packets of both rules, so that it is not known which to undo.
    #[must_use]
    pub fn shares_replies(&self, other: &Self) -> bool {
        let same_protocol =
            self.protocol.zip(other.protocol).is_none_or(|(one, another)| one == another);
        let ports = self.ports_after().zip(other.ports_after());
        let same_port = ports.is_none_or(|(one, another)| one.meets(&another));
        let same_way = (self.from, self.field) == (other.from, other.field);
        same_way && same_protocol && same_port && self.to.meets(&other.to)
    }

    /// What a steering rule names that takes nothing but packets this rule is about: the way forward, then the way
    /// back from each target. Where nothing is steered, the rule has no effect.
    #[must_use]
    pub fn steering(&self) -> Vec<Rule> {
        let forward = self.at_end(self.field, self.prefix, self.ports);
        let back = self.to.prefixes().into_iter();
        let back = back.map(|to| self.at_end(self.field.other(), to, self.ports_after()));
        iter::once(forward).chain(back).collect()
    }

    const fn at_end(&self, field: Field, prefix: Prefix, ports: Option<PortRange>) -> Rule {
        let any = Rule { protocol: self.protocol, ..Rule::any(Action::Steer) };
        match field {
            Field::Source => Rule { src: Some(prefix), src_port: ports, ..any },
            Field::Destination => Rule { dst: Some(prefix), dst_port: ports, ..any },
        }
    }

    /// The ports of the mapped end once it is mapped.
    fn ports_after(&self) -> Option<PortRange> {
        self.to_port.map_or(self.ports, |port| PortRange::new(port, port))
    }

    /// What the rule changes in packets like this; `None` if it is not about them.
    pub(super) fn edit(&self, seen: &Seen<'_>, hash_keys: [u64; 4]) -> Option<Edit> {
        let headers = &seen.headers;
        if !self.protocol.map_or(has_ports(headers.protocol), |own| own == headers.protocol) {
            return None;
        }
        let is_forward = seen.side == self.from;
        let field = if is_forward { self.field } else { self.field.other() };
        let [end, peer] = [field, field.other()].map(|field| End::of(headers, field));
        let (address, port) =
            if is_forward { self.forward(end, peer, hash_keys) } else { self.back(end) }?;
        let edit = Edit::default().with_address(field, address);
        Some(port.map_or(edit, |port| edit.with_port(field, port)))
    }

    fn forward(&self, end: End, peer: End, hash_keys: [u64; 4]) -> Option<(IpAddr, Option<u16>)> {
        let is_mapped = self.prefix.contains(end.address) && admits(self.ports, end.port);
        let address = is_mapped.then(|| self.to.of(end.address, peer, hash_keys))??;
        Some((address, self.to_port))
    }

    /// Where the target is a choice, the prefix is a single address and has no host part.
    fn back(&self, end: End) -> Option<(IpAddr, Option<u16>)> {
        let was_mapped = self.to.contains(end.address) && admits(self.ports_after(), end.port);
        let port = self.to_port.and(self.ports).map(|ports| ports.first());
        was_mapped.then(|| (same_host(&self.prefix, end.address), port))
    }
}

fn admits(ports: Option<PortRange>, port: Option<u16>) -> bool {
    ports.is_none_or(|ports| port.is_some_and(|port| ports.contains(port)))
}

const fn has_ports(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::TCP | Protocol::UDP)
}
