//! A rule as it is written, before it is compiled.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Action, Field, MAX_RULES};
use crate::wire::Protocol;

/// An address prefix. Bits beyond its length are zero by construction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Prefix {
    address: IpAddr,
    len: u8,
}

impl Prefix {
    /// The first `len` bits of `address`; `None` if it has not that many.
    #[must_use]
    pub fn new(address: IpAddr, len: u8) -> Option<Self> {
        let address = match address {
            IpAddr::V4(v4) if len <= 32 => {
                let mask = u32::MAX.checked_shl(32 - u32::from(len)).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask))
            }
            IpAddr::V6(v6) if len <= 128 => {
                let mask = u128::MAX.checked_shl(128 - u32::from(len)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
            }
            _ => return None,
        };
        Some(Self { address, len })
    }

    /// Its lowest address.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// Its length in bits: at most 32 for IPv4, 128 for IPv6.
    #[must_use]
    pub const fn prefix_len(&self) -> u8 {
        self.len
    }

    /// Whether `address` begins with this prefix. An IPv4 address never begins with an IPv6 prefix,
    /// mapped or not.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        Self::new(address, self.len).is_some_and(|other| other.address == self.address)
    }

    /// Whether every address of `other` lies in this prefix.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        self.len <= other.len && self.contains(other.address)
    }

    /// Whether an address lies in both.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        self.covers(other) || other.covers(self)
    }
}

impl From<IpAddr> for Prefix {
    /// The address alone.
    fn from(address: IpAddr) -> Self {
        Self { address, len: if address.is_ipv4() { 32 } else { 128 } }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.len)
    }
}

/// A range of ports, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PortRange {
    first: u16,
    last: u16,
}

impl PortRange {
    /// From `first` to `last`; `None` if that is backwards.
    #[must_use]
    pub const fn new(first: u16, last: u16) -> Option<Self> {
        if first <= last { Some(Self { first, last }) } else { None }
    }

    /// Lowest port.
    #[must_use]
    pub const fn first(&self) -> u16 {
        self.first
    }

    /// Highest port.
    #[must_use]
    pub const fn last(&self) -> u16 {
        self.last
    }

    /// Whether `port` lies in the range.
    #[must_use]
    pub const fn contains(&self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }

    /// Whether a port lies in both.
    #[must_use]
    pub const fn meets(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// A steering rule. What is `None` accepts everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Source prefix.
    pub src: Option<Prefix>,
    /// Destination prefix.
    pub dst: Option<Prefix>,
    /// [`Protocol::TCP`] or [`Protocol::UDP`]; `None` is both.
    pub protocol: Option<Protocol>,
    /// Source ports.
    pub src_port: Option<PortRange>,
    /// Destination ports.
    pub dst_port: Option<PortRange>,
    /// VLAN ID of the outermost tag, below 4096; `Some(0)` is untagged.
    pub vlan: Option<u16>,
    /// What happens to a packet that matches.
    pub action: Action,
}

impl Rule {
    /// A rule that accepts every TCP and UDP packet.
    #[must_use]
    pub const fn any(action: Action) -> Self {
        Self {
            src: None,
            dst: None,
            protocol: None,
            src_port: None,
            dst_port: None,
            vlan: None,
            action,
        }
    }

    /// The prefix it names for this end of a packet.
    #[must_use]
    pub const fn prefix(&self, field: Field) -> Option<&Prefix> {
        match field {
            Field::Source => self.src.as_ref(),
            Field::Destination => self.dst.as_ref(),
        }
    }

    /// The ports it names for this end of a packet.
    #[must_use]
    pub const fn ports(&self, field: Field) -> Option<&PortRange> {
        match field {
            Field::Source => self.src_port.as_ref(),
            Field::Destination => self.dst_port.as_ref(),
        }
    }

    /// Whether there are packets that both rules accept, whatever becomes of them.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        let fields = [Field::Source, Field::Destination];
        both(self.protocol, other.protocol, |one, another| one == another)
            && both(self.vlan, other.vlan, |one, another| one == another)
            && fields.iter().all(|&field| {
                both(self.prefix(field), other.prefix(field), Prefix::meets)
                    && both(self.ports(field), other.ports(field), PortRange::meets)
            })
    }

    /// What makes the rule one no packet can be compared with.
    ///
    /// # Errors
    /// [`Invalid`], with `index` as the number of the rule.
    pub fn validate(&self, index: usize) -> Result<(), Invalid> {
        if let Some(vlan) = self.vlan.filter(|vlan| *vlan > VLAN_IDS - 1) {
            return Err(Invalid::Vlan { rule: index, vlan });
        }
        if let Some(protocol) =
            self.protocol.filter(|p| !matches!(*p, Protocol::TCP | Protocol::UDP))
        {
            return Err(Invalid::Protocol { rule: index, protocol });
        }
        match (self.src, self.dst) {
            (Some(src), Some(dst)) if src.address.is_ipv4() != dst.address.is_ipv4() => {
                Err(Invalid::MixedFamilies { rule: index, src, dst })
            }
            _ => Ok(()),
        }
    }
}

/// Whether something accepts both conditions, of which each may be left out.
fn both<T: Copy>(one: Option<T>, another: Option<T>, meet: impl FnOnce(T, T) -> bool) -> bool {
    one.zip(another).is_none_or(|(one, another)| meet(one, another))
}

/// How many VLAN IDs there are: they have twelve bits.
pub(super) const VLAN_IDS: u16 = 4096;

