//! How a feature stands, as it is told.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use sluice_common::offload::features::{Feature, FeatureSet, Features, State};

/// How a feature stands (F1).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureReport {
    /// In effect.
    pub on: bool,
    /// Asked for.
    pub requested: bool,
    /// Not to be changed.
    pub fixed: bool,
    /// Why it is off, where it is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl FeatureReport {
    /// How those of `features` that are in `which` stand, by name.
    #[must_use]
    pub fn all(features: &Features, which: FeatureSet) -> BTreeMap<String, Self> {
        let told =
            |feature: Feature| (feature.label().to_owned(), Self::of(features.state(feature)));
        which.iter().map(told).collect()
    }

    fn of(state: State) -> Self {
        let (on, requested, fixed) = match state {
            State::On => (true, true, false),
            State::Off => (false, false, false),
            State::FixedOn => (true, true, true),
            State::FixedOff => (false, false, true),
            State::RequestedOff(_) => (false, true, false),
        };
        let reason = match state {
            State::RequestedOff(reason) => Some(reason.to_string()),
            _ => None,
        };
        Self { on, requested, fixed, reason }
    }
}

impl fmt::Display for FeatureReport {
    /// In the words of `ethtool -k`, and why.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.on { "on" } else { "off" })?;
        match (self.fixed, self.requested) {
            (true, _) => f.write_str(" [fixed]")?,
            (false, true) if !self.on => f.write_str(" [requested on]")?,
            (false, false) if self.on => f.write_str(" [requested off]")?,
            _ => {}
        }
        self.reason.as_ref().map_or(Ok(()), |reason| write!(f, ": {reason}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f1_the_words_are_those_of_ethtool() {
        let words =
            |on, requested, fixed| FeatureReport { on, requested, fixed, reason: None }.to_string();
        assert_eq!(words(true, true, false), "on");
        assert_eq!(words(false, false, false), "off");
        assert_eq!(words(true, true, true), "on [fixed]");
        assert_eq!(words(false, false, true), "off [fixed]");
        assert_eq!(words(false, true, false), "off [requested on]");
        assert_eq!(words(true, false, false), "on [requested off]");
    }

    #[test]
    fn f1_a_reason_is_told_with_it() {
        let wish = FeatureReport {
            requested: true,
            reason: Some("it needs scatter-gather".into()),
            ..FeatureReport::default()
        };
        assert_eq!(wish.to_string(), "off [requested on]: it needs scatter-gather");
    }
}
