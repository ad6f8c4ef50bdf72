//! From `[offload]` to Sluice's own features, and back once they are switched.

use sluice_common::offload::Profile;
use sluice_common::offload::features::{Feature, FeatureSet, Features, Limits};

use super::{Mode, Offload, RxChecksum};

/// What a NIC or its driver does and Sluice has no part in.
const FOREIGN: FeatureSet = FeatureSet::of(&[
    Feature::HardwareReceive,
    Feature::ReceiveList,
    Feature::PartialSegmentation,
    Feature::RxVlan,
    Feature::TxVlan,
    Feature::Ntuple,
    Feature::ReceiveHashing,
    Feature::TrafficControl,
]);

/// What Sluice does, or could.
pub const OWN_FEATURES: FeatureSet = FeatureSet::ALL.but(FOREIGN);

/// What the workers and the TUN device can do, all of it in software.
const ABLE: FeatureSet = FeatureSet::of(&[
    Feature::RxChecksumming,
    Feature::TxChecksumming,
    Feature::ScatterGather,
    Feature::TcpSegmentation,
    Feature::UdpSegmentation,
    Feature::GenericSegmentation,
    Feature::GenericReceive,
    Feature::UdpReceive,
    Feature::LargeReceive,
]);

/// Of that, what nothing would be without: trains stay in the packets' own buffers, and a port that does
/// not segment is segmented for.
const ALWAYS: FeatureSet = FeatureSet::of(&[Feature::ScatterGather, Feature::GenericSegmentation]);

impl Offload {
    /// Sluice's own features as these settings have them, under the names of `ethtool -k`.
    #[must_use]
    pub fn features(&self, mode: Mode) -> Features {
        // Nobody but Sluice would take a checksum for right that is not finished.
        let partial = self.rx_checksum == RxChecksum::Partial;
        let always = ALWAYS.with(Feature::RxChecksumming, partial);
        let wanted = ABLE
            .with(Feature::GenericReceive, self.gro)
            .with(Feature::UdpReceive, self.udp_gro)
            .with(Feature::LargeReceive, self.profile == Profile::Lro)
            .with(Feature::TcpSegmentation, self.tso)
            .with(Feature::UdpSegmentation, self.uso);
        Features::new(Limits { able: ABLE, always, forwarding: mode == Mode::Wire }, wanted)
    }

    /// These settings with what is `active` switched on and all else off.
    #[must_use]
    pub fn switched(&self, active: FeatureSet) -> Self {
        let verifies = active.has(Feature::RxChecksumming);
        Self {
            gro: active.has(Feature::GenericReceive),
            udp_gro: active.has(Feature::UdpReceive),
            tso: active.has(Feature::TcpSegmentation),
            uso: active.has(Feature::UdpSegmentation),
            profile: self.profile_with(active.has(Feature::LargeReceive)),
            rx_checksum: if verifies { self.rx_checksum } else { RxChecksum::Leave },
            ..self.clone()
        }
    }

    /// LRO is a profile: switched off, the one that the file names is back, or the default where that is
    /// LRO itself.
    fn profile_with(&self, lro: bool) -> Profile {
        match (lro, self.profile) {
            (true, _) => Profile::Lro,
            (false, Profile::Lro) => Profile::default(),
            (false, other) => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use sluice_common::offload::features::{Reason, State};

    use super::*;

    fn offload(text: &str) -> Offload {
        Offload::parse(&format!("[offload]\n{text}"), Path::new("test.toml")).unwrap()
    }

    #[test]
    fn f1_the_settings_are_features_and_come_back_as_settings() {
        for text in [
            "",
            "udp_gro = false",
            "tso = false",
            "uso = false",
            "rx_checksum = \"trust\"",
            "profile = \"accecn\"",
            "profile = \"lro\"",
            "max_size = 999",
        ] {
            let offload = offload(text);
            let features = offload.features(Mode::Host);
            assert_eq!(offload.switched(features.active()), offload, "{text}");
        }
        let off = offload("gro = false");
        let switched = off.switched(off.features(Mode::Host).active());
        assert_eq!(switched, Offload { udp_gro: false, ..off }, "which needs it");
        let features = offload("tso = false").features(Mode::Host);
        assert_eq!(features.state(Feature::TcpSegmentation), State::Off);
        assert_eq!(features.state(Feature::GenericReceive), State::On);
        assert_eq!(features.state(Feature::ScatterGather), State::FixedOn);
        assert_eq!(features.state(Feature::RxVlan), State::FixedOff);
    }

    #[test]
    fn f2_lro_is_a_profile_and_gives_way_to_the_one_before() {
        for (text, without) in [
            ("", Profile::Linux),
            ("profile = \"accecn\"", Profile::AccEcn),
            ("profile = \"lro\"", Profile::Linux),
        ] {
            let offload = offload(text);
            let mut features = offload.features(Mode::Host);
            features.set(&[(Feature::LargeReceive, true)]).unwrap();
            assert_eq!(offload.switched(features.active()).profile, Profile::Lro, "{text}");
            features.set(&[(Feature::LargeReceive, false)]).unwrap();
            assert_eq!(offload.switched(features.active()).profile, without, "{text}");
        }
        let mut forwarding = offload("").features(Mode::Wire);
        forwarding.set(&[(Feature::LargeReceive, true)]).unwrap();
        let why = State::RequestedOff(Reason::Forwarding);
        assert_eq!(forwarding.state(Feature::LargeReceive), why);
    }

    #[test]
    fn f2_without_verified_checksums_nothing_is_merged() {
        let offload = offload("");
        let mut features = offload.features(Mode::Host);
        features.set(&[(Feature::RxChecksumming, false)]).unwrap();
        let switched = offload.switched(features.active());
        assert_eq!((switched.gro, switched.rx_checksum), (false, RxChecksum::Leave));
    }

    #[test]
    fn f2_unfinished_checksums_cannot_be_left_to_others() {
        let features = offload("rx_checksum = \"partial\"").features(Mode::Host);
        assert_eq!(features.state(Feature::RxChecksumming), State::FixedOn);
    }
}
