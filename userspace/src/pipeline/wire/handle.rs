//! How a worker of wire mode is talked to.

use crossbeam::channel::{Receiver, Sender, bounded};

use super::config::WireSettings;
use crate::pipeline::command::Handle;

/// How a worker of wire mode is talked to.
#[derive(Debug)]
pub struct WireHandle<S> {
    handle: Handle,
    settler: Settler<S>,
}

/// How a worker of wire mode is given other settings.
#[derive(Debug)]
pub struct Settler<S>(Sender<WireSettings<S>>);

impl<S> Settler<S> {
    /// One that a worker listens to, and the worker's end.
    pub(super) fn new() -> (Self, Receiver<WireSettings<S>>) {
        let (sender, settings) = bounded(1);
        (Self(sender), settings)
    }

    /// Tells the worker to treat trains by `settings` from now on; it does within ten milliseconds. `false`: it
    /// has not taken the ones before, and takes no more.
    pub fn settle(&self, settings: WireSettings<S>) -> bool {
        self.0.try_send(settings).is_ok()
    }
}

impl<S> WireHandle<S> {
    pub(super) const fn new(handle: Handle, settler: Settler<S>) -> Self {
        Self { handle, settler }
    }

    /// What every worker can be told.
    #[must_use]
    pub const fn handle(&self) -> &Handle {
        &self.handle
    }

    /// What takes other settings to the worker.
    #[must_use]
    pub const fn settler(&self) -> &Settler<S> {
        &self.settler
    }

    /// Both, each by itself.
    #[must_use]
    pub fn into_parts(self) -> (Handle, Settler<S>) {
        (self.handle, self.settler)
    }
}
