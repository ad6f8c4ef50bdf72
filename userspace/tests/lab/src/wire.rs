//! Two namespaces and the veth pair between them.

use std::net::{Ipv4Addr, Ipv6Addr};

use anyhow::Result;

use crate::veth::{End, Receive, lay};
use crate::{Checksums, Namespace, owner};

/// The peer's end of the wire.
pub const PEER: &str = "peer0";
/// The device under test's end.
pub const DUT: &str = "dut0";
/// The peer's IPv4 address, /24. From the block for documentation examples (RFC 5737), which no
/// machine has a route to.
pub const PEER_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// The device under test's IPv4 address, /24.
pub const DUT_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
/// The peer's IPv6 address, /64 (RFC 3849).
pub const PEER_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
/// The device under test's IPv6 address, /64.
pub const DUT_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);

/// How the wire is laid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wiring {
    /// Queues of each direction on both ends.
    pub queues: u32,
    /// MTU of both ends, bytes.
    pub mtu: u32,
    /// What the peer's packets carry in the checksum field.
    pub checksums: Checksums,
}

impl Default for Wiring {
    fn default() -> Self {
        Self { queues: 2, mtu: 1500, checksums: Checksums::Whole }
    }
}

/// Two hosts on one wire.
#[derive(Debug)]
pub struct Lab {
    /// The host at the other end, with the kernel's own network stack: [`PEER`], [`PEER_V4`].
    pub peer: Namespace,
    /// The host Sluice runs on: [`DUT`], [`DUT_V4`].
    pub dut: Namespace,
}

impl Lab {
    /// A lab wired as [`Wiring::default`] says.
    ///
    /// # Errors
    /// Without root, `ip` or `ethtool`.
    pub fn new() -> Result<Self> {
        Self::wired(Wiring::default())
    }

    /// A lab wired as asked.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn wired(wiring: Wiring) -> Result<Self> {
        Self::join(Namespace::new("peer")?, Namespace::new("dut")?, wiring)
    }

    /// A lab called `name` that outlives the process; [`Self::remove`] ends it.
    ///
    /// # Errors
    /// As [`Self::new`], and where there is one of that name.
    pub fn lasting(name: &str, wiring: Wiring) -> Result<Self> {
        let [peer, dut] = names(name);
        let mut lab = Self::join(Namespace::named(peer)?, Namespace::named(dut)?, wiring)?;
        lab.keep();
        Ok(lab)
    }

    /// The lasting lab called `name`.
    ///
    /// # Errors
    /// Where there is none.
    pub fn existing(name: &str) -> Result<Self> {
        let [peer, dut] = names(name);
        Ok(Self { peer: Namespace::existing(peer)?, dut: Namespace::existing(dut)? })
    }

    /// Removes the lasting lab called `name` and what runs in it; `false` if there was none.
    pub fn remove(name: &str) -> bool {
        owner::remove(&names(name))
    }

    /// Leaves the lab behind when the value goes.
    pub fn keep(&mut self) {
        self.peer.keep();
        self.dut.keep();
    }

    fn join(peer: Namespace, dut: Namespace, wiring: Wiring) -> Result<Self> {
        let lab = Self { peer, dut };
        let Wiring { queues, mtu, checksums } = wiring;
        let [peer, dut] = lab.ends();
        lay(peer, dut, mtu, queues)?;
        dut.offload(Checksums::Whole, Receive::Plain)?;
        peer.offload(checksums, Receive::Plain)?;
        peer.up(PEER_V4, PEER_V6)?;
        dut.up(DUT_V4, DUT_V6)?;
        peer.await_carrier()?;
        dut.await_carrier()?;
        Ok(lab)
    }

    fn ends(&self) -> [End<'_>; 2] {
        [End { host: &self.peer, link: PEER }, End { host: &self.dut, link: DUT }]
    }
}

fn names(lab: &str) -> [String; 2] {
    ["peer", "dut"].map(|role| owner::lasting(lab, role))
}
