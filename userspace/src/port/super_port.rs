//! A way out for super-packets: whoever is behind it segments them.

use std::io::IoSlice;

use sluice_common::offload::GsoType;

/// What became of a packet given to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// The kernel has it.
    Done,
    /// No room now; the packet is still the caller's.
    Full,
    /// The kernel had it, and dropped all or a part of it: a queue behind this one was full.
    Dropped,
    /// The kernel will never take this packet.
    Refused,
    /// The device is gone or down.
    Gone,
}

/// One queue of a device that takes super-packets, one system call each: a TUN queue, a packet socket, or memory in
/// tests.
pub trait SuperPort {
    /// The most slices [`send`](Self::send) takes, vnet header and packet headers included.
    const MAX_SLICES: usize;

    /// Whether [`send`](Self::send) takes super-packets of this type. The packets of a train that it does
    /// not take are given to it one by one.
    fn takes(&self, gso_type: GsoType) -> bool;

    /// Gives the kernel one packet. The first slice begins with a vnet header
    /// ([`sluice_common::offload::VnetHeader`]), the packet follows it, from the IP header on or with its link
    /// header, as the device has it.
    fn send(&mut self, slices: &[IoSlice<'_>]) -> Sent;
}
