//! AF_XDP sockets into the XSKMAP.

use std::os::fd::{AsRawFd, BorrowedFd};

use aya::maps::{Map, MapData, XskMap};
use sluice_common::abi;

use super::SteerError;

/// Puts `socket` into the map at `queue`. Packets of that queue which a rule steers go there from now
/// on, provided that the socket is bound to the very queue and its worker gives signs of life.
///
/// The map is named by its file descriptor, so that a process that inherited it can do this.
///
/// # Errors
/// The queue is beyond the map, the descriptor is not an XSKMAP, or the kernel refuses.
pub fn insert_socket(
    xsk_map: BorrowedFd<'_>,
    queue: u32,
    socket: BorrowedFd<'_>,
) -> Result<(), SteerError> {
    open(xsk_map, queue)?
        .set(queue, socket.as_raw_fd(), 0)
        .map_err(|source| SteerError::Socket { queue, source })
}

/// Takes the socket of `queue` out of the map. Its packets pass to the kernel. (The kernel does the same
/// when the socket is closed.)
///
/// # Errors
/// The queue is beyond the map, the descriptor is not an XSKMAP, or there is no socket.
pub fn remove_socket(xsk_map: BorrowedFd<'_>, queue: u32) -> Result<(), SteerError> {
    open(xsk_map, queue)?.unset(queue).map_err(|source| SteerError::Socket { queue, source })
}

fn open(xsk_map: BorrowedFd<'_>, queue: u32) -> Result<XskMap<MapData>, SteerError> {
    if queue >= abi::MAX_QUEUES {
        return Err(SteerError::Queue { queue });
    }
    MapData::from_fd(xsk_map.try_clone_to_owned()?)
        .and_then(Map::from_map_data)
        .and_then(XskMap::try_from)
        .map_err(|source| SteerError::Map { map: abi::XSKS, source })
}
