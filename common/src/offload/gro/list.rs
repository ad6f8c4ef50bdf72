//! Doubly linked lists of slots: an element is found, added and taken out in the same time however
//! many there are, and nothing is allocated for it.

use alloc::vec;
use alloc::vec::Vec;

const NONE: u32 = u32::MAX;

/// The links of all slots; each slot is in at most one list.
#[derive(Debug)]
pub(super) struct Links(Vec<Link>);

#[derive(Clone, Copy, Debug)]
struct Link {
    before: u32,
    after: u32,
}

impl Links {
    pub(super) fn new(slots: usize) -> Self {
        Self(vec![Link { before: NONE, after: NONE }; slots])
    }
}

/// One list over some [`Links`].
#[derive(Clone, Copy, Debug)]
pub(super) struct List {
    first: u32,
    last: u32,
}

impl List {
    pub(super) const EMPTY: Self = Self { first: NONE, last: NONE };

    #[inline]
    pub(super) fn first(&self) -> Option<u32> {
        (self.first != NONE).then_some(self.first)
    }

    #[inline]
    pub(super) fn push_back(&mut self, links: &mut Links, slot: u32) {
        links.0[slot as usize] = Link { before: self.last, after: NONE };
        match self.last {
            NONE => self.first = slot,
            last => links.0[last as usize].after = slot,
        }
        self.last = slot;
    }

    /// Takes out `slot`, which is in this list.
    #[inline]
    pub(super) fn remove(&mut self, links: &mut Links, slot: u32) {
        let Link { before, after } = links.0[slot as usize];
        match before {
            NONE => self.first = after,
            before => links.0[before as usize].after = after,
        }
        match after {
            NONE => self.last = before,
            after => links.0[after as usize].before = before,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(list: &mut List, links: &mut Links) -> Vec<u32> {
        core::iter::from_fn(|| {
            let slot = list.first()?;
            list.remove(links, slot);
            Some(slot)
        })
        .collect()
    }

    #[test]
    fn a_list_keeps_order_whichever_element_leaves() {
        for leaving in 0..4 {
            let (mut links, mut list) = (Links::new(4), List::EMPTY);
            for slot in [2, 0, 3, 1] {
                list.push_back(&mut links, slot);
            }
            list.remove(&mut links, leaving);
            let left: Vec<u32> = [2, 0, 3, 1].into_iter().filter(|slot| *slot != leaving).collect();
            assert_eq!(drain(&mut list, &mut links), left);
            assert_eq!(list.first(), None);
        }
    }

    #[test]
    fn an_element_that_left_may_come_back() {
        let (mut links, mut list) = (Links::new(2), List::EMPTY);
        for slot in [0, 1, 0] {
            if list.first() == Some(slot) {
                list.remove(&mut links, slot);
            }
            list.push_back(&mut links, slot);
        }
        assert_eq!(drain(&mut list, &mut links), [1, 0]);
    }
}
