//! What an address becomes.

use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ahash::RandomState;

use super::rule::End;
use crate::classify::Prefix;

/// What an address becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NatTarget {
    /// The same host in this prefix, which is as long as the one that it was in.
    Prefix(Prefix),
    /// One of these, up to [`NatTarget::MOST`], chosen by the other end's address and port: a client keeps
    /// the one it has, also when others come and go. Only a single address becomes one of several.
    OneOf(Vec<IpAddr>),
}

impl NatTarget {
    /// Most addresses to choose from. Each is weighed for each train, and as many more would take longer
    /// than the rest of the stage.
    pub const MOST: usize = 16;

    /// Whether `address` is one of those that there are.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match self {
            Self::Prefix(prefix) => prefix.contains(address),
            Self::OneOf(addresses) => addresses.contains(&address),
        }
    }

    /// All that an address may become.
    pub(super) fn prefixes(&self) -> Vec<Prefix> {
        match self {
            Self::Prefix(prefix) => vec![*prefix],
            Self::OneOf(addresses) => addresses.iter().copied().map(Prefix::from).collect(),
        }
    }

    /// Whether an address is in both.
    pub(super) fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Prefix(a), Self::Prefix(b)) => a.meets(b),
            (Self::OneOf(addresses), target) | (target, Self::OneOf(addresses)) => {
                addresses.iter().any(|address| target.contains(*address))
            }
        }
    }

    /// What `address` becomes in a packet with this `peer`; `None` where there is a choice and the peer's port
    /// cannot be seen.
    ///
    /// The choice is the address with the highest hash together with the peer (rendezvous hashing, Thaler and
    /// Ravishankar 1998): one that goes or comes moves no client but its own.
    pub(super) fn of(&self, address: IpAddr, peer: End, hash_keys: [u64; 4]) -> Option<IpAddr> {
        match self {
            Self::Prefix(prefix) => Some(same_host(prefix, address)),
            Self::OneOf(addresses) if addresses.len() > 1 => {
                let client = (peer.address, peer.port?);
                let [a, b, c, d] = hash_keys;
                let hash = RandomState::with_seeds(a, b, c, d);
                addresses.iter().copied().max_by_key(|address| hash.hash_one((client, address)))
            }
            Self::OneOf(addresses) => addresses.first().copied(),
        }
    }
}

/// The address in `prefix` whose host part is that of `address`, which is of the same family.
pub(super) fn same_host(prefix: &Prefix, address: IpAddr) -> IpAddr {
    let len = u32::from(prefix.prefix_len());
    match (prefix.address(), address) {
        (IpAddr::V4(net), IpAddr::V4(host)) => {
            let host = host.to_bits() & u32::MAX.checked_shr(len).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(net.to_bits() | host))
        }
        (IpAddr::V6(net), IpAddr::V6(host)) => {
            let host = host.to_bits() & u128::MAX.checked_shr(len).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(net.to_bits() | host))
        }
        (_, address) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(address: &str, len: u8) -> Prefix {
        Prefix::new(address.parse().unwrap(), len).unwrap()
    }

    #[test]
    fn the_host_part_is_kept_whatever_its_length() {
        for (net, len, host, same) in [
            ("10.0.0.0", 24, "203.0.113.7", "10.0.0.7"),
            ("10.0.0.4", 30, "203.0.113.7", "10.0.0.7"),
            ("10.0.0.4", 32, "203.0.113.7", "10.0.0.4"),
            ("0.0.0.0", 0, "203.0.113.7", "203.0.113.7"),
            ("fd00::", 64, "2001:db8:1:2:3:4:5:6", "fd00::3:4:5:6"),
            ("fd00::1", 128, "2001:db8::6", "fd00::1"),
            ("::", 0, "2001:db8::6", "2001:db8::6"),
        ] {
            let found = same_host(&prefix(net, len), host.parse().unwrap());
            assert_eq!(found, same.parse::<IpAddr>().unwrap(), "{host} in {net}/{len}");
        }
    }

    /// How many of 1000 clients have each of the addresses that end with `last`.
    fn shares(last: &[u8]) -> Vec<(u16, IpAddr)> {
        let list = last.iter().map(|last| IpAddr::from([10, 0, 0, *last])).collect();
        let target = NatTarget::OneOf(list);
        let client = |port| End { address: [192, 0, 2, 1].into(), port: Some(port) };
        let choice = |port| target.of([203, 0, 113, 1].into(), client(port), [1, 2, 3, 4]);
        (0..1000).map(|port| (port, choice(port).unwrap())).collect()
    }

    #[test]
    fn clients_are_spread_over_all_addresses_about_equally() {
        let shares = shares(&[1, 2, 3, 4]);
        for last in 1..=4 {
            let address = IpAddr::from([10, 0, 0, last]);
            let count = shares.iter().filter(|(_, chosen)| *chosen == address).count();
            assert!((150..350).contains(&count), "{address} has {count} of 1000");
        }
    }

    #[test]
    fn an_address_that_goes_moves_its_own_clients_only() {
        let (before, after) = (shares(&[1, 2, 3, 4]), shares(&[4, 1, 3]));
        let gone = IpAddr::from([10, 0, 0, 2]);
        for (before, after) in before.into_iter().zip(after) {
            assert!(before == after || before.1 == gone, "{before:?} became {after:?}");
        }
    }

    #[test]
    fn without_a_port_there_is_no_choice_but_the_only_one() {
        let peer = End { address: [192, 0, 2, 1].into(), port: None };
        let of = |list| NatTarget::OneOf(list).of([203, 0, 113, 1].into(), peer, [0; 4]);
        let [one, two] = [1, 2].map(|last| IpAddr::from([10, 0, 0, last]));
        assert_eq!((of(vec![one, two]), of(vec![one])), (None, Some(one)));
    }

    #[test]
    fn targets_meet_where_an_address_is_in_both() {
        let list = |last: &[u8]| {
            NatTarget::OneOf(last.iter().map(|last| IpAddr::from([10, 0, 0, *last])).collect())
        };
        let net = |address, len| NatTarget::Prefix(prefix(address, len));
        for (a, b, meet) in [
            (list(&[1, 2]), list(&[2, 3]), true),
            (list(&[1, 2]), list(&[3]), false),
            (list(&[1]), net("10.0.0.0", 24), true),
            (list(&[1]), net("10.0.1.0", 24), false),
            (net("10.0.0.0", 8), net("10.0.1.0", 24), true),
            (net("10.0.0.0", 24), net("10.0.1.0", 24), false),
            (net("::", 0), net("0.0.0.0", 0), false),
        ] {
            assert_eq!((a.meets(&b), b.meets(&a)), (meet, meet), "{a:?} and {b:?}");
        }
    }
}
