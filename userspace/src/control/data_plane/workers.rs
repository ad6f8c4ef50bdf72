//! A worker of any mode, as the thread that runs it sees it.

use sluice_common::stage::AnyStage;

use super::super::next_hops::Client;
use crate::pipeline::{NoHost, Report, WireHelper, WireWorker, Worker};
use crate::tun;
use crate::xsk::XskPort;

/// A worker of host mode.
pub(super) type HostWorker<'u> = Worker<'u, XskPort<'u>, tun::Queue, Client>;
/// A worker of wire mode.
pub(super) type PairWorker<'u> = WireWorker<'u, XskPort<'u>, NoHost, AnyStage>;

/// A worker of any mode.
pub(super) enum AnyWorker<'u> {
    Host(Box<HostWorker<'u>>),
    Wire(Box<PairWorker<'u>>),
    Helper(Box<WireHelper<'u, AnyStage>>),
}

impl AnyWorker<'_> {
    /// Whether it has no queue of its own.
    pub(super) const fn is_helper(&self) -> bool {
        matches!(self, Self::Helper(_))
    }

    /// Works until it is told to stop, or a device vanishes.
    pub(super) fn run(self) -> Report {
        match self {
            Self::Host(worker) => worker.run(),
            Self::Wire(worker) => worker.run(),
            Self::Helper(worker) => worker.run(),
        }
    }
}
