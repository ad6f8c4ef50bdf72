//! What else changes while the workers of wire mode work: the stage, and how senders are answered.

use sluice_common::stage::AnyStage;

use super::super::protocol::Switched;
use crate::config::Config;
use crate::pipeline::{Answers, Settler, WireSettings};

/// The way to the workers, by the numbers of their queues.
#[derive(Debug)]
pub(super) struct Settling {
    pub(super) workers: Vec<(u32, Settler<AnyStage>)>,
}

impl Settling {
    /// Has all workers go by `config` from now on.
    pub(super) fn apply(&self, config: &Config) -> Switched {
        let is_late = |(_, settler): &&(u32, Settler<AnyStage>)| {
            let (stage, answers) = (config.stage.clone(), answers(config));
            !settler.settle(WireSettings { stage, answers })
        };
        Switched::all_but(self.workers.iter().filter(is_late).map(|(queue, _)| *queue).collect())
    }
}

/// How senders of what is too large are answered.
pub(super) const fn answers(config: &Config) -> Answers {
    Answers { from: config.wire.icmp_from, per_second: config.wire.icmp_rate }
}
