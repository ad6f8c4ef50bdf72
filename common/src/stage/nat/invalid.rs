//! Why a set of rules is refused.

use core::error::Error;
use core::fmt;
use core::net::IpAddr;

use super::NatTarget;
use crate::classify::{MAX_RULES, Prefix};
use crate::wire::Protocol;

/// What is wrong with a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidNatRule {
    /// A protocol that has no ports.
    Protocol {
        /// What it names.
        protocol: Protocol,
    },
    /// A port that several would become.
    Port {
        /// Which.
        port: u16,
    },
    /// An address of one family that would become one of the other.
    Families {
        /// What is mapped.
        prefix: Prefix,
        /// To what.
        to: IpAddr,
    },
    /// A prefix that would become a longer or a shorter one.
    Length {
        /// What is mapped.
        prefix: Prefix,
        /// To what.
        to: Prefix,
    },
    /// No address to choose from, or more than [`NatTarget::MOST`].
    Count {
        /// How many.
        count: usize,
    },
    /// Several addresses that would become the same.
    NotOne {
        /// Which.
        prefix: Prefix,
    },
}

impl fmt::Display for InvalidNatRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protocol { protocol } => {
                write!(f, "IP protocol {} has no ports; use TCP or UDP", protocol.0)
            }
            Self::Port { port } => {
                write!(f, "only a single port becomes {port}; name the one that does")
            }
            Self::Families { prefix, to } => {
                write!(f, "{prefix} cannot become {to}; stay with one IP version")
            }
            Self::Length { prefix, to } => write!(
                f,
                "{prefix} cannot become {to}, which is of another length; use /{}",
                prefix.prefix_len()
            ),
            Self::Count { count } => {
                write!(f, "{count} addresses to choose from; name 1 to {}", NatTarget::MOST)
            }
            Self::NotOne { prefix } => write!(
                f,
                "{prefix} is more than one address, and the replies of a list of addresses become one; name \
                 one, or map to a prefix"
            ),
        }
    }
}

impl Error for InvalidNatRule {}

/// What is wrong with a set of rules. Rules are counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidNat {
    /// More than [`MAX_RULES`].
    TooMany {
        /// How many.
        count: usize,
    },
    /// A rule that is wrong by itself.
    Rule {
        /// Which.
        rule: usize,
        /// What is wrong with it.
        invalid: InvalidNatRule,
    },
    /// Two rules whose replies cannot be told apart.
    SharedReplies {
        /// The later one.
        rule: usize,
        /// The earlier one.
        earlier: usize,
    },
}

impl fmt::Display for InvalidNat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany { count } => write!(f, "{count} rules; there may be at most {MAX_RULES}"),
            Self::Rule { rule, invalid } => write!(f, "rule {rule}: {invalid}"),
            Self::SharedReplies { rule, earlier } => write!(
                f,
                "rule {rule}: maps to addresses and ports that rule {earlier} maps to as well, and a reply \
                 from there could belong to either; take others"
            ),
        }
    }
}

impl Error for InvalidNat {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Rule { invalid, .. } => Some(invalid),
            _ => None,
        }
    }
}
