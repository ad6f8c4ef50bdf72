//! Sequence numbers of one flow: what was lost, late, repeated.

/// How far behind the newest packet a late one is still known for what it is. The largest ring has 65,536
/// slots, but a wire that overtakes by more than a thousand packets of one flow is broken in another way.
pub const SPAN: u32 = 1024;

const WORD: u32 = u64::BITS;

/// Which sequence numbers came, in a window that moves with the newest. They may wrap.
#[derive(Clone, Debug, Default)]
pub struct Window {
    newest: u32,
    /// One bit for each of the last numbers, at its place modulo [`SPAN`].
    came: [u64; (SPAN / WORD) as usize],
    counts: Counts,
}

/// What became of the packets of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// How many numbers there are from the lowest to the highest that came.
    pub expected: u64,
    /// How many of them came.
    pub came: u64,
    /// Packets that came after one with a higher number, repetitions apart (RFC 4737).
    pub reordered: u64,
    /// Packets that had come before.
    pub duplicates: u64,
    /// Packets from before the window: late or repeated, there is no telling. What was late is counted as
    /// lost, too.
    pub too_old: u64,
}

impl Counts {
    /// How many did not come, those before the first and after the last apart.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.expected - self.came
    }
}

impl Window {
    /// Notes that the packet with the number `sequence` came.
    pub fn note(&mut self, sequence: u32) {
        if self.counts.expected == 0 {
            self.advance(sequence, 1);
            return;
        }
        // Serial numbers (RFC 1982): the nearer way round tells which is newer.
        let ahead = sequence.wrapping_sub(self.newest);
        match ahead {
            0 => self.counts.duplicates += 1,
            1..0x8000_0000 => self.advance(sequence, ahead),
            _ => self.late(sequence, ahead.wrapping_neg()),
        }
    }

    /// What became of the packets so far.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    fn advance(&mut self, sequence: u32, by: u32) {
        if by >= SPAN {
            self.came.fill(0);
        } else {
            (1..by).for_each(|before| self.set(sequence.wrapping_sub(before), false));
        }
        self.set(sequence, true);
        self.newest = sequence;
        self.counts.expected += u64::from(by);
        self.counts.came += 1;
    }

    fn late(&mut self, sequence: u32, behind: u32) {
        if behind >= SPAN {
            self.counts.too_old += 1;
        } else if self.has(sequence) {
            self.counts.duplicates += 1;
        } else {
            self.set(sequence, true);
            self.counts.came += 1;
            self.counts.reordered += 1;
            // It may be the first of its flow, overtaken at once.
            self.counts.expected = self.counts.expected.max(u64::from(behind) + 1);
        }
    }

    fn has(&self, sequence: u32) -> bool {
        let place = sequence % SPAN;
        self.came[(place / WORD) as usize] & 1 << (place % WORD) != 0
    }

    fn set(&mut self, sequence: u32, came: bool) {
        let place = sequence % SPAN;
        let word = &mut self.came[(place / WORD) as usize];
        let bit = 1 << (place % WORD);
        if came { *word |= bit } else { *word &= !bit }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn counts(sequences: impl IntoIterator<Item = u32>) -> Counts {
        let mut window = Window::default();
        sequences.into_iter().for_each(|sequence| window.note(sequence));
        window.counts()
    }

    #[test]
    fn what_comes_in_order_is_whole_also_where_numbers_wrap() {
        let begin = u32::MAX - 5_000;
        let whole = Counts { expected: 10_000, came: 10_000, ..Counts::default() };
        assert_eq!(counts((0..10_000).map(|n| begin.wrapping_add(n))), whole);
    }

    #[test]
    fn losses_are_counted_however_many_in_a_row() {
        for gap in [1, 63, 64, SPAN - 1, SPAN, 5 * SPAN] {
            let lost = counts((0..100).chain(100 + gap..200 + gap));
            assert_eq!((lost.lost(), lost.came), (gap.into(), 200), "{gap} lost");
        }
    }

    #[test]
    fn what_is_late_is_not_lost() {
        let late = counts([0, 2, 3, 1, 4]);
        assert_eq!((late.lost(), late.reordered, late.duplicates), (0, 1, 0));
        let first = counts([1, 2, 0, 3]);
        assert_eq!((first.lost(), first.expected, first.reordered), (0, 4, 1));
    }

    #[test]
    fn a_repetition_is_not_late() {
        let twice = counts([0, 1, 1, 2, 0]);
        assert_eq!((twice.lost(), twice.reordered, twice.duplicates), (0, 0, 2));
    }

    #[test]
    fn what_is_older_than_the_window_is_said_to_be() {
        let old = counts((1..=SPAN).chain([0]));
        assert_eq!((old.too_old, old.lost()), (1, 0));
        let inside = counts((1..SPAN).chain([0]));
        assert_eq!((inside.too_old, inside.reordered), (0, 1));
    }

    /// The same, from all packets at once.
    fn naive(sequences: &[u32]) -> Counts {
        let mut counts = Counts::default();
        let (mut came, mut newest) = (HashSet::new(), 0);
        for &sequence in sequences {
            if !came.insert(sequence) {
                counts.duplicates += 1;
            } else if sequence < newest {
                counts.reordered += 1;
            }
            newest = newest.max(sequence);
        }
        let ends = sequences.iter().min().zip(sequences.iter().max());
        counts.expected = ends.map_or(0, |(first, last)| u64::from(last - first) + 1);
        counts.came = came.len() as u64;
        counts
    }

    proptest! {
        #[test]
        fn the_window_tells_what_all_packets_at_once_do(
            sequences in prop::collection::vec(0..SPAN, 0..2_000)
        ) {
            prop_assert_eq!(counts(sequences.iter().copied()), naive(&sequences));
        }

        #[test]
        fn lost_is_never_below_nothing(sequences in prop::collection::vec(any::<u32>(), 0..500)) {
            let counts = counts(sequences);
            prop_assert!(counts.came <= counts.expected);
        }
    }
}
