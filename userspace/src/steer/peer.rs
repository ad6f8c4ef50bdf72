//! The other port of a wire, into the DEVMAP.

use aya::maps::{DevMap, MapData};

use super::SteerError;

/// The other port of a wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Number of the interface in this network namespace.
    pub index: u32,
    /// Its MTU: the largest IP packet it sends, in bytes.
    pub mtu: u32,
}

/// Makes the program send out of interface `index` what it sends to the other port.
pub(super) fn insert(map: &mut DevMap<MapData>, index: u32) -> Result<(), SteerError> {
    map.set(0, index, None, 0).map_err(|source| SteerError::Peer { index, source })
}