/// What is wrong with a set of rules. Rules are counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Invalid {
    /// More than [`MAX_RULES`].
    TooMany {
        /// How many.
        count: usize,
    },
    /// A VLAN ID above 4095.
    Vlan {
        /// Which rule.
        rule: usize,
        /// What it names.
        vlan: u16,
    },
    /// A protocol that has no ports.
    Protocol {
        /// Which rule.
        rule: usize,
        /// What it names.
        protocol: Protocol,
    },
    /// A source and a destination that no packet can have together.
    MixedFamilies {
        /// Which rule.
        rule: usize,
        /// Its source.
        src: Prefix,
        /// Its destination.
        dst: Prefix,
    },
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany { count } => {
                write!(f, "{count} rules: there may be at most {MAX_RULES}; merge adjacent ranges")
            }
            Self::Vlan { rule, vlan } => {
                write!(
                    f,
                    "rule {rule}: VLAN {vlan} does not exist, the highest is {}",
                    VLAN_IDS - 1
                )
            }
            Self::Protocol { rule, protocol } => {
                write!(f, "rule {rule}: IP protocol {} has no ports; use TCP or UDP", protocol.0)
            }
            Self::MixedFamilies { rule, src, dst } => {
                write!(f, "rule {rule}: no packet goes from {src} to {dst}; use one IP version")
            }
        }
    }
}

impl core::error::Error for Invalid {}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    fn prefix(address: &str, len: u8) -> Prefix {
        Prefix::new(address.parse().unwrap(), len).unwrap()
    }

    #[test]
    fn a_prefix_forgets_the_bits_beyond_its_length() {
        assert_eq!(prefix("10.1.2.3", 8).to_string(), "10.0.0.0/8");
        assert_eq!(prefix("10.1.2.3", 0).to_string(), "0.0.0.0/0");
        assert_eq!(prefix("10.1.2.3", 32).to_string(), "10.1.2.3/32");
        assert_eq!(prefix("2001:db8::ff", 127).to_string(), "2001:db8::fe/127");
        assert_eq!(prefix("2001:db8::ff", 0).to_string(), "::/0");
        assert_eq!(Prefix::new("10.0.0.0".parse().unwrap(), 33), None);
        assert_eq!(Prefix::new("::".parse().unwrap(), 129), None);
    }

    #[test]
    fn a_prefix_holds_addresses_of_its_own_family_only() {
        assert!(prefix("10.0.0.0", 8).contains("10.255.0.1".parse().unwrap()));
        assert!(!prefix("10.0.0.0", 8).contains("11.0.0.0".parse().unwrap()));
        assert!(!prefix("::", 0).contains("10.0.0.1".parse().unwrap()));
        assert!(!prefix("0.0.0.0", 0).contains("::".parse().unwrap()));
    }

    #[test]
    fn a_prefix_covers_itself_and_longer_ones() {
        assert!(prefix("10.0.0.0", 8).covers(&prefix("10.0.0.0", 8)));
        assert!(prefix("10.0.0.0", 8).covers(&prefix("10.1.0.0", 16)));
        assert!(!prefix("10.1.0.0", 16).covers(&prefix("10.0.0.0", 8)));
    }

    #[test]
    fn rules_meet_where_a_packet_is_accepted_by_both() {
        let any = Rule::any(Action::Steer);
        let ports = |first, last| PortRange::new(first, last);
        let net = Rule { src: Some(prefix("10.0.0.0", 8)), ..any };
        let host = Rule { src: Some(IpAddr::from([10, 1, 2, 3]).into()), ..any };
        let web = Rule { protocol: Some(Protocol::TCP), dst_port: ports(80, 443), ..any };
        for (one, another, meet) in [
            (any, net, true),
            (net, host, true),
            (net, Rule { src: Some(prefix("11.0.0.0", 8)), ..any }, false),
            (net, Rule { src: Some(prefix("::", 0)), ..any }, false),
            (net, Rule { dst: Some(prefix("11.0.0.0", 8)), ..any }, true),
            (web, Rule { dst_port: ports(443, 500), ..any }, true),
            (web, Rule { dst_port: ports(444, 500), ..any }, false),
            (web, Rule { src_port: ports(444, 500), ..any }, true),
            (web, Rule { protocol: Some(Protocol::UDP), ..any }, false),
            (Rule { vlan: Some(0), ..any }, Rule { vlan: Some(7), ..any }, false),
            (Rule { vlan: Some(7), ..any }, any, true),
        ] {
            assert_eq!(
                (one.meets(&another), another.meets(&one)),
                (meet, meet),
                "{one:?} {another:?}"
            );
        }
    }

    #[test]
    fn a_range_of_ports_runs_forwards() {
        assert_eq!(PortRange::new(2, 1), None);
        let one = PortRange::new(7, 7).unwrap();
        assert!(one.contains(7) && !one.contains(6) && !one.contains(8));
    }

    #[test]
    fn a_rule_no_packet_can_match_is_refused_with_the_reason() {
        let any = Rule::any(Action::Steer);
        let vlan = Rule { vlan: Some(4096), ..any };
        let icmp = Rule { protocol: Some(Protocol::ICMP), ..any };
        let src = Some(prefix("10.0.0.0", 8));
        let mixed = Rule { src, dst: Some(prefix("2001:db8::", 32)), ..any };
        for (rule, says) in [(vlan, "VLAN 4096"), (icmp, "IP protocol 1"), (mixed, "10.0.0.0/8")] {
            let error = rule.validate(3).unwrap_err().to_string();
            assert!(error.starts_with("rule 3: ") && error.contains(says), "{error}");
        }
        assert_eq!(any.validate(0), Ok(()));
    }
}
