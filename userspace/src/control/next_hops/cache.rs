//! The client's cache: fixed size, nothing allocated after it is made.

use std::hash::{BuildHasher, RandomState};

use super::message::{Answer, Question};
use super::table::MOST_QUESTIONS;

/// Entries of one set. With four of them and half the entries, 3000 destinations asked for in turn pushed
/// each other out for ever: 1600 were known, the others took the kernel's path. With more than eight, a
/// miss compares for longer.
const WAYS: usize = 8;

/// Sets, a power of two: with [`WAYS`] as many entries as the resolver remembers questions. Fewer displace
/// each other; more would only be filled by what the resolver has forgotten.
const SETS: usize = MOST_QUESTIONS / WAYS;

/// What a client knows of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It has been asked.
    Asked,
    /// It has been answered.
    Answered(Answer),
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    question: Question,
    state: State,
}

/// What a client knows, by question.
pub(super) struct Cache {
    sets: Box<[[Option<Entry>; WAYS]]>,
    /// Which way of a full set is given up next; one counter for all spreads well enough.
    victim: usize,
    /// Keyed: who a server talks to is chosen from outside, and must not choose collisions.
    hasher: RandomState,
}

impl Cache {
    pub(super) fn new() -> Self {
        let sets = vec![[None; WAYS]; SETS].into_boxed_slice();
        Self { sets, victim: 0, hasher: RandomState::new() }
    }

    /// What is known of `question`.
    pub(super) fn get_mut(&mut self, question: &Question) -> Option<&mut State> {
        let set = self.set(question);
        let entries = self.sets[set].iter_mut().flatten();
        entries.into_iter().find(|e| e.question == *question).map(|entry| &mut entry.state)
    }

    /// Notes that a question not known before was asked, in the place of another if need be.
    pub(super) fn insert_asked(&mut self, question: Question) {
        let set = self.set(&question);
        let entries = &mut self.sets[set];
        let free = entries.iter().position(Option::is_none);
        let way = free.unwrap_or_else(|| {
            self.victim = (self.victim + 1) % WAYS;
            self.victim
        });
        entries[way] = Some(Entry { question, state: State::Asked });
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.sets.fill([None; WAYS]);
    }

    fn set(&self, question: &Question) -> usize {
        self.hasher.hash_one(question) as usize & (SETS - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(i: u32) -> Question {
        Question::V4 { src: [192, 0, 2, 1], dst: i.to_be_bytes() }
    }

    #[test]
    fn what_was_asked_is_found_until_it_is_forgotten() {
        let mut cache = Cache::new();
        cache.insert_asked(question(1));
        assert_eq!(cache.get_mut(&question(1)), Some(&mut State::Asked));
        assert_eq!(cache.get_mut(&question(2)), None);
        cache.clear();
        assert_eq!(cache.get_mut(&question(1)), None);
    }

    /// Some 30 are displaced; with four ways and twice the sets some 150.
    #[test]
    fn half_of_the_entries_fill_and_hardly_displace() {
        let mut cache = Cache::new();
        let asked = (SETS * WAYS / 2) as u32;
        (0..asked).for_each(|i| cache.insert_asked(question(i)));
        let kept = (0..asked).filter(|&i| cache.get_mut(&question(i)).is_some()).count() as u32;
        assert!(asked - kept <= 90, "{kept} of {asked} are left");
    }

    #[test]
    fn a_set_and_its_ways_make_up_what_the_resolver_remembers() {
        assert!(SETS.is_power_of_two());
        assert_eq!(SETS * WAYS, MOST_QUESTIONS);
    }

    #[test]
    fn more_questions_than_entries_displace_others_and_never_the_newest() {
        let mut cache = Cache::new();
        for i in 0..3 * (SETS * WAYS) as u32 {
            cache.insert_asked(question(i));
            assert!(cache.get_mut(&question(i)).is_some());
        }
        let kept = cache.sets.iter().flatten().flatten().count();
        assert!(kept > SETS * WAYS / 2, "only {kept} entries are used");
    }
}
