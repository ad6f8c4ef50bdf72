//! Wishes, what became of them and why (F1), and changing them.

use super::mend::Mended;
use super::{Feature, FeatureSet, Limits, Reason};

/// How a feature stands (F1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// On.
    On,
    /// Off.
    Off,
    /// On, and not to be changed.
    FixedOn,
    /// Off, and not to be changed.
    FixedOff,
    /// Asked for, and off all the same.
    RequestedOff(Reason),
}

/// A set of features: what is asked for, and what comes of it.
///
/// ```
/// use sluice_common::offload::features::{Feature, FeatureSet, Features, Limits, Reason, State};
///
/// let able = FeatureSet::of(&[Feature::RxChecksumming, Feature::GenericReceive]);
/// let mut features = Features::new(Limits { able, ..Limits::default() }, able);
/// features.set(&[(Feature::RxChecksumming, false)]).unwrap();
/// // Nothing merges unverified.
/// let why = Reason::Needs(Feature::RxChecksumming);
/// assert_eq!(features.state(Feature::GenericReceive), State::RequestedOff(why));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Features {
    limits: Limits,
    wanted: FeatureSet,
    mended: Mended,
}

/// A feature that a wish has changed, or has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The feature.
    pub feature: Feature,
    /// Whether it is on now.
    pub on: bool,
    /// Whether it was not so before.
    pub changed: bool,
    /// Whether it was named in the wish; else it went along.
    pub named: bool,
    /// Why it is off, though it is asked for.
    pub reason: Option<Reason>,
}

/// A wish for what is not to be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeatureRefused {
    /// The feature.
    pub feature: Feature,
    /// What it is.
    pub on: bool,
}

impl Features {
    /// What comes of `wanted` within `limits`.
    #[must_use]
    pub fn new(limits: Limits, wanted: FeatureSet) -> Self {
        Self { limits, wanted, mended: Mended::new(&limits, wanted) }
    }

    /// The same wish within other limits.
    #[must_use]
    pub fn within(&self, limits: Limits) -> Self {
        Self::new(limits, self.wanted)
    }

    /// What is on.
    #[must_use]
    pub const fn active(&self) -> FeatureSet {
        self.mended.active
    }

    /// What is asked for.
    #[must_use]
    pub const fn wanted(&self) -> FeatureSet {
        self.wanted
    }

    /// What bounds it.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// How `feature` stands.
    #[must_use]
    pub const fn state(&self, feature: Feature) -> State {
        let on = self.active().has(feature);
        match (on, self.limits.fixes(feature), self.mended.reasons[feature.index()]) {
            (true, true, _) => State::FixedOn,
            (false, true, _) => State::FixedOff,
            (true, false, _) => State::On,
            (false, false, Some(reason)) => State::RequestedOff(reason),
            (false, false, None) => State::Off,
        }
    }

    /// Changes what is asked for: all of it, or nothing where one cannot be changed. To ask for what a
    /// fixed feature is anyway is no change.
    ///
    /// # Errors
    /// The first feature that cannot be changed.
    pub fn set(&mut self, wish: &[(Feature, bool)]) -> Result<(), FeatureRefused> {
        for &(feature, on) in wish {
            let is = self.active().has(feature);
            if self.limits.fixes(feature) && is != on {
                return Err(FeatureRefused { feature, on: is });
            }
        }
        let with = |set: FeatureSet, &(feature, on): &(Feature, bool)| set.with(feature, on);
        *self = Self::new(self.limits, wish.iter().fold(self.wanted, with));
        Ok(())
    }

    /// What is other than `before`, and each feature `wish` names, whether it is other or not.
    pub fn changes<'a>(
        &'a self,
        before: &'a Self,
        wish: &'a [(Feature, bool)],
    ) -> impl Iterator<Item = Change> + 'a {
        Feature::ALL.iter().copied().filter_map(move |feature| {
            let named = wish.iter().any(|(wished, _)| *wished == feature);
            let on = self.active().has(feature);
            let reason = self.mended.reasons[feature.index()];
            let changed = on != before.active().has(feature);
            (named || changed).then_some(Change { feature, on, changed, named, reason })
        })
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use Feature::*;

    fn features() -> Features {
        let able = FeatureSet::of(&[
            RxChecksumming,
            TxChecksumming,
            ScatterGather,
            TcpSegmentation,
            GenericSegmentation,
            GenericReceive,
            UdpReceive,
        ]);
        let always = FeatureSet::of(&[TxChecksumming]);
        Features::new(Limits { able, always, forwarding: false }, able)
    }

    #[test]
    fn f1_each_is_on_off_fixed_or_requested_with_the_reason() {
        let mut features = features();
        features.set(&[(ScatterGather, false)]).unwrap();
        assert_eq!(features.state(RxChecksumming), State::On);
        assert_eq!(features.state(ScatterGather), State::Off);
        assert_eq!(features.state(TxChecksumming), State::FixedOn);
        assert_eq!(features.state(LargeReceive), State::FixedOff);
        let why = State::RequestedOff(Reason::Needs(ScatterGather));
        assert_eq!(features.state(TcpSegmentation), why);
    }

    #[test]
    fn f2_scatter_gather_takes_tso_and_gso_along_and_brings_them_back() {
        let (before, mut after) = (features(), features());
        let wish = [(ScatterGather, false)];
        after.set(&wish).unwrap();
        let changes: Vec<_> = after.changes(&before, &wish).collect();
        let gone = |feature| {
            let reason = Some(Reason::Needs(ScatterGather));
            Change { feature, on: false, changed: true, named: false, reason }
        };
        let named =
            Change { feature: ScatterGather, named: true, reason: None, ..gone(ScatterGather) };
        assert_eq!(changes, [named, gone(TcpSegmentation), gone(GenericSegmentation)]);
        after.set(&[(ScatterGather, true)]).unwrap();
        assert_eq!(after, before);
    }

    #[test]
    fn f1_what_is_fixed_is_refused_and_nothing_else_is_done() {
        let (before, mut after) = (features(), features());
        let refused = after.set(&[(GenericReceive, false), (LargeReceive, true)]);
        assert_eq!(refused, Err(FeatureRefused { feature: LargeReceive, on: false }));
        let refused = after.set(&[(TxChecksumming, false)]);
        assert_eq!(refused, Err(FeatureRefused { feature: TxChecksumming, on: true }));
        after.set(&[(TxChecksumming, true), (LargeReceive, false)]).unwrap();
        assert_eq!(after, before);
    }

    #[test]
    fn f1_a_wish_that_changes_nothing_is_told_too() {
        let before = features();
        let mut after = before;
        let wish = [(GenericReceive, true)];
        after.set(&wish).unwrap();
        let changes: Vec<_> = after.changes(&before, &wish).collect();
        let told =
            Change { feature: GenericReceive, on: true, changed: false, named: true, reason: None };
        assert_eq!(changes, [told]);
    }
}
