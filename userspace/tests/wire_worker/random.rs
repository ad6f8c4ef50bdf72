//! Schedules that nobody thought of.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use sluice::sim::play_wire;

proptest! {
    #[test]
    fn any_schedule_keeps_the_books(schedule in prop::collection::vec(any::<u8>(), 0..600)) {
        play_wire(&schedule);
    }

    /// Few faults, much traffic: what a random schedule seldom is.
    #[test]
    fn a_busy_schedule_keeps_the_books(
        head in any::<[u8; 3]>(),
        steps in prop::collection::vec((0_u8..9, any::<u8>()), 0..400),
    ) {
        let steps = steps.into_iter().flat_map(|(what, how)| [what, how]);
        play_wire(&head.into_iter().chain(steps).collect::<Vec<_>>());
    }
}

/// What the fuzzer begins with, and whatever it has ever found.
#[test]
fn the_fuzzers_schedules_keep_the_books() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let corpus = fs::read_dir(fuzz.join("corpus/wire")).expect("the corpus is in the repository");
    // No folder: nothing has been found.
    let crashers = fs::read_dir(fuzz.join("crashers/wire")).into_iter().flatten();
    let mut played = 0;
    for entry in corpus.chain(crashers) {
        play_wire(&fs::read(entry.unwrap().path()).unwrap());
        played += 1;
    }
    assert!(played >= 10, "{played} schedules: some are missing");
}
