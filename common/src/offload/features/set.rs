//! A set of features.

use super::Feature;

/// A set of features.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FeatureSet(u32);

const _: () = assert!(Feature::COUNT <= u32::BITS as usize, "a bit each");

impl FeatureSet {
    /// None.
    pub const EMPTY: Self = Self(0);
    /// All there are.
    pub const ALL: Self = Self::of(Feature::ALL);

    /// These.
    #[must_use]
    pub const fn of(features: &[Feature]) -> Self {
        let (mut set, mut rest) = (Self::EMPTY, features);
        while let [first, others @ ..] = rest {
            set = set.with(*first, true);
            rest = others;
        }
        set
    }

    /// Whether `feature` is in it.
    #[must_use]
    pub const fn has(self, feature: Feature) -> bool {
        self.0 & Self::bit(feature) != 0
    }

    /// The set with `feature` in it, or without.
    #[must_use]
    pub const fn with(self, feature: Feature, on: bool) -> Self {
        let bit = Self::bit(feature);
        Self(if on { self.0 | bit } else { self.0 & !bit })
    }

    /// What is in either.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// What is in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is in this and not in the other.
    #[must_use]
    pub const fn but(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether nothing is in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// What is in it, in the order of [`Feature::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Feature> {
        Feature::ALL.iter().copied().filter(move |feature| self.has(*feature))
    }

    const fn bit(feature: Feature) -> u32 {
        1 << feature.index()
    }
}

impl FromIterator<Feature> for FeatureSet {
    fn from_iter<I: IntoIterator<Item = Feature>>(features: I) -> Self {
        features.into_iter().fold(Self::EMPTY, |set, feature| set.with(feature, true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in() {
        let two = FeatureSet::of(&[Feature::ScatterGather, Feature::TrafficControl]);
        assert_eq!(two.iter().collect::<FeatureSet>(), two);
        assert!(two.has(Feature::ScatterGather) && !two.has(Feature::LargeReceive));
        assert_eq!(FeatureSet::ALL.but(two).and(two), FeatureSet::EMPTY);
        assert_eq!(FeatureSet::ALL.iter().count(), Feature::COUNT);
    }
}
