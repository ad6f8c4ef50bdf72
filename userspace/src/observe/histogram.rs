//! How long a packet stays: from the receive ring to its hand-over to the host.

use std::mem;

/// A histogram of nanoseconds.
pub type Histogram = hdrhistogram::Histogram<u64>;

/// Shortest and longest time told apart, in nanoseconds. What takes a minute takes longer than any
/// train may be held, by far.
const RANGE: (u64, u64) = (100, 60_000_000_000);
/// Significant digits: 1 % is better than any two runs agree, and keeps the histogram in 40 KiB.
const DIGITS: u8 = 2;
/// Hand-overs noted for the next clock reading; more than one burst makes.
const NOTES: usize = 512;

/// The times of hand-overs, taken with the one clock reading a turn has.
///
/// A train handed over in a turn left when the turn was over, and that is when the next one begins:
/// the next clock reading is the time it is charged with. Nothing here allocates but [`empty`].
///
/// [`empty`]: Self::empty
#[derive(Debug)]
pub struct Latency {
    histogram: Box<Histogram>,
    /// When trains handed over since the last reading were received, and how many at that time.
    notes: Vec<(u64, u64)>,
}

impl Default for Latency {
    fn default() -> Self {
        Self { histogram: Self::empty(), notes: Vec::with_capacity(NOTES) }
    }
}

impl Latency {
    /// An empty histogram, to be swapped in.
    #[must_use]
    pub fn empty() -> Box<Histogram> {
        let (shortest, longest) = RANGE;
        let histogram = Histogram::new_with_bounds(shortest, longest, DIGITS);
        Box::new(histogram.expect("the bounds are in order, the digits below six"))
    }

    /// A train whose first packet was received at `received` was handed over in this turn.
    pub fn note(&mut self, received: u64) {
        let full = self.notes.len() == NOTES;
        match self.notes.last_mut() {
            // When there is no room, one more than anybody can tell apart is charged like the last one.
            Some((last, count)) if full || *last == received => *count += 1,
            _ => self.notes.push((received, 1)),
        }
    }

    /// The clock has been read: what was noted left at `now`.
    pub fn settle(&mut self, now: u64) {
        for (received, count) in self.notes.drain(..) {
            self.histogram.saturating_record_n(now.saturating_sub(received), count);
        }
    }

    /// Takes the histogram away and goes on with `empty`.
    pub fn swap(&mut self, empty: Box<Histogram>) -> Box<Histogram> {
        mem::replace(&mut self.histogram, empty)
    }
}

#[cfg(test)]
mod tests {
    use super::Latency;

    #[test]
    fn a_hand_over_is_charged_to_the_next_clock_reading() {
        let mut latency = Latency::default();
        for received in [1_000, 1_000, 500] {
            latency.note(received);
        }
        latency.settle(2_000);
        latency.settle(9_000_000);
        let full = latency.swap(Latency::empty());
        assert_eq!((full.len(), full.count_between(990, 1_010)), (3, 2));
        assert_eq!(full.count_between(1_490, 1_510), 1);
        assert_eq!(latency.swap(Latency::empty()).len(), 0);
    }

    #[test]
    fn more_hand_overs_than_notes_are_all_counted() {
        let mut latency = Latency::default();
        for received in 0..2_000 {
            latency.note(received);
        }
        latency.settle(10_000);
        assert_eq!(latency.swap(Latency::empty()).len(), 2_000);
    }
}
