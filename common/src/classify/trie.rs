//! The longest prefix of an address, found in as many steps as it has bytes at the most, however many prefixes there
//! are.

use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;

use super::{Bitmap, Field, PrefixEntry};
use crate::wire::Addresses;

/// Bits of an address that a step goes by. With fewer, look-ups take more steps; with more, a node takes more memory
/// than any cache has.
const STRIDE: u8 = 8;
const SLOTS: usize = 1 << STRIDE;

/// Tries by end of the packet and family, in one place: the first four nodes are their roots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tries {
    nodes: Vec<Node>,
}

/// What comes of each value of a byte.
type Node = [Slot; SLOTS];

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Slot {
    /// The rules that accept what no longer prefix is found for.
    rules: Bitmap,
    /// The node that knows longer ones; 0, which is a root, if there is none.
    next: u32,
}

const ROOTS: usize = 4;

const fn root(field: Field, is_ipv6: bool) -> usize {
    2 * field as usize + is_ipv6 as usize
}

impl Tries {
    /// Of prefixes that are there once each, both roots of both ends among them.
    pub(super) fn new(entries: &[PrefixEntry]) -> Self {
        let mut tries = Self { nodes: vec![[Slot::default(); SLOTS]; ROOTS] };
        let mut entries: Vec<_> = entries.iter().collect();
        // The longer ones overwrite what the shorter ones have said.
        entries.sort_by_key(|entry| entry.prefix.prefix_len());
        entries.into_iter().for_each(|entry| tries.insert(entry));
        tries
    }

    /// The rules of the longest prefix of the address at this end.
    #[inline]
    pub(super) fn find(&self, field: Field, addresses: &Addresses) -> Bitmap {
        match (field, addresses) {
            (Field::Source, Addresses::V4 { src: octets, .. })
            | (Field::Destination, Addresses::V4 { dst: octets, .. }) => {
                self.walk(root(field, false), octets)
            }
            (Field::Source, Addresses::V6 { src: octets, .. })
            | (Field::Destination, Addresses::V6 { dst: octets, .. }) => {
                self.walk(root(field, true), octets)
            }
        }
    }

    #[inline]
    fn walk(&self, root: usize, octets: &[u8]) -> Bitmap {
        let (mut node, mut rules) = (root, 0);
        for &octet in octets {
            let slot = self.nodes[node][usize::from(octet)];
            rules = slot.rules;
            if slot.next == 0 {
                break;
            }
            node = slot.next as usize;
        }
        rules
    }

    fn insert(&mut self, entry: &PrefixEntry) {
        let (address, len) = (entry.prefix.address(), entry.prefix.prefix_len());
        match address {
            IpAddr::V4(v4) => self.put(root(entry.field, false), &v4.octets(), len, entry.rules),
            IpAddr::V6(v6) => self.put(root(entry.field, true), &v6.octets(), len, entry.rules),
        }
    }

    fn put(&mut self, root: usize, octets: &[u8], len: u8, rules: Bitmap) {
        // Whole bytes lead to the node; the last one to eight bits say which of its slots.
        let above = usize::from(len.saturating_sub(1) / STRIDE);
        let node = octets[..above].iter().fold(root, |node, &octet| self.below(node, octet));
        let rest = len - above as u8 * STRIDE;
        let first = usize::from(octets[above]);
        for slot in &mut self.nodes[node][first..first + (SLOTS >> rest)] {
            slot.rules = rules;
        }
    }

    /// The node that `octet` leads to, made where it is missing: it knows what its parent knows.
    fn below(&mut self, node: usize, octet: u8) -> usize {
        let new = self.nodes.len();
        let slot = &mut self.nodes[node][usize::from(octet)];
        if slot.next == 0 {
            slot.next = new as u32;
            let known = Slot { rules: slot.rules, next: 0 };
            self.nodes.push([known; SLOTS]);
            return new;
        }
        slot.next as usize
    }
}

