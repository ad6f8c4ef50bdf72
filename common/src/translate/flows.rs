//! What receivers announced, remembered: fixed storage, aged, at a cost that the number of flows does not
//! change.

use alloc::boxed::Box;

use ahash::RandomState;

use crate::flow::FlowKey;

/// Flows that may stand in one place. With fewer, flows push each other out of a table that is far from full:
/// half full, one in a hundred with eight, one in twenty-five with four. With more, who looks one up reads more
/// memory.
const WAYS: usize = 8;

/// The MSS that the receiver of each flow announced.
///
/// Flows are told apart by a keyed hash and by their keys: a flow is not found at times, another's value
/// never. What has not been asked for in a while is forgotten; where there is no room for a flow, it takes that
/// of the flow not asked for the longest among the eight it shares a place with. All storage is made in
/// [`new`](Self::new). Times are in nanoseconds of any clock.
#[derive(Debug)]
pub struct MssTable {
    hasher: RandomState,
    buckets: Box<[Bucket]>,
    max_age: u64,
}

type Bucket = [Option<Entry>; WAYS];

#[derive(Clone, Copy, Debug)]
struct Entry {
    flow: FlowKey,
    mss: u16,
    /// When it was last put in or asked for.
    used: u64,
}

impl Entry {
    fn is_aged(&self, now: u64, max_age: u64) -> bool {
        now.saturating_sub(self.used) > max_age
    }
}

impl MssTable {
    /// A table for `flows` flows, rounded up to a multiple of eight, that forgets a flow which has not been
    /// asked for in `max_age`. `keys` are the secret of its hash.
    #[must_use]
    pub fn new(flows: usize, keys: [u64; 4], max_age: u64) -> Self {
        let [a, b, c, d] = keys;
        let buckets = flows.div_ceil(WAYS).max(1);
        Self {
            hasher: RandomState::with_seeds(a, b, c, d),
            buckets: (0..buckets).map(|_| [None; WAYS]).collect(),
            max_age,
        }
    }

    /// Remembers that the receiver of `flow` announced `mss`. `flow` is the direction towards it: of the SYN it
    /// sent, [the other way](FlowKey::reversed).
    pub fn insert(&mut self, flow: &FlowKey, mss: u16, now: u64) {
        let bucket = self.bucket(flow);
        let is_it = |entry: &Option<Entry>| entry.is_some_and(|entry| entry.flow == *flow);
        let at = bucket.iter().position(is_it).unwrap_or_else(|| least_recent(bucket));
        bucket[at] = Some(Entry { flow: *flow, mss, used: now });
    }

    /// What the receiver of `flow` announced, if that is remembered; then it is for another `max_age`.
    #[must_use]
    pub fn get(&mut self, flow: &FlowKey, now: u64) -> Option<u16> {
        let max_age = self.max_age;
        let mut entries = self.bucket(flow).iter_mut().flatten();
        let entry = entries.find(|entry| entry.flow == *flow)?;
        if entry.is_aged(now, max_age) {
            return None;
        }
        entry.used = entry.used.max(now);
        Some(entry.mss)
    }

    fn bucket(&mut self, flow: &FlowKey) -> &mut Bucket {
        let i = self.place(flow);
        &mut self.buckets[i]
    }

    /// The hash, scaled to the number of buckets.
    fn place(&self, flow: &FlowKey) -> usize {
        let hash = u128::from(self.hasher.hash_one(flow));
        ((hash * self.buckets.len() as u128) >> 64) as usize
    }
}

