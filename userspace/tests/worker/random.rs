//! Schedules that nobody thought of.

use proptest::prelude::*;
use sluice::sim::play;

proptest! {
    #[test]
    fn any_schedule_keeps_the_books(schedule in prop::collection::vec(any::<u8>(), 0..600)) {
        play(&schedule);
    }

    /// Few faults, much traffic: what a random schedule seldom is.
    #[test]
    fn a_busy_schedule_keeps_the_books(
        sizes in any::<[u8; 2]>(),
        steps in prop::collection::vec((0_u8..10, any::<u8>()), 0..400),
    ) {
        let steps = steps.into_iter().flat_map(|(what, how)| [what, how]);
        play(&sizes.into_iter().chain(steps).collect::<Vec<_>>());
    }
}
