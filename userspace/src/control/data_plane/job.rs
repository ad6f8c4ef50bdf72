//! A worker that waits to be started, of whichever mode.

use core_affinity::CoreId;
use sluice_common::stage::AnyStage;

use crate::pipeline::{Answers, Handle, Report, WireHandle, WireSettings};

/// What a worker does, to its end.
pub(super) type Run<'u> = Box<dyn FnOnce() -> Report + Send + 'u>;

/// A worker that waits to be started.
pub(super) struct Job<'u> {
    pub(super) run: Run<'u>,
    pub(super) line: Line,
    /// Where it is to run.
    pub(super) core: Option<CoreId>,
}

/// How a worker is talked to.
pub(super) enum Line {
    Host(Handle),
    Wire(WireHandle<AnyStage>),
    /// One that works for the worker of another queue.
    Helper(WireHandle<AnyStage>),
}

impl Line {
    pub(super) const fn handle(&self) -> &Handle {
        match self {
            Self::Host(handle) => handle,
            Self::Wire(handle) | Self::Helper(handle) => handle.handle(),
        }
    }

    pub(super) const fn is_helper(&self) -> bool {
        matches!(self, Self::Helper(_))
    }

    /// Has the worker treat trains so from now on. `false`: it has not taken what it was told before.
    pub(super) fn settle(&self, stage: &AnyStage, answers: Answers) -> bool {
        match self {
            Self::Host(_) => true,
            Self::Wire(handle) | Self::Helper(handle) => {
                handle.settle(WireSettings { stage: stage.clone(), answers })
            }
        }
    }
}
