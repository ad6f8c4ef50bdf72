//! Steering: which rule matches a packet, and what is done with it.
//!
//! Rules stand in order and the first that matches decides. What a packet says in each field — its
//! source address, its destination port, … — is looked up once and gives a [`Bitmap`] with bit *i* set
//! where rule *i* accepts that value; the bitmaps of all fields ANDed leave the rules that match, and
//! the lowest set bit is the first of them (Lakshman & Stiliadis, SIGCOMM 1998). The cost is that of
//! seven look-ups, whether there is one rule or [`MAX_RULES`].
//!
//! The XDP program and user space call the same [`classify`]; only where the [`Tables`] are kept differs.
//! What is written into them comes from one place, [`Compiled`].

#[cfg(feature = "alloc")]
mod compile;
mod rule;
mod size;
#[cfg(feature = "alloc")]
mod trie;

#[cfg(feature = "alloc")]
pub use compile::{Compiled, PrefixEntry};
pub use rule::{Invalid, PortRange, Prefix, Rule};
pub use size::{is_too_large, longest_frame};

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::reason::VerdictReason;
use crate::wire::{Addresses, Fragment, Headers, Ports, Protocol, Unparsed};

/// The most rules a set can hold: one for each bit of a [`Bitmap`].
pub const MAX_RULES: usize = Bitmap::BITS as usize;

/// A set of rules: bit *i* stands for the *i*-th.
pub type Bitmap = u64;

/// What a rule does with the packets that match it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Action {
    /// To an AF_XDP socket.
    Steer = 0,
    /// On to the kernel.
    Pass = 1,
    /// Nowhere.
    Drop = 2,
}

/// One of the two ends of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Field {
    /// Where it comes from.
    Source = 0,
    /// Where it goes.
    Destination = 1,
}

impl Field {
    /// Both ends.
    pub const BOTH: [Self; 2] = [Self::Source, Self::Destination];

    /// The end that this is not.
    #[inline(always)]
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Source => Self::Destination,
            Self::Destination => Self::Source,
        }
    }

    /// This end's address.
    #[inline(always)]
    #[must_use]
    pub const fn address_of(self, addresses: &Addresses) -> IpAddr {
        match (self, *addresses) {
            (Self::Source, Addresses::V4 { src: [a, b, c, d], .. })
            | (Self::Destination, Addresses::V4 { dst: [a, b, c, d], .. }) => {
                IpAddr::V4(Ipv4Addr::new(a, b, c, d))
            }
            (Self::Source, Addresses::V6 { src: octets, .. })
            | (Self::Destination, Addresses::V6 { dst: octets, .. }) => {
                IpAddr::V6(Ipv6Addr::from_octets(octets))
            }
        }
    }

    /// This end's port.
    #[inline(always)]
    #[must_use]
    pub const fn port_of(self, ports: &Ports) -> u16 {
        match self {
            Self::Source => ports.src,
            Self::Destination => ports.dst,
        }
    }
}

/// Which rules of a set steer and which drop; the others pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Actions {
    /// Rules that steer.
    pub steer: Bitmap,
    /// Rules that drop.
    pub drop: Bitmap,
}

impl Actions {
    /// What rule number `rule` does.
    #[inline(always)]
    #[must_use]
    pub const fn of(self, rule: u8) -> Action {
        let bit = 1 << (rule & 63);
        if self.steer & bit != 0 {
            Action::Steer
        } else if self.drop & bit != 0 {
            Action::Drop
        } else {
            Action::Pass
        }
    }
}

/// The compiled rules, wherever they are kept: maps in the kernel, slices in user space.
///
/// Every look-up answers with the rules that accept the value, those that do not name the field
/// included.
pub trait Tables {
    /// The rules that accept the address at this end of the packet.
    fn prefix(&self, field: Field, addresses: &Addresses) -> Bitmap;
    /// The rules that accept the port at this end of the packet.
    fn port(&self, field: Field, port: u16) -> Bitmap;
    /// The rules that accept the protocol, TCP or UDP.
    fn protocol(&self, protocol: Protocol) -> Bitmap;
    /// The rules that accept the VLAN ID of the outermost tag, 0 for none; below 4096.
    fn vlan(&self, id: u16) -> Bitmap;
    /// What each rule does.
    fn actions(&self) -> Actions;
}

/// What the rules say about a packet.
///
/// Whether a packet that is to be steered finds a worker alive to take it is not theirs to say: the
/// XDP program passes it where it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What is to be done with it.
    pub verdict: Action,
    /// The rule that matched.
    pub rule: Option<u8>,
    /// Why.
    pub reason: VerdictReason,
}

impl Decision {
    #[inline(always)]
    const fn pass(reason: VerdictReason) -> Self {
        Self { verdict: Action::Pass, rule: None, reason }
    }

    #[inline(always)]
    const fn of_rule(rule: u8, verdict: Action) -> Self {
        let reason = match verdict {
            Action::Steer => VerdictReason::Steered,
            Action::Pass => VerdictReason::PassRule,
            Action::Drop => VerdictReason::DropRule,
        };
        Self { verdict, rule: Some(rule), reason }
    }

    /// The same about a frame that [is too large](is_too_large) for the port it would leave through. What is
    /// not dropped is for the worker, who can cut it or answer its sender.
    #[inline(always)]
    #[must_use]
    pub const fn about_too_large(self) -> Self {
        match self.verdict {
            Action::Pass => {
                Self { verdict: Action::Steer, reason: VerdictReason::TooLarge, rule: self.rule }
            }
            Action::Steer | Action::Drop => self,
        }
    }
}

/// Decides about a packet from what [`Headers::parse`] made of it.
///
/// What no rule can name passes before any rule is asked: ARP, ICMP and neighbour discovery, fragments
/// (only the first shows its ports, and whoever reassembles must see all of them), and packets whose
/// headers cannot be followed.
#[inline(always)]
pub fn classify<T: Tables + ?Sized>(parsed: &Result<Headers, Unparsed>, tables: &T) -> Decision {
    match parsed {
        Ok(headers) => classify_headers(headers, tables),
        Err(Unparsed::NotIp(_)) => Decision::pass(VerdictReason::NotIp),
        Err(_) => Decision::pass(VerdictReason::Malformed),
    }
}

#[inline(always)]
fn classify_headers<T: Tables + ?Sized>(headers: &Headers, tables: &T) -> Decision {
    if !matches!(headers.fragment, Fragment::Whole) {
        return Decision::pass(VerdictReason::Fragment);
    }
    let Some(ports) = &headers.ports else {
        return Decision::pass(VerdictReason::NotTcpUdp);
    };
    let matching = matching_rules(headers, ports, tables);
    if matching == 0 {
        return Decision::pass(VerdictReason::NoRule);
    }
    let first = matching.trailing_zeros() as u8;
    Decision::of_rule(first, tables.actions().of(first))
}

/// Cheapest look-ups first: where no rule is left the others are not asked.
#[inline(always)]
fn matching_rules<T: Tables + ?Sized>(headers: &Headers, ports: &Ports, tables: &T) -> Bitmap {
    let mut matching = tables.protocol(headers.protocol) & tables.vlan(headers.vlan.vlan_id());
    for field in Field::BOTH {
        if matching == 0 {
            return 0;
        }
        matching &= tables.port(field, field.port_of(ports));
    }
    for field in Field::BOTH {
        if matching == 0 {
            return 0;
        }
        matching &= tables.prefix(field, &headers.addresses);
    }
    matching
}
