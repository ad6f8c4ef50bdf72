//! One queue of a TUN device.

use std::fmt;
use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::sys::uio::writev;
use nix::unistd::read;
use sluice_common::offload::GsoType;
use tun_rs::SyncDevice;

use crate::port::{HostPort, Received, Sent, SuperPort};

/// Bytes of a buffer that holds whatever a queue has to give: a vnet header and the largest
/// super-packet (`GSO_LEGACY_MAX_SIZE`, linux/netdevice.h).
pub const RECEIVE_BUFFER: usize = 10 + 65_536;

/// One queue: what one worker writes trains to and reads super-packets from, without ever blocking.
///
/// The kernel sends a flow's packets to the queue its received packets were written to
/// (`tun_automq_select_queue`), so a flow stays with its worker in both directions.
pub struct Queue {
    device: SyncDevice,
    takes_udp: bool,
}

impl Queue {
    pub(super) fn new(device: SyncDevice, takes_udp: bool) -> Self {
        Self { device, takes_udp }
    }
}

impl AsFd for Queue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.device.as_fd()
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("fd", &self.as_fd()).finish()
    }
}

impl SuperPort for Queue {
    /// `UIO_MAXIOV`, what one `writev` takes; the driver copies, so it sets no lower bound.
    const MAX_SLICES: usize = 1024;

    /// TCP for as long as there is a vnet header. UDP from Linux 6.2 on, where the device has been asked.
    /// What is in a tunnel it could not be told in ten bytes of vnet header.
    fn takes(&self, gso_type: GsoType) -> bool {
        let kind = match gso_type.kind() {
            GsoType::TCPV4 | GsoType::TCPV6 => true,
            GsoType::UDP_L4 => self.takes_udp,
            _ => false,
        };
        kind && !gso_type.is_encapsulated()
    }

    fn send(&mut self, slices: &[IoSlice<'_>]) -> Sent {
        match writev(self.as_fd(), slices) {
            Ok(_) => Sent::Done,
            Err(errno) => sent(errno),
        }
    }
}

impl HostPort for Queue {
    fn receive(&mut self, buffer: &mut [u8]) -> Received {
        match read(self.as_fd(), buffer) {
            // A packet larger than the buffer is cut, and its whole length returned.
            Ok(len) => Received::Packet(len.min(buffer.len())),
            Err(errno) => received(errno),
        }
    }
}

fn sent(errno: Errno) -> Sent {
    match errno {
        // ENOBUFS, ENOMEM: no memory for an skb just now. EINTR: a signal came first.
        Errno::EAGAIN | Errno::EINTR | Errno::ENOBUFS | Errno::ENOMEM => Sent::Full,
        // EIO: the device is down. EBADFD: it is deleted.
        Errno::EIO | Errno::EBADFD => Sent::Gone,
        // EINVAL: a vnet header that disagrees with its packet, or no IP version the driver knows.
        _ => Sent::Refused,
    }
}

fn received(errno: Errno) -> Received {
    match errno {
        Errno::EAGAIN | Errno::EINTR => Received::Empty,
        _ => Received::Gone,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_will_pass_is_full_what_is_wrong_is_refused_what_is_lost_is_gone() {
        for errno in [Errno::EAGAIN, Errno::EINTR, Errno::ENOBUFS, Errno::ENOMEM] {
            assert_eq!(sent(errno), Sent::Full, "{errno}");
        }
        for errno in [Errno::EINVAL, Errno::EMSGSIZE, Errno::EFAULT] {
            assert_eq!(sent(errno), Sent::Refused, "{errno}");
        }
        for errno in [Errno::EIO, Errno::EBADFD] {
            assert_eq!(sent(errno), Sent::Gone, "{errno}");
            assert_eq!(received(errno), Received::Gone, "{errno}");
        }
        assert_eq!(received(Errno::EAGAIN), Received::Empty);
    }
}
