//! How far apart a flow's packets have come lately, and whether the next one is likely to come soon (G25).
//!
//! A table of fixed size, indexed by the flow's hash. It outlives the trains: it is what a new train's
//! hold is judged by. Two flows in one place push each other out, which costs a hold, never more.
//!
//! Two things are kept apart. The mean of the *short* gaps, those below the ceiling, says when the next
//! packet comes if the flow goes on; how often gaps were short says whether it does. A pause between two
//! messages therefore makes nobody wait longer, and a flow that pauses after every few packets is not held.

use alloc::boxed::Box;
use alloc::vec;

/// A short gap counts for a quarter of the mean and of the odds: both follow a change within some four
/// packets, and one packet that is late does not end the holding.
const WEIGHT: u32 = 4;
/// Odds of certainty.
const CERTAIN: u16 = 256;
/// Odds of a flow that is new.
const UNPROVEN: u16 = CERTAIN / 4;
/// Odds from which a train is held: two in three. A new flow has them after three short gaps in a row. A
/// flow that pauses after every third packet never has them, so that messages of up to three packets are
/// not delayed, closed by PSH or not. Less, and short messages wait in vain; more, and every pause costs a
/// flow in full flight some packets.
const LIKELY: u16 = 170;

/// What is known of a flow; sixteen bytes, four to a cache line.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// The upper bits of the flow's hash.
    tag: u16,
    /// How likely the next gap is short, of [`CERTAIN`].
    odds: u16,
    /// Mean of the short gaps, in nanoseconds; 0: there has been none.
    mean: u32,
    /// When the flow's last packet came.
    last: u64,
}

/// The spacing of each flow seen lately.
#[derive(Debug)]
pub(super) struct Spacing {
    entries: Box<[Entry]>,
    /// The longest gap that is short, in nanoseconds: for longer no train is held.
    short: u64,
}

impl Spacing {
    /// For about `flows` flows, of which gaps up to `ceiling` nanoseconds matter.
    pub(super) fn new(flows: usize, ceiling: u64) -> Self {
        // Four places a flow: fewer than one in four meets another.
        let places = (4 * flows).next_power_of_two();
        let empty = Entry { tag: 0, odds: UNPROVEN, mean: 0, last: 0 };
        Self { entries: vec![empty; places].into(), short: ceiling.min(u32::MAX.into()) }
    }

    /// Notes a packet of the flow with this hash. In how many nanoseconds the next one is expected, if one
    /// is likely to come soon. Packets of one burst come at the same `now`: the gaps are those between
    /// bursts.
    #[inline]
    pub(super) fn observe(&mut self, hash: u64, now: u64) -> Option<u64> {
        let place = hash as usize & (self.entries.len() - 1);
        let entry = &mut self.entries[place];
        let tag = (hash >> 48) as u16;
        if entry.tag != tag || entry.last == 0 {
            *entry = Entry { tag, odds: UNPROVEN, mean: 0, last: now };
            return None;
        }
        let gap = now.saturating_sub(entry.last);
        if gap > 0 {
            entry.note(gap, self.short);
            entry.last = now;
        }
        (entry.odds >= LIKELY).then_some(entry.mean.into())
    }
}

impl Entry {
    fn note(&mut self, gap: u64, short: u64) {
        if gap > short {
            // A pause: the flow has to prove itself again.
            self.odds /= 2;
            return;
        }
        self.odds += (CERTAIN - self.odds) / WEIGHT as u16;
        let gap = gap as u32;
        self.mean = match self.mean {
            0 => gap,
            mean => mean - mean / WEIGHT + gap / WEIGHT,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is expected after packets with these gaps, the first of them at 1,000.
    fn after(spacing: &mut Spacing, gaps: impl IntoIterator<Item = u64>) -> Option<u64> {
        let mut now = 1_000;
        spacing.observe(7, now);
        let mut expected = None;
        for gap in gaps {
            now += gap;
            expected = spacing.observe(7, now);
        }
        expected
    }

    #[test]
    fn g25_three_short_gaps_in_a_row_make_the_next_one_likely() {
        assert_eq!(after(&mut Spacing::new(16, 1_000), [40, 40]), None);
        assert_eq!(after(&mut Spacing::new(16, 1_000), [40, 40, 40]), Some(40));
        let moving = after(&mut Spacing::new(16, 1_000), [40, 40, 40, 80]);
        assert_eq!(moving, Some(50), "a quarter of the way from 40 to 80");
    }

    #[test]
    fn g25_packets_of_one_burst_are_no_gap() {
        let mut spacing = Spacing::new(16, 1_000);
        assert_eq!(after(&mut spacing, [40, 40, 40]), Some(40));
        assert_eq!(spacing.observe(7, 1_120), Some(40));
        assert_eq!(after(&mut Spacing::new(16, 1_000), [40, 40, 0, 0, 0]), None);
    }

    #[test]
    fn g25_a_pause_makes_nobody_wait_longer() {
        let mut spacing = Spacing::new(16, 1_000);
        let gaps = [40; 9].into_iter().chain([500_000, 40, 40]);
        assert_eq!(after(&mut spacing, gaps), Some(40));
    }

    #[test]
    fn g25_a_flow_that_pauses_after_every_third_packet_is_never_held() {
        for row in 1..=3 {
            let message = (1..row).map(|_| 40).chain([500_000]);
            for messages in 1..50 {
                let gaps = message.clone().cycle().take(messages);
                let expected = after(&mut Spacing::new(16, 1_000), gaps);
                assert_eq!(expected, None, "{row} packets a message");
            }
        }
    }

    #[test]
    fn g25_an_idle_flow_is_soon_known_to_be_busy_again() {
        let bursts = (0..20).find(|bursts| {
            let gaps = [1_000_000_000; 9].into_iter().chain([100].repeat(*bursts));
            after(&mut Spacing::new(16, 1_000), gaps).is_some()
        });
        assert!(bursts.is_some_and(|bursts| (3..8).contains(&bursts)), "took {bursts:?} bursts");
    }

    #[test]
    fn g25_another_flow_in_the_same_place_starts_anew() {
        let mut spacing = Spacing::new(1, 1_000);
        let (one, other) = (1 << 48, 2 << 48);
        for now in [10, 30, 50, 70] {
            spacing.observe(one, now);
        }
        assert_eq!(spacing.observe(one, 90), Some(20));
        assert_eq!(spacing.observe(other, 100), None);
        assert_eq!(spacing.observe(one, 110), None);
    }
}
