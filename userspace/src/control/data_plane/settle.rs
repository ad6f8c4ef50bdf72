//! What else changes while the workers of wire mode work: the stage, and how senders are answered.

use std::path::PathBuf;

use sluice_common::stage::AnyStage;

use super::super::protocol::Switched;
use crate::config::Config;
use crate::pipeline::{Answers, Settler, WireSettings};

/// The way to the workers, by the numbers of their queues.
#[derive(Debug)]
pub(super) struct Settling {
    /// How messages call the configuration file.
    pub(super) file: PathBuf,
    pub(super) workers: Vec<(u32, Settler<AnyStage>)>,
}

impl Settling {
    /// Has all workers go by the configuration `text` from now on. The supervisor has read it before, and found
    /// that nothing else in it has changed.
    pub(super) fn apply(&self, text: &str) -> Switched {
        let config = match Config::parse(text, &self.file) {
            Ok(config) => config,
            Err(error) => return Switched::Refused(error.to_string()),
        };
        let is_late = |(_, settler): &&(u32, Settler<AnyStage>)| {
            let (stage, answers) = (config.stage.clone(), answers(&config));
            !settler.settle(WireSettings { stage, answers })
        };
        match self.workers.iter().filter(is_late).map(|(queue, _)| *queue).collect::<Vec<_>>() {
            late if late.is_empty() => Switched::Done,
            late => Switched::Late(late),
        }
    }
}

/// How senders of what is too large are answered.
pub(super) const fn answers(config: &Config) -> Answers {
    Answers { from: config.wire.icmp_from, per_second: config.wire.icmp_rate }
}
