//! How long a packet stays, from the receive ring to its hand-over to the host, and how much of that a
//! train is held in the coalescer.

use std::mem;

/// A histogram of nanoseconds.
pub type Histogram = hdrhistogram::Histogram<u64>;

/// Shortest and longest time told apart, in nanoseconds. What takes a minute takes longer than any
/// train may be held, by far.
const RANGE: (u64, u64) = (100, 60_000_000_000);
/// Significant digits: 1 % is better than any two runs agree, and keeps a histogram in 40 KiB.
const DIGITS: u8 = 2;
/// Hand-overs noted for the next clock reading; more than one burst makes.
const NOTES: usize = 512;

/// The times of one worker.
#[derive(Clone, Debug)]
pub struct Times {
    /// From the receive ring to the hand-over, of every train; the time of its first packet counts.
    pub stay: Histogram,
    /// In the coalescer, from its first packet to its release (G25), of the trains that were held beyond
    /// the turn in which they began. What closed at once is not in it.
    pub held: Histogram,
}

impl Default for Times {
    /// None yet.
    fn default() -> Self {
        Self { stay: histogram(), held: histogram() }
    }
}

impl Times {
    /// Adds those of `other`.
    pub fn add(&mut self, other: &Self) {
        for (total, more) in [(&mut self.stay, &other.stay), (&mut self.held, &other.held)] {
            total.add(more).expect("all histograms of times have the same bounds");
        }
    }
}

fn histogram() -> Histogram {
    let (shortest, longest) = RANGE;
    Histogram::new_with_bounds(shortest, longest, DIGITS)
        .expect("the bounds are in order, the digits below six")
}

/// Takes the times, with the one clock reading a turn has.
///
/// A train handed over in a turn left when the turn was over, and that is when the next one begins:
/// the next clock reading is the time it is charged with. Nothing here allocates but [`empty`].
///
/// [`empty`]: Self::empty
#[derive(Debug)]
pub struct Latency {
    times: Box<Times>,
    /// When trains handed over since the last reading were received, and how many at that time.
    notes: Vec<(u64, u64)>,
    /// The last clock reading.
    now: u64,
}

impl Default for Latency {
    fn default() -> Self {
        Self { times: Self::empty(), notes: Vec::with_capacity(NOTES), now: 0 }
    }
}

impl Latency {
    /// Times to be swapped in.
    #[must_use]
    pub fn empty() -> Box<Times> {
        Box::default()
    }

    /// The coalescer let a train go whose first packet was received at `received`.
    pub fn released(&mut self, received: u64) {
        let held = self.now.saturating_sub(received);
        if held > 0 {
            self.times.held.saturating_record(held);
        }
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

    /// The clock has been read: what was noted left at `now`, and a turn begins.
    pub fn settle(&mut self, now: u64) {
        self.now = now;
        for (received, count) in self.notes.drain(..) {
            self.times.stay.saturating_record_n(now.saturating_sub(received), count);
        }
    }

    /// Takes the times away and goes on with `empty`.
    pub fn swap(&mut self, empty: Box<Times>) -> Box<Times> {
        mem::replace(&mut self.times, empty)
    }
}

#[cfg(test)]
mod tests {
    use super::{Latency, Times};

    #[test]
    fn a_hand_over_is_charged_to_the_next_clock_reading() {
        let mut latency = Latency::default();
        for received in [1_000, 1_000, 500] {
            latency.note(received);
        }
        latency.settle(2_000);
        latency.settle(9_000_000);
        let Times { stay, held } = *latency.swap(Latency::empty());
        assert_eq!((stay.len(), stay.count_between(990, 1_010)), (3, 2));
        assert_eq!(stay.count_between(1_490, 1_510), 1);
        assert_eq!(held.len(), 0, "none was held");
        assert_eq!(latency.swap(Latency::empty()).stay.len(), 0);
    }

    #[test]
    fn g25_only_what_was_held_counts_as_held() {
        let mut latency = Latency::default();
        latency.settle(5_000);
        latency.released(5_000);
        latency.released(2_000);
        let held = latency.swap(Latency::empty()).held;
        assert_eq!((held.len(), held.count_between(2_970, 3_030)), (1, 1));
    }

    #[test]
    fn more_hand_overs_than_notes_are_all_counted() {
        let mut latency = Latency::default();
        for received in 0..2_000 {
            latency.note(received);
        }
        latency.settle(10_000);
        assert_eq!(latency.swap(Latency::empty()).stay.len(), 2_000);
    }
}