/// Where the next flow goes: nobody's place, else the one not used for the longest, which is an aged one if any
/// is.
fn least_recent(bucket: &Bucket) -> usize {
    let used = |(_, entry): &(usize, &Option<Entry>)| entry.map(|entry| entry.used);
    bucket.iter().enumerate().min_by_key(used).map_or(0, |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::collections::HashMap;

    use super::*;
    use crate::testing::Packet;
    use crate::wire::{Headers, Link};

    const KEYS: [u64; 4] = [1, 2, 3, 4];

    fn flow(port: u16) -> FlowKey {
        let packet = Packet { src_port: port, ..Packet::tcp4() }.build();
        FlowKey::of(&Headers::parse(&packet[..], Link::Ethernet).unwrap()).unwrap()
    }

    #[test]
    fn what_was_announced_last_is_found_in_its_direction_only() {
        let mut table = MssTable::new(64, KEYS, 100);
        table.insert(&flow(1), 1460, 0);
        table.insert(&flow(1), 1400, 0);
        assert_eq!(table.get(&flow(1), 0), Some(1400));
        assert_eq!(table.get(&flow(1).reversed(), 0), None);
        assert_eq!(table.get(&flow(2), 0), None);
    }

    #[test]
    fn what_is_not_asked_for_is_forgotten_and_what_is_stays() {
        let mut table = MssTable::new(64, KEYS, 100);
        table.insert(&flow(1), 1001, 0);
        table.insert(&flow(2), 1002, 0);
        assert_eq!(table.get(&flow(1), 100), Some(1001));
        assert_eq!(table.get(&flow(2), 101), None);
        assert_eq!(table.get(&flow(1), 200), Some(1001));
        assert_eq!(table.get(&flow(1), 301), None);
    }

    #[test]
    fn in_a_full_place_the_one_not_used_for_the_longest_goes() {
        let mut table = MssTable::new(1, KEYS, 1000);
        for port in 0..8 {
            table.insert(&flow(port), port, port.into());
        }
        assert_eq!(table.get(&flow(0), 10), Some(0), "there is room for eight");
        table.insert(&flow(8), 8, 11);
        assert_eq!(table.get(&flow(1), 12), None);
        for port in [0, 2, 3, 4, 5, 6, 7, 8] {
            assert_eq!(table.get(&flow(port), 12), Some(port));
        }
    }

    #[test]
    fn every_place_is_used() {
        let mut table = MssTable::new(100, KEYS, 1000);
        assert_eq!(table.buckets.len(), 13);
        for port in 0..1000 {
            table.insert(&flow(port), port, 0);
        }
        assert!(table.buckets.as_flattened().iter().all(Option::is_some));
    }

    #[test]
    fn time_that_stands_still_runs_back_or_ends_is_no_matter() {
        let mut table = MssTable::new(8, KEYS, 10);
        table.insert(&flow(1), 1, u64::MAX);
        assert_eq!(table.get(&flow(1), 0), Some(1));
        assert_eq!(table.get(&flow(1), u64::MAX), Some(1));
        for port in 0..20 {
            table.insert(&flow(port), port, 5);
            assert_eq!(table.get(&flow(port), 5), Some(port), "the newest is there");
        }
    }

    #[derive(Clone, Debug)]
    struct Step {
        port: u16,
        mss: Option<u16>,
        later: u64,
    }

    fn step() -> impl Strategy<Value = Step> {
        let mss = prop::option::weighted(0.5, any::<u16>());
        (0_u16..60, mss, 0_u64..40).prop_map(|(port, mss, later)| Step { port, mss, later })
    }

    proptest! {
        /// A map that forgets nothing is the oracle: what is found is its value, and what is not found is
        /// aged, or gave way to eight others in its place that were used no earlier.
        #[test]
        fn what_is_found_is_true_and_what_is_not_has_a_reason(
            steps in prop::collection::vec(step(), 0..400),
            flows in 1_usize..100,
            max_age in 0_u64..2000,
        ) {
            let mut table = MssTable::new(flows, KEYS, max_age);
            let mut oracle = HashMap::<u16, (u16, u64)>::new();
            let mut now = 0;
            for Step { port, mss, later } in steps {
                now += later;
                let key = flow(port);
                if let Some(mss) = mss {
                    table.insert(&key, mss, now);
                    oracle.insert(port, (mss, now));
                    continue;
                }
                match (table.get(&key, now), oracle.get(&port).copied()) {
                    (found, None) => prop_assert_eq!(found, None),
                    (Some(found), Some((mss, used))) => {
                        prop_assert_eq!(found, mss);
                        prop_assert!(now - used <= max_age);
                        oracle.insert(port, (mss, now));
                    }
                    (None, Some((_, used))) => {
                        let place = table.place(&key);
                        let shares = |other: &u16| table.place(&flow(*other)) == place;
                        let rivals = oracle
                            .iter()
                            .filter(|(other, (_, at))| **other != port && *at >= used && shares(other));
                        prop_assert!(now - used > max_age || rivals.count() >= WAYS);
                    }
                }
            }
        }
    }
}
