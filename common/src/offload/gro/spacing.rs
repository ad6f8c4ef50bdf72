//! How far apart a flow's packets have come lately (G25).
//!
//! A table of fixed size, indexed by the flow's hash. It outlives the trains: it is what a new train's
//! hold is judged by. Two flows in one place push each other out, which costs a hold, never more.

use alloc::boxed::Box;
use alloc::vec;

/// No gap has been seen yet.
const UNKNOWN: u32 = u32::MAX;
/// A gap counts for a quarter: the mean follows a change within some four bursts, and one packet that
/// is late does not end the holding.
const WEIGHT: u32 = 4;

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// The upper half of the flow's hash.
    tag: u32,
    /// Mean gap in nanoseconds.
    mean: u32,
    /// When the flow's last packet came.
    last: u64,
}

/// The mean gap of each flow seen lately.
#[derive(Debug)]
pub(super) struct Spacing {
    entries: Box<[Entry]>,
    /// A gap counts as no longer than this, so that a flow that was idle is soon known to be busy.
    longest: u32,
}

impl Spacing {
    /// For about `flows` flows, of which gaps up to `ceiling` nanoseconds matter.
    pub(super) fn new(flows: usize, ceiling: u64) -> Self {
        // Four places a flow: fewer than one in four meets another.
        let places = (4 * flows).next_power_of_two();
        let longest = ceiling.saturating_mul(4).min(u64::from(UNKNOWN - 1)) as u32;
        Self { entries: vec![Entry { tag: 0, mean: UNKNOWN, last: 0 }; places].into(), longest }
    }

    /// Notes a packet of the flow with this hash. The mean gap in nanoseconds, if one is known. Packets
    /// of one burst come at the same `now`: the gaps are those between bursts.
    pub(super) fn observe(&mut self, hash: u64, now: u64) -> Option<u64> {
        let place = hash as usize & (self.entries.len() - 1);
        let entry = &mut self.entries[place];
        let tag = (hash >> 32) as u32;
        if entry.tag != tag || entry.last == 0 {
            *entry = Entry { tag, mean: UNKNOWN, last: now };
            return None;
        }
        let gap = now.saturating_sub(entry.last).min(self.longest.into()) as u32;
        if gap > 0 {
            entry.mean = match entry.mean {
                UNKNOWN => gap,
                mean => mean - mean / WEIGHT + gap / WEIGHT,
            };
            entry.last = now;
        }
        (entry.mean != UNKNOWN).then_some(entry.mean.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g25_the_first_gap_is_the_mean_and_packets_of_one_burst_are_no_gap() {
        let mut spacing = Spacing::new(16, 1_000);
        assert_eq!(spacing.observe(7, 100), None);
        assert_eq!(spacing.observe(7, 100), None, "the same burst");
        assert_eq!(spacing.observe(7, 140), Some(40));
        assert_eq!(spacing.observe(7, 140), Some(40));
        assert_eq!(spacing.observe(7, 220), Some(50), "a quarter of the way from 40 to 80");
    }

    #[test]
    fn g25_an_idle_flow_is_soon_known_to_be_busy_again() {
        let mut spacing = Spacing::new(16, 1_000);
        spacing.observe(7, 1);
        spacing.observe(7, 1_000_000_000);
        let mut now = 1_000_000_000;
        let mut bursts = 0;
        while spacing.observe(7, now).is_none_or(|mean| mean > 1_000) {
            now += 100;
            bursts += 1;
        }
        assert!(bursts < 8, "took {bursts} bursts");
    }

    #[test]
    fn g25_another_flow_in_the_same_place_starts_anew() {
        let mut spacing = Spacing::new(1, 1_000);
        let (one, other) = (1 << 32, 2 << 32);
        spacing.observe(one, 10);
        assert_eq!(spacing.observe(one, 30), Some(20));
        assert_eq!(spacing.observe(other, 40), None);
        assert_eq!(spacing.observe(one, 50), None);
    }
}
