//! Schedules that nobody thought of.

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
