//! Socket options of an AF_XDP socket.

use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};

use super::size::RingSize;

/// What one frame in flight is charged for, at most: an skb of a full frame, with its overhead; a page
/// for each further one of the same packet.
const CHARGE: u64 = 8192;
/// Largest send buffer asked for. The kernel doubles the number and keeps it in an `int`.
const MOST: u64 = (i32::MAX / 2) as u64;
/// How long one busy poll may look for packets, in microseconds. The kernel's documentation of
/// preferred busy polling uses this value: long enough to find a burst, far below a scheduling tick.
const BUSY_POLL_US: libc::c_int = 20;

// `include/uapi/asm-generic/socket.h`; the `libc` crate has them for other C libraries only.
const SO_BUSY_POLL: libc::c_int = 46;
const SO_PREFER_BUSY_POLL: libc::c_int = 69;
const SO_BUSY_POLL_BUDGET: libc::c_int = 70;

/// Which option failed, and how.
pub(super) type Failed = (&'static str, Errno);

/// Lets the whole transmit ring be in flight.
///
/// In copy mode every packet is charged to the send buffer until its completion: with the default of
/// 208 KiB 80 to 100 full packets fit, and throughput halves.
pub(super) fn raise_send_buffer(socket: &impl AsFd, ring: RingSize) -> Result<(), Failed> {
    let bytes = (u64::from(ring.get()) * CHARGE).clamp(1 << 18, MOST);
    setsockopt(&socket.as_fd(), sockopt::SndBufForce, &(bytes as usize))
        .map_err(|errno| ("SO_SNDBUFFORCE", errno))
}

/// Lets the worker's own system calls run the driver, instead of interrupts.
pub(super) fn prefer_busy_poll(socket: &impl AsFd, budget: u16) -> Result<(), Failed> {
    let set = |option, value| set(socket, libc::SOL_SOCKET, option, value);
    set(SO_PREFER_BUSY_POLL, 1).map_err(|errno| ("SO_PREFER_BUSY_POLL", errno))?;
    set(SO_BUSY_POLL, BUSY_POLL_US).map_err(|errno| ("SO_BUSY_POLL", errno))?;
    set(SO_BUSY_POLL_BUDGET, budget.into()).map_err(|errno| ("SO_BUSY_POLL_BUDGET", errno))
}

/// Sets an option that is an `int`.
pub(super) fn set(
    socket: &impl AsFd,
    level: libc::c_int,
    option: libc::c_int,
    value: libc::c_int,
) -> Result<(), Errno> {
    let (fd, len) = (socket.as_fd().as_raw_fd(), size_of::<libc::c_int>() as libc::socklen_t);
    // SAFETY: the descriptor is open (it is borrowed), and `value` is an int of `len` bytes that lives
    // to the end of the call, which only reads it.
    let result = unsafe { libc::setsockopt(fd, level, option, (&raw const value).cast(), len) };
    Errno::result(result).map(drop)
}
