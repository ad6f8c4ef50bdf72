//! The other port of a wire, into the DEVMAP.

use aya::maps::xdp::XdpMapError;
use aya::maps::{DevMap, MapData, MapError};
use sluice_common::abi;

use super::SteerError;

/// The other port of a wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Number of the interface in this network namespace.
    pub index: u32,
    /// Its MTU: the largest IP packet it sends, in bytes.
    pub mtu: u32,
}

/// The map with one place, for the other port.
pub(super) struct PeerMap(pub(super) DevMap<MapData>);

impl PeerMap {
    pub(super) fn set(&mut self, index: u32) -> Result<(), SteerError> {
        self.put(index).map_err(|source| SteerError::Peer { index, source })
    }

    pub(super) fn clear(&mut self) -> Result<(), SteerError> {
        // No interface has this number, and the kernel takes it for an empty place (kernel/bpf/devmap.c).
        self.put(0).map_err(|source| SteerError::Map { map: abi::PEER, source })
    }

    fn put(&mut self, index: u32) -> Result<(), MapError> {
        self.0.set(0, index, None, 0).map_err(|error| match error {
            XdpMapError::MapError(source) => source,
            // Only where a program is given.
            XdpMapError::ChainedProgramNotSupported => MapError::ProgIdNotSupported,
        })
    }
}
