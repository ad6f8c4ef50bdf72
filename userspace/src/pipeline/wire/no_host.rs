//! The local kernel where no stage hands it anything.

use std::io::IoSlice;

use sluice_common::offload::GsoType;

use crate::port::{HostPort, Received, Sent, SuperPort};

/// A [`HostPort`] for wires that no train leaves for the local kernel: it refuses what it is given, which is
/// counted, and gives nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHost;

impl SuperPort for NoHost {
    const MAX_SLICES: usize = usize::MAX;

    fn takes(&self, _: GsoType) -> bool {
        true
    }

    fn send(&mut self, _: &[IoSlice<'_>]) -> Sent {
        Sent::Refused
    }
}

impl HostPort for NoHost {
    fn receive(&mut self, _: &mut [u8]) -> Received {
        Received::Empty
    }
}