#[cfg(test)]
mod tests {
    use core::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;
    use crate::classify::Prefix;

    fn oracle(entries: &[PrefixEntry], field: Field, address: IpAddr) -> Bitmap {
        let fits = |one: &&PrefixEntry| one.field == field && one.prefix.contains(address);
        let longest = entries.iter().filter(fits).max_by_key(|entry| entry.prefix.prefix_len());
        longest.map_or(0, |entry| entry.rules)
    }

    /// Few values of a byte, so that prefixes lie in one another.
    fn octet() -> impl Strategy<Value = u8> {
        prop_oneof![Just(0), Just(10), Just(11), Just(128), Just(255), any::<u8>()]
    }

    fn v4() -> impl Strategy<Value = [u8; 4]> {
        prop::array::uniform4(octet())
    }

    fn v6() -> impl Strategy<Value = [u8; 16]> {
        prop::array::uniform16(prop_oneof![4 => Just(0), 1 => octet()])
    }

    fn prefix() -> impl Strategy<Value = Prefix> {
        prop_oneof![
            (v4(), 0_u8..=32).prop_map(|(address, len)| Prefix::new(address.into(), len).unwrap()),
            (v6(), 0_u8..=128).prop_map(|(address, len)| Prefix::new(address.into(), len).unwrap()),
        ]
    }

    fn entries() -> impl Strategy<Value = Vec<PrefixEntry>> {
        let field = prop_oneof![Just(Field::Source), Just(Field::Destination)];
        prop::collection::hash_map((field, prefix()), any::<Bitmap>(), 0..130).prop_map(|all| {
            let entry = |((field, prefix), rules)| PrefixEntry { field, prefix, rules };
            all.into_iter().map(entry).collect()
        })
    }

    proptest! {
        /// Asked for addresses that begin as some prefix does, and for others.
        #[test]
        fn the_longest_prefix_is_found(
            entries in entries(),
            others in prop::collection::vec((v4(), v6()), 16),
            end in any::<u128>(),
        ) {
            let tries = Tries::new(&entries);
            let near = entries.iter().map(|entry| match entry.prefix.address() {
                IpAddr::V4(v4) => {
                    let rest = u32::MAX.checked_shr(entry.prefix.prefix_len().into()).unwrap_or(0);
                    Ipv4Addr::from_bits(v4.to_bits() | end as u32 & rest).into()
                }
                IpAddr::V6(v6) => {
                    let rest = u128::MAX.checked_shr(entry.prefix.prefix_len().into()).unwrap_or(0);
                    IpAddr::from(Ipv6Addr::from_bits(v6.to_bits() | end & rest))
                }
            });
            let far = others.iter().flat_map(|(v4, v6)| [IpAddr::from(*v4), IpAddr::from(*v6)]);
            for address in near.chain(far) {
                let addresses = match address {
                    IpAddr::V4(v4) => Addresses::V4 { src: v4.octets(), dst: v4.octets() },
                    IpAddr::V6(v6) => Addresses::V6 { src: v6.octets(), dst: v6.octets() },
                };
                for field in Field::BOTH {
                    let wanted = oracle(&entries, field, address);
                    prop_assert_eq!(tries.find(field, &addresses), wanted, "{} {:?}", address, field);
                }
            }
        }
    }

    #[test]
    fn the_ends_of_a_packet_are_told_apart() {
        let prefix = Prefix::new(IpAddr::from([10, 0, 0, 0]), 8).unwrap();
        let entry = |field, rules| PrefixEntry { field, prefix, rules };
        let tries = Tries::new(&[entry(Field::Source, 1), entry(Field::Destination, 2)]);
        let addresses = Addresses::V4 { src: [10, 1, 1, 1], dst: [11, 1, 1, 1] };
        assert_eq!(Field::BOTH.map(|field| tries.find(field, &addresses)), [1, 0]);
    }
}
