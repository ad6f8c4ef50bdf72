//! What is measured, in which states, and how.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::context::Context;

/// Something that several do, measured at one or several points.
pub(super) struct Scenario {
    /// Lower-case words with hyphens; the first is the group's.
    pub(super) name: String,
    /// One line for people.
    pub(super) what: String,
    /// Of what is compared.
    pub(super) unit: &'static str,
    pub(super) better: Better,
    /// What differs between the points; of one point, nothing.
    pub(super) varies: &'static str,
    pub(super) points: Vec<u64>,
    /// The first is what all others are compared with: Sluice.
    pub(super) states: Vec<State>,
    /// Of the numbers that are recorded, those that are shown, too.
    pub(super) beside: &'static [&'static str],
}

/// Which of two results is the better one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Better {
    Less,
    /// Where rates are measured.
    More,
}

/// One of those that do it.
pub(super) struct State {
    pub(super) name: &'static str,
    /// What it is, for people.
    pub(super) what: &'static str,
    pub(super) prepare: Prepare,
    /// The last point at which it is measured; beyond, there is nothing of it.
    pub(super) up_to: u64,
}

/// Makes everything ready, once, and gives what measures. An error says why this state cannot be measured here and
/// what to do about it: it is reported, and the others are measured.
pub(super) type Prepare = Box<dyn FnOnce(&Context) -> Result<Measure>>;

/// Measures once, at this point.
pub(super) type Measure = Box<dyn Fn(u64) -> Result<Numbers>>;

/// A result: [`VALUE`] is compared, the others are recorded.
pub(super) type Numbers = BTreeMap<String, f64>;

/// Numbers by these names.
pub(super) fn numbers<const N: usize>(named: [(&str, f64); N]) -> Numbers {
    named.map(|(name, number)| (name.to_owned(), number)).into()
}

/// The number that is compared.
pub(super) const VALUE: &str = "value";

impl State {
    /// A state that `prepare` makes ready.
    pub(super) fn new(
        name: &'static str,
        what: &'static str,
        prepare: impl FnOnce(&Context) -> Result<Measure> + 'static,
    ) -> Self {
        Self { name, what, prepare: Box::new(prepare), up_to: u64::MAX }
    }

    /// The same, not measured at points beyond `most`. What it is says why.
    pub(super) fn up_to(self, most: u64) -> Self {
        Self { up_to: most, ..self }
    }
}

impl Better {
    /// How many times as good `ours` is as `theirs`.
    pub(super) fn ratio(self, ours: f64, theirs: f64) -> f64 {
        match self {
            Self::Less => theirs / ours,
            Self::More => ours / theirs,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn above_one_is_better_whatever_is_measured() {
        assert_eq!(Better::Less.ratio(10.0, 20.0), 2.0);
        assert_eq!(Better::More.ratio(20.0, 10.0), 2.0);
    }
}
