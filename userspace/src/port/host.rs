//! The side of the local kernel: whole super-packets, one system call each.

use super::SuperPort;

/// What the kernel had to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// A vnet header and a packet, this many bytes together.
    Packet(usize),
    /// Nothing now.
    Empty,
    /// The device is gone or down.
    Gone,
}

/// One queue of a device that carries super-packets both ways: a TUN queue, or memory in tests.
pub trait HostPort: SuperPort {
    /// Takes one packet, vnet header first, into `buffer`.
    fn receive(&mut self, buffer: &mut [u8]) -> Received;
}
