//! Other MAC addresses and VLANs on each side.

use alloc::vec::Vec;
use core::fmt;

use super::{Edit, Seen, Stage, To, Verdict};
use crate::Side;
use crate::classify::Field;
use crate::wire::ethernet::Mac;

/// What is rewritten in the packets that leave through a port. What is `None` stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leaving {
    /// The MAC address they come from.
    pub src_mac: Option<Mac>,
    /// The MAC address they go to.
    pub dst_mac: Option<Mac>,
    /// The VLANs they are in.
    pub vlans: VlanMap,
}

impl Leaving {
    fn edit(&self, vlan: u16) -> Edit {
        let mut edit = Edit::default();
        if let Some(mac) = self.src_mac {
            edit = edit.with_mac(Field::Source, mac);
        }
        if let Some(mac) = self.dst_mac {
            edit = edit.with_mac(Field::Destination, mac);
        }
        match self.vlans.get(vlan) {
            Some(vlan) => edit.with_vlan(vlan),
            None => edit,
        }
    }
}

/// Everything goes to the other port, with MAC addresses and VLAN IDs rewritten on the way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rewrite {
    leaving: [Leaving; 2],
}

impl Rewrite {
    /// Rewrites packets that leave through a port as `leaving` has it at that port's
    /// [index](Side::index).
    #[must_use]
    pub const fn new(leaving: [Leaving; 2]) -> Self {
        Self { leaving }
    }

    /// What is rewritten in the packets that leave through the port of `side`.
    #[must_use]
    pub const fn leaving(&self, side: Side) -> &Leaving {
        &self.leaving[side.index()]
    }
}

impl Stage for Rewrite {
    #[inline]
    fn judge(&mut self, seen: &Seen<'_>) -> Verdict {
        let edit = self.leaving(seen.side.other()).edit(seen.headers.vlan.vlan_id());
        Verdict { to: To::Other, edit }
    }
}

/// Which VLAN ID becomes which. Others, and untagged packets, stay as they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VlanMap {
    /// Old and new, in the order of the old.
    pairs: Vec<(u16, u16)>,
}

impl VlanMap {
    /// The VLAN IDs there are: 0 says that there is none, 4095 is reserved (IEEE 802.1Q table 9-2).
    pub const IDS: core::ops::RangeInclusive<u16> = 1..=4094;

    /// A map from the first to the second of each pair.
    ///
    /// # Errors
    /// [`InvalidVlans`] for an ID that there is not, and for one that would become two.
    pub fn new(pairs: impl IntoIterator<Item = (u16, u16)>) -> Result<Self, InvalidVlans> {
        let mut pairs: Vec<_> = pairs.into_iter().collect();
        let ids = pairs.iter().flat_map(|(old, new)| [*old, *new]);
        if let Some(vlan) = ids.into_iter().find(|vlan| !Self::IDS.contains(vlan)) {
            return Err(InvalidVlans::Id { vlan });
        }
        pairs.sort_unstable();
        match pairs.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(pair) => Err(InvalidVlans::Twice { vlan: pair[0].0 }),
            None => Ok(Self { pairs }),
        }
    }

    /// What `vlan` becomes.
    #[must_use]
    pub fn get(&self, vlan: u16) -> Option<u16> {
        let found = self.pairs.binary_search_by_key(&vlan, |(old, _)| *old).ok()?;
        Some(self.pairs[found].1)
    }

    /// Whether every VLAN ID stays.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }
}

/// What is wrong with a [`VlanMap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidVlans {
    /// A VLAN ID that there is not.
    Id {
        /// Which.
        vlan: u16,
    },
    /// One VLAN ID that would become two.
    Twice {
        /// Which.
        vlan: u16,
    },
}

impl fmt::Display for InvalidVlans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = VlanMap::IDS.into_inner();
        match self {
            Self::Id { vlan } => {
                write!(f, "VLAN {vlan} does not exist; take one from {first} to {last}")
            }
            Self::Twice { vlan } => write!(f, "VLAN {vlan} becomes two others; name it once"),
        }
    }
}

impl core::error::Error for InvalidVlans {}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn a_vlan_becomes_the_one_it_is_mapped_to_and_others_stay() {
        let map = VlanMap::new([(30, 1), (10, 20), (20, 10)]).unwrap();
        assert_eq!([10, 20, 30].map(|vlan| map.get(vlan)), [Some(20), Some(10), Some(1)]);
        assert_eq!([0, 1, 4095].map(|vlan| map.get(vlan)), [None; 3]);
        assert!(VlanMap::default().is_empty() && !map.is_empty());
    }

    #[test]
    fn a_map_that_cannot_be_is_refused_with_the_reason() {
        for (pairs, says) in [
            ([(0, 1), (2, 3)], "VLAN 0 does not exist; take one from 1 to 4094"),
            ([(1, 4095), (2, 3)], "VLAN 4095 does not exist"),
            ([(2, 1), (2, 3)], "VLAN 2 becomes two others; name it once"),
        ] {
            let error = VlanMap::new(pairs).unwrap_err().to_string();
            assert!(error.starts_with(says), "{error}");
        }
    }
}
