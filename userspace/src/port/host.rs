//! The side of the local kernel: whole super-packets, one system call each.

use std::io::IoSlice;

use sluice_common::offload::GsoType;

/// What became of a packet given to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The kernel has it.
    Done,
    /// No room now; the packet is still the caller's.
    Full,
    /// The kernel will never take this packet.
    Refused,
    /// The device is gone or down.
    Gone,
}

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

/// One queue of a device that carries super-packets: a TUN queue, or memory in tests.
pub trait HostPort {
    /// The most slices [`send`](Self::send) takes, vnet header and packet headers included.
    const MAX_SLICES: usize;

    /// Whether [`send`](Self::send) takes super-packets of this type. The packets of a train that it does
    /// not take are given to it one by one.
    fn takes(&self, gso_type: GsoType) -> bool;

    /// Gives the kernel one packet. The first slice begins with a vnet header
    /// ([`sluice_common::offload::VnetHeader`]), the IP packet follows it.
    fn send(&mut self, slices: &[IoSlice<'_>]) -> Sent;

    /// Takes one packet, vnet header first, into `buffer`.
    fn receive(&mut self, buffer: &mut [u8]) -> Received;
}
