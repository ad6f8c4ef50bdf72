//! The bounded flow table (G24): a keyed hash to the slot of each flow's train, and their order by age.

use alloc::vec::Vec;
use core::hash::{BuildHasher, Hash, Hasher};

use ahash::RandomState;
use hashbrown::HashTable;

use super::list::{Links, List};
use crate::flow::FlowKey;

/// At most so many trains: a slot number has 32 bits, and a worker's frames are far fewer.
const MAX_FLOWS: usize = 1 << 16;

/// The trains held, one for each flow.
///
/// A train is made and taken apart where it is kept: moving its few hundred bytes in and out would take as long as all
/// else that a train of one costs.
#[derive(Debug)]
pub(super) struct Table<T> {
    hasher: RandomState,
    /// Slots by flow.
    index: HashTable<u32>,
    entries: Vec<Entry<T>>,
    free: Vec<u32>,
    /// Slots in the order their trains began.
    ages: List,
    links: Links,
}

/// The hash and what stands first in the train share a cache line: a packet that joins reads no more of its entry than
/// it has to.
#[derive(Debug)]
#[repr(C, align(64))]
struct Entry<T> {
    hash: u64,
    train: T,
    /// `None`: the slot is free.
    flow: Option<FlowKey>,
}

impl<T: Default> Table<T> {
    /// A table for `flows` trains, at least one.
    pub(super) fn new(flows: usize, keys: [u64; 4]) -> Self {
        let flows = flows.clamp(1, MAX_FLOWS);
        let [a, b, c, d] = keys;
        let entry = || Entry { hash: 0, train: T::default(), flow: None };
        Self {
            hasher: RandomState::with_seeds(a, b, c, d),
            // With half of it in use a hash table clears its graves in place and never grows.
            index: HashTable::with_capacity(2 * flows),
            entries: (0..flows).map(|_| entry()).collect(),
            free: (0..flows as u32).rev().collect(),
            ages: List::EMPTY,
            links: Links::new(flows),
        }
    }
}

impl<T> Table<T> {
    #[expect(clippy::manual_hash_one, reason = "it is a call, which takes the flow from memory")]
    #[inline(always)]
    pub(super) fn hash(&self, flow: &FlowKey) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        flow.hash(&mut hasher);
        hasher.finish()
    }

    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.free.is_empty()
    }

    /// The slot of the train held for `flow`.
    #[inline]
    pub(super) fn find(&self, hash: u64, flow: &FlowKey) -> Option<u32> {
        let is_it = |slot: &u32| self.entries[*slot as usize].flow.as_ref() == Some(flow);
        self.index.find(hash, is_it).copied()
    }

    /// A train whose flow has this hash, most likely the only one with it. `None`: no flow that has it has a train.
    #[inline]
    pub(super) fn find_hash(&mut self, hash: u64) -> Option<(u32, &mut T)> {
        let is_it = |slot: &u32| self.entries[*slot as usize].hash == hash;
        let slot = *self.index.find(hash, is_it)?;
        Some((slot, &mut self.entries[slot as usize].train))
    }

    /// The train that began first.
    #[inline]
    pub(super) fn oldest(&self) -> Option<u32> {
        self.ages.first()
    }

    #[inline]
    pub(super) fn train(&self, slot: u32) -> Option<&T> {
        let entry = self.entries.get(slot as usize)?;
        entry.flow.is_some().then_some(&entry.train)
    }

    #[inline]
    pub(super) fn train_mut(&mut self, slot: u32) -> Option<&mut T> {
        let entry = self.entries.get_mut(slot as usize)?;
        entry.flow.is_some().then_some(&mut entry.train)
    }

    /// A slot for a train of `flow`, which has none, and what was left there to be made into it; `None` if the table is
    /// full.
    #[inline]
    pub(super) fn insert(&mut self, hash: u64, flow: FlowKey) -> Option<(u32, &mut T)> {
        let slot = self.free.pop()?;
        let entries = &self.entries;
        self.index.insert_unique(hash, slot, |slot| entries[*slot as usize].hash);
        self.ages.push_back(&mut self.links, slot);
        let entry = &mut self.entries[slot as usize];
        (entry.flow, entry.hash) = (Some(flow), hash);
        Some((slot, &mut entry.train))
    }

    /// Frees the slot of a train, which is to be taken apart.
    #[inline]
    pub(super) fn remove(&mut self, slot: u32) -> Option<&mut T> {
        let entry = self.entries.get_mut(slot as usize)?;
        entry.flow.take()?;
        if let Ok(found) = self.index.find_entry(entry.hash, |other| *other == slot) {
            found.remove();
        }
        self.ages.remove(&mut self.links, slot);
        self.free.push(slot);
        Some(&mut entry.train)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Addresses, Ports, Protocol};

    #[test]
    fn g24_flows_of_one_hash_are_told_apart() {
        let addresses = Addresses::V4 { src: [10, 0, 0, 1], dst: [10, 0, 0, 2] };
        let [a, b] =
            [1, 2].map(|src| FlowKey::new(addresses, Ports { src, dst: 80 }, Protocol::TCP));
        let mut table = Table::<u8>::new(4, [0; 4]);
        let slots = [a, b].map(|flow| table.insert(7, flow).map(|(slot, _)| slot).unwrap());
        assert_eq!([table.find(7, &a), table.find(7, &b)], slots.map(Some));
        assert!(table.find_hash(7).is_some_and(|(slot, _)| slots.contains(&slot)));
        table.remove(slots[0]);
        assert_eq!([table.find(7, &a), table.find(7, &b)], [None, Some(slots[1])]);
        assert_eq!(table.find_hash(7).map(|(slot, _)| slot), Some(slots[1]));
        table.remove(slots[1]);
        assert!(table.find_hash(7).is_none());
    }
}
