//! F2: what features cannot do without, and a wish brought into line with it.
//!
//! As `netdev_fix_features` does it (net/core/dev.c): what is wished for and cannot be is switched off, not
//! refused, and comes back by itself once what it lacks is there again.

use core::fmt;

use super::{Feature, FeatureSet};

/// Why a feature that is asked for is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Neither hardware nor driver nor software can.
    Unable,
    /// It needs another one, which is off.
    Needs(Feature),
    /// Another one, which is on, excludes it.
    Excludes(Feature),
    /// What it merges cannot be had back, and packets are forwarded.
    Forwarding,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unable => f.write_str("nothing here can do it"),
            Self::Needs(other) => write!(f, "it needs {other}"),
            Self::Excludes(other) => write!(f, "it does not go with {other}"),
            Self::Forwarding => f.write_str("packets are forwarded, and it cannot be undone"),
        }
    }
}

/// What bounds a wish.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// What can be on.
    pub able: FeatureSet,
    /// Of that, what cannot be off.
    pub always: FeatureSet,
    /// Whether packets go on to another wire.
    pub forwarding: bool,
}

impl Limits {
    /// Whether `feature` cannot be changed.
    #[must_use]
    pub const fn fixes(&self, feature: Feature) -> bool {
        self.always.has(feature) || !self.able.has(feature)
    }
}

impl Feature {
    /// What it cannot do without.
    ///
    /// | | Linux | here besides |
    /// |---|---|---|
    /// | TSO | scatter-gather, checksums | |
    /// | USO | checksums (from 6.11) | |
    /// | GSO | scatter-gather | |
    /// | GRO in hardware | verified checksums | |
    /// | GRO, LRO | | verified checksums (G7) |
    /// | UDP GRO, LRO, GRO by list | | GRO: the coalescer makes all trains |
    #[must_use]
    pub const fn needs(self) -> &'static [Self] {
        match self {
            Self::TcpSegmentation => &[Self::ScatterGather, Self::TxChecksumming],
            Self::UdpSegmentation => &[Self::TxChecksumming],
            Self::GenericSegmentation => &[Self::ScatterGather],
            Self::HardwareReceive | Self::GenericReceive => &[Self::RxChecksumming],
            Self::UdpReceive | Self::LargeReceive | Self::ReceiveList => {
                &[Self::GenericReceive, Self::RxChecksumming]
            }
            _ => &[],
        }
    }
}

/// What comes of a wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mended {
    pub(super) active: FeatureSet,
    /// Why not, for each that was wished for and is off.
    pub(super) reasons: [Option<Reason>; Feature::COUNT],
}

impl Mended {
    /// The most of `wanted` that `limits` and dependencies allow.
    pub(super) fn new(limits: &Limits, wanted: FeatureSet) -> Self {
        let mut mended = Self { active: wanted.or(limits.always), reasons: [None; Feature::COUNT] };
        for feature in mended.active.but(limits.able).iter() {
            mended.drop(feature, Reason::Unable);
        }
        mended.drop_the_needy();
        // Last: nothing needs LRO, so that its going takes nothing along.
        if limits.forwarding {
            mended.drop(Feature::LargeReceive, Reason::Forwarding);
        }
        if mended.active.has(Feature::HardwareReceive) {
            mended.drop(Feature::LargeReceive, Reason::Excludes(Feature::HardwareReceive));
        }
        mended
    }

    /// What lacks something goes, until nothing does: its going may leave another one without.
    fn drop_the_needy(&mut self) {
        loop {
            let before = self.active;
            for feature in before.iter() {
                let missing = feature.needs().iter().find(|need| !self.active.has(**need));
                if let Some(&missing) = missing {
                    self.drop(feature, Reason::Needs(missing));
                }
            }
            if self.active == before {
                return;
            }
        }
    }

