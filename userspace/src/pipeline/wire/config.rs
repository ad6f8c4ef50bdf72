//! How a worker of wire mode is to work.

use std::time::Duration;

use sluice_common::answer::AnswerFrom;
use sluice_common::offload::GroConfig;

use crate::config;

/// How a worker of wire mode is to work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireConfig {
    /// The queue it owns of both ports.
    pub queue: u32,
    /// How it coalesces.
    pub gro: GroConfig,
    /// Largest IP packet of each port, in bytes, in the order of the configuration; not above
    /// [`MAX_MTU`](crate::xsk::MAX_MTU).
    pub mtus: [u16; 2],
    /// Whether TCP is carried from one MTU to the other where they differ: packets are filled or cut, and the
    /// MSS that each end hears is its own network's. Without, what is too large is answered.
    pub translate: bool,
    /// Connections whose MSS is remembered.
    pub flows: usize,
    /// How senders of what is too large are answered.
    pub answers: Answers,
    /// What it does when there is nothing to do.
    pub idle: config::Idle,
    /// How old its sign of life may get.
    pub fail_open: Duration,
}

/// How the senders of packets that are too large for the other side are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answers {
    /// Where the answers come from.
    pub from: AnswerFrom,
    /// Most answers a second.
    pub per_second: u32,
}

/// What may change while the worker works.
#[derive(Debug)]
pub struct WireSettings<S> {
    /// What happens to each train.
    pub stage: S,
    /// How senders are answered.
    pub answers: Answers,
}
