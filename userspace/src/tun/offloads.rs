//! What a TUN device leaves to whoever reads from it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use nix::errno::Errno;

use super::ioctl;

/// What a TUN device leaves to whoever reads from it. What it does not, the kernel does before a packet
/// comes out. To give super-packets to the kernel needs none of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offloads {
    /// To make checksums. Without, the kernel refuses the others.
    pub checksums: bool,
    /// To cut TCP super-packets.
    pub tcp: bool,
    /// To cut UDP super-packets; from Linux 6.2.
    pub udp: bool,
}

impl Offloads {
    /// All of them.
    pub const ALL: Self = Self { checksums: true, tcp: true, udp: true };
}

/// A hold on a TUN device by which its offloads are changed while others read its queues. It needs no
/// privilege. The device stays while one is held, even when its queues are closed.
#[derive(Debug)]
pub struct Control {
    device: OwnedFd,
    knows_udp: bool,
}

impl Control {
    /// Sets `wanted` for the first time, less the UDP super-packets that a kernel before 6.2 does not know.
    pub(super) fn open(queue: impl AsFd, wanted: Offloads) -> io::Result<Self> {
        let device = queue.as_fd().try_clone_to_owned()?;
        let all = ioctl::set_offload(&device, Offloads::ALL);
        let knows_udp = all.map_or_else(unless_unknown, |()| Ok(true))?;
        let control = Self { device, knows_udp };
        control.set(wanted)?;
        Ok(control)
    }

    /// Whether the kernel knows UDP super-packets with a vnet header, either way.
    #[must_use]
    pub const fn knows_udp(&self) -> bool {
        self.knows_udp
    }

    /// Changes what the device leaves to its readers. Packets that wait in its queues stay as they are.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn set(&self, offloads: Offloads) -> io::Result<()> {
        let udp = offloads.udp && self.knows_udp;
        ioctl::set_offload(&self.device, Offloads { udp, ..offloads })
    }
}

/// `EINVAL` is a flag the kernel does not know.
fn unless_unknown(error: io::Error) -> io::Result<bool> {
    if error.raw_os_error() == Some(Errno::EINVAL as i32) { Ok(false) } else { Err(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_kernel_is_told_from_a_refusal() {
        assert!(!unless_unknown(Errno::EINVAL.into()).unwrap());
        assert!(unless_unknown(Errno::EBADF.into()).is_err());
    }
}
