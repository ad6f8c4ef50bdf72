//! What was measured beside the values, where a scenario says that it is to be shown.

use super::results::{Measured, Point, Told};
use super::table::number;

/// Whether a scenario shows any.
pub(super) fn is_there(scenario: &Measured) -> bool {
    !scenario.beside.is_empty()
}

/// Names of the columns.
pub(super) fn head(scenario: &Measured) -> Vec<String> {
    std::iter::once(String::new()).chain(scenario.beside.iter().cloned()).collect()
}

/// A row for each state at each point: who and where, and the numbers of [`head`] that it has.
pub(super) fn rows(scenario: &Measured) -> Vec<Vec<String>> {
    let states = || scenario.states.iter();
    let of_point = |point| states().filter_map(move |state| row(scenario, point, state));
    scenario.points.iter().flat_map(of_point).collect()
}

fn row(scenario: &Measured, point: &Point, state: &Told) -> Option<Vec<String>> {
    let also = point.also.get(&state.name)?;
    let cell = |name| also.get(name).map_or_else(|| "–".to_owned(), |one| number(*one));
    let first = format!("{}, {} {}", state.name, point.at, scenario.varies);
    Some(std::iter::once(first).chain(scenario.beside.iter().map(cell)).collect())
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::table::tests::sample;
    use super::*;

    /// The sample, with numbers beside those of one state at its first point.
    pub(crate) fn accompanied() -> Measured {
        let mut scenario = sample();
        scenario.beside = vec!["Gbit/s".to_owned(), "lost".to_owned()];
        let numbers = [("Gbit/s".to_owned(), 3.456), ("hidden".to_owned(), 77.7)].into();
        scenario.points[0].also = [("ours".to_owned(), numbers)].into();
        scenario
    }

    #[test]
    fn what_is_to_be_shown_is_and_what_is_not_there_is_a_dash() {
        let scenario = accompanied();
        assert!(is_there(&scenario) && !is_there(&sample()));
        assert_eq!(head(&scenario), ["", "Gbit/s", "lost"]);
        assert_eq!(rows(&scenario), [["ours, 1 flows", "3.46", "–"]]);
    }
}
