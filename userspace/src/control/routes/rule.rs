//! One policy rule.

use std::fmt;

use ipnet::IpNet;
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleMessage, RulePortRange};
use nix::errno::Errno;
use rtnetlink::Handle;
use serde::{Deserialize, Serialize};

use super::super::netlink::unless;
use super::{Family, RoutesError, protocol};

/// A policy rule as Sluice writes them (`ip rule`, linux/fib_rules.h).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRule {
    /// Its place among the rules; the lowest is asked first.
    pub priority: u32,
    /// Which packets it is for.
    pub selector: Selector,
    /// The table that is looked up.
    pub table: u32,
}

/// Which packets a policy rule is for: those of local sockets that match all of this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selector {
    /// IPv4 or IPv6.
    pub family: Family,
    /// Transport protocol (IANA "Protocol Numbers").
    pub ip_proto: u8,
    /// Source prefix.
    pub from: Option<IpNet>,
    /// Destination prefix.
    pub to: Option<IpNet>,
    /// Source ports, first and last.
    pub sport: Option<(u16, u16)>,
    /// Destination ports, first and last.
    pub dport: Option<(u16, u16)>,
}

impl PolicyRule {
    /// Writes the rule; it may be there already.
    pub(crate) async fn add(&self, handle: &Handle) -> Result<(), RoutesError> {
        let mut request = handle.rule().add();
        *request.message_mut() = self.message();
        unless(request.execute().await, &[Errno::EEXIST])
            .map_err(|source| self.error("write", source))
    }

    /// Takes the rule away; it may be gone already.
    pub(crate) async fn delete(&self, handle: &Handle) -> Result<(), RoutesError> {
        let result = handle.rule().del(self.message()).execute().await;
        unless(result, &[Errno::ENOENT]).map_err(|source| self.error("delete", source))
    }

    fn error(&self, what: &'static str, source: rtnetlink::Error) -> RoutesError {
        RoutesError::Rule { what, rule: self.to_string(), source }
    }

    fn message(&self) -> RuleMessage {
        let Selector { family, ip_proto, from, to, sport, dport } = &self.selector;
        let mut message = RuleMessage::default();
        message.header.family = (*family).into();
        message.header.action = RuleAction::ToTable;
        message.header.src_len = from.map_or(0, |prefix| prefix.prefix_len());
        message.header.dst_len = to.map_or(0, |prefix| prefix.prefix_len());
        let attributes = &mut message.attributes;
        attributes.push(RuleAttribute::Priority(self.priority));
        attributes.push(RuleAttribute::Table(self.table));
        attributes.push(RuleAttribute::Protocol(protocol()));
        // What local sockets send comes, for the kernel, from the loopback device.
        attributes.push(RuleAttribute::Iifname("lo".to_owned()));
        attributes.push(RuleAttribute::IpProtocol((*ip_proto).into()));
        attributes.extend(from.map(|prefix| RuleAttribute::Source(prefix.network())));
        attributes.extend(to.map(|prefix| RuleAttribute::Destination(prefix.network())));
        attributes.extend(sport.map(range).map(RuleAttribute::SourcePortRange));
        attributes.extend(dport.map(range).map(RuleAttribute::DestinationPortRange));
        message
    }
}

fn range((start, end): (u16, u16)) -> RulePortRange {
    RulePortRange { start, end }
}

/// As `ip rule` prints it.
impl fmt::Display for PolicyRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Selector { family, ip_proto, from, to, sport, dport } = &self.selector;
        let v6 = if *family == Family::V6 { "-6 " } else { "" };
        write!(f, "{v6}{}: from ", self.priority)?;
        match from {
            Some(prefix) => write!(f, "{prefix}")?,
            None => write!(f, "all")?,
        }
        if let Some(prefix) = to {
            write!(f, " to {prefix}")?;
        }
        write!(f, " iif lo ipproto {ip_proto}")?;
        if let Some((first, last)) = sport {
            write!(f, " sport {first}-{last}")?;
        }
        if let Some((first, last)) = dport {
            write!(f, " dport {first}-{last}")?;
        }
        write!(f, " lookup {}", self.table)
    }
}
