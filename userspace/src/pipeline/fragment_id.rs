//! Identifications for the fragments of IPv6 datagrams (S11).

use std::hash::{BuildHasher, RandomState};

/// Identifications that nobody outside can guess, and that come again as seldom as chance allows
/// (RFC 7739 §5.3): a keyed hash of a counter.
#[derive(Debug, Default)]
pub(super) struct FragmentIds {
    key: RandomState,
    count: u64,
}

impl FragmentIds {
    /// The next one.
    pub(super) fn next(&mut self) -> u32 {
        self.count += 1;
        self.key.hash_one(self.count) as u32
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn s11_identifications_differ_and_do_not_follow_each_other() {
        let (mut one, mut other) = (FragmentIds::default(), FragmentIds::default());
        let drawn: Vec<u32> = (0..1_000).map(|_| one.next()).collect();
        // Two of a thousand numbers of 32 bits are the same once in some nine thousand times; five are not.
        assert!(drawn.iter().collect::<HashSet<_>>().len() > 995);
        assert!(drawn.windows(2).filter(|pair| pair[1] == pair[0].wrapping_add(1)).count() < 5);
        assert_ne!(other.next(), drawn[0], "another worker's are others");
    }
}
