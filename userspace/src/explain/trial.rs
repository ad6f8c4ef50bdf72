//! What other settings would have merged: not a guess, but the same packets through the same engine.

use std::rc::Rc;

use sluice_common::offload::{GroConfig, RxChecksum};

use super::burst::Bursts;
use super::lane::Lanes;
use super::packet::Packet;
use super::settings::Settings;
use super::summary::TrialOutcome;

/// What is tried, one at a time. A profile that this version does not have is not tried.
const CANDIDATES: [(&str, &str); 9] = [
    ("gro", "true"),
    ("rx_checksum", "partial"),
    ("flush_timeout_us", "adaptive"),
    ("flush_timeout_us", "50"),
    ("flush_timeout_us", "500"),
    ("profile", "accecn"),
    ("profile", "lro"),
    ("profile", "reorder"),
    ("max_size", "65535"),
];

/// One other setting, tried on the packets as they pass.
pub(super) struct Trial {
    setting: String,
    lanes: Lanes,
    hand_overs: u64,
}

impl Trial {
    /// Every setting that is worth trying beside `settings`.
    pub(super) fn all(settings: &Settings, bursts: Bursts) -> Vec<Self> {
        let own = settings.coalescing();
        let candidates = CANDIDATES.iter().filter_map(|(key, value)| {
            let mut other = settings.with(key, value).ok()?.coalescing();
            if own.rx_checksum == RxChecksum::Trust {
                // Nothing is left to be gained, and where packets are cut it was not chosen.
                other.rx_checksum = RxChecksum::Trust;
            }
            (other != own).then(|| Self::new(format!("{key} = {}", quoted(value)), other, bursts))
        });
        candidates.collect()
    }

    fn new(setting: String, config: GroConfig, bursts: Bursts) -> Self {
        Self { setting, lanes: Lanes::new(config, bursts), hand_overs: 0 }
    }

    pub(super) fn push(&mut self, packet: &Rc<Packet>) {
        let Self { lanes, hand_overs, .. } = self;
        lanes.advance(packet.time, |_| *hand_overs += 1);
        lanes.push(packet, |_| *hand_overs += 1);
    }

    /// What came of it, if it is better than `hand_overs` by a hundredth.
    pub(super) fn finish(mut self, hand_overs: u64) -> Option<TrialOutcome> {
        let count = &mut self.hand_overs;
        self.lanes.finish(|_| *count += 1);
        let gain = hand_overs.saturating_sub(self.hand_overs);
        (gain > 0 && gain >= hand_overs / 100)
            .then_some(TrialOutcome { setting: self.setting, hand_overs: self.hand_overs })
    }
}

/// As it stands in a configuration file.
fn quoted(value: &str) -> String {
    let is_bare = value == "true" || value.bytes().all(|byte| byte.is_ascii_digit());
    if is_bare { value.to_owned() } else { format!("{value:?}") }
}