    fn drop(&mut self, feature: Feature, reason: Reason) {
        if self.active.has(feature) {
            self.active = self.active.with(feature, false);
            self.reasons[feature.index()] = Some(reason);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use Feature::*;

    const ABLE: Limits =
        Limits { able: FeatureSet::ALL, always: FeatureSet::EMPTY, forwarding: false };

    /// What becomes of `feature` when everything but `missing` is wished for.
    fn without(feature: Feature, missing: Feature) -> (bool, Option<Reason>) {
        let mended = Mended::new(&ABLE, FeatureSet::ALL.with(missing, false));
        (mended.active.has(feature), mended.reasons[feature.index()])
    }

    #[test]
    fn f2_tso_needs_scatter_gather() {
        let needs = Some(Reason::Needs(ScatterGather));
        assert_eq!(without(TcpSegmentation, ScatterGather), (false, needs));
    }

    #[test]
    fn f2_tso_needs_checksums() {
        let needs = Some(Reason::Needs(TxChecksumming));
        assert_eq!(without(TcpSegmentation, TxChecksumming), (false, needs));
    }

    #[test]
    fn f2_uso_needs_checksums_and_not_scatter_gather() {
        let needs = Some(Reason::Needs(TxChecksumming));
        assert_eq!(without(UdpSegmentation, TxChecksumming), (false, needs));
        assert_eq!(without(UdpSegmentation, ScatterGather), (true, None));
    }

    #[test]
    fn f2_gso_needs_scatter_gather_and_no_checksums() {
        let needs = Some(Reason::Needs(ScatterGather));
        assert_eq!(without(GenericSegmentation, ScatterGather), (false, needs));
        assert_eq!(without(GenericSegmentation, TxChecksumming), (true, None));
    }

    #[test]
    fn f2_scatter_gather_needs_no_checksums() {
        assert_eq!(without(ScatterGather, TxChecksumming), (true, None));
    }

    #[test]
    fn f2_what_merges_needs_verified_checksums() {
        for feature in [GenericReceive, HardwareReceive] {
            let needs = Some(Reason::Needs(RxChecksumming));
            assert_eq!(without(feature, RxChecksumming), (false, needs));
        }
    }

    #[test]
    fn f2_udp_gro_lro_and_lists_need_the_coalescer_even_through_others() {
        for feature in [UdpReceive, LargeReceive, ReceiveList] {
            let needs = Some(Reason::Needs(GenericReceive));
            assert_eq!(without(feature, GenericReceive), (false, needs));
            assert!(!without(feature, RxChecksumming).0);
        }
    }

    #[test]
    fn f2_lro_excludes_forwarding_and_gro_in_hardware() {
        let lro = |mended: Mended| {
            (mended.active.has(LargeReceive), mended.reasons[LargeReceive.index()])
        };
        let forwarding = Limits { forwarding: true, ..ABLE };
        let wish = FeatureSet::ALL.with(HardwareReceive, false);
        assert_eq!(lro(Mended::new(&forwarding, wish)), (false, Some(Reason::Forwarding)));
        assert_eq!(lro(Mended::new(&ABLE, wish)), (true, None));
        let excludes = Some(Reason::Excludes(HardwareReceive));
        assert_eq!(lro(Mended::new(&ABLE, FeatureSet::ALL)), (false, excludes));
    }

    #[test]
    fn f2_nothing_exceeds_what_can_be() {
        let limits = Limits { able: FeatureSet::of(&[RxChecksumming]), ..ABLE };
        let mended = Mended::new(&limits, FeatureSet::ALL);
        assert_eq!(mended.active, limits.able);
        assert_eq!(mended.reasons[GenericReceive.index()], Some(Reason::Unable));
    }

    #[test]
    fn f2_what_is_always_on_stays_on() {
        let limits = Limits { always: FeatureSet::of(&[ScatterGather]), ..ABLE };
        assert_eq!(Mended::new(&limits, FeatureSet::EMPTY).active, limits.always);
    }

    /// Any set, from the bits of a number.
    fn set() -> impl Strategy<Value = FeatureSet> {
        any::<u32>().prop_map(|bits| {
            let has = |feature: &&Feature| bits >> feature.index() & 1 == 1;
            Feature::ALL.iter().filter(has).copied().collect()
        })
    }

    /// The combinations nobody may see, told apart from the code that mends.
    fn is_forbidden(active: FeatureSet, forwarding: bool) -> bool {
        let on = |feature| active.has(feature);
        on(TcpSegmentation) && !(on(ScatterGather) && on(TxChecksumming))
            || on(UdpSegmentation) && !on(TxChecksumming)
            || on(GenericSegmentation) && !on(ScatterGather)
            || (on(HardwareReceive) || on(GenericReceive)) && !on(RxChecksumming)
            || (on(UdpReceive) || on(LargeReceive) || on(ReceiveList)) && !on(GenericReceive)
            || on(LargeReceive) && (forwarding || on(HardwareReceive))
    }

    proptest! {
        #[test]
        fn f2_mending_is_idempotent_sound_and_takes_no_more_than_it_must(
            able in set(), wanted in set(), forwarding: bool,
        ) {
            let limits = Limits { able, always: FeatureSet::EMPTY, forwarding };
            let mended = Mended::new(&limits, wanted);
            prop_assert!(!is_forbidden(mended.active, forwarding), "{:?}", mended.active);
            prop_assert!(mended.active.but(able.and(wanted)).is_empty(), "nothing is made up");
            prop_assert_eq!(Mended::new(&limits, mended.active).active, mended.active);
            for feature in wanted.but(mended.active).iter() {
                prop_assert!(mended.reasons[feature.index()].is_some(), "{feature} has a reason");
                let more = mended.active.with(feature, true);
                let could = !is_forbidden(more, forwarding) && able.has(feature);
                prop_assert!(!could, "{feature} could have stayed");
            }
        }
    }
}
