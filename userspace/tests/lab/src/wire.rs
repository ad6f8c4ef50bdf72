//! Two namespaces and the veth pair between them.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::namespace::checked;
use crate::owner;
use crate::{Namespace, wait_until};

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

/// What a sender puts into the checksum field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksums {
    /// The checksum, as on a wire. Segmentation offload goes with it: whole checksums are only
    /// computed once the packets are cut.
    Whole,
    /// The sum over the pseudo-header only, as veth and virtio peers with `tx` offload on send it.
    Partial,
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
        let names = names(name);
        let there = names.iter().any(|name| owner::FOLDER.join(name).exists());
        names.iter().for_each(|name| crate::namespace::delete(name));
        there
    }

    /// Leaves the lab behind when the value goes.
    pub fn keep(&mut self) {
        self.peer.keep();
        self.dut.keep();
    }

    fn join(peer: Namespace, dut: Namespace, wiring: Wiring) -> Result<Self> {
        let lab = Self { peer, dut };
        lab.lay(wiring).context("cannot lay the wire between the namespaces")?;
        lab.peer.ip_batch(&addresses(PEER, PEER_V4, PEER_V6))?;
        lab.dut.ip_batch(&addresses(DUT, DUT_V4, DUT_V6))?;
        await_carrier(&lab.peer, PEER)?;
        await_carrier(&lab.dut, DUT)?;
        Ok(lab)
    }

    fn lay(&self, Wiring { queues, mtu, checksums }: Wiring) -> Result<()> {
        let size = format!("mtu {mtu} numrxqueues {queues} numtxqueues {queues}");
        let far = self.dut.name();
        self.peer
            .ip(&format!("link add {PEER} {size} type veth peer name {DUT} {size} netns {far}"))?;
        offloads(&self.dut, DUT, Checksums::Whole)?;
        offloads(&self.peer, PEER, checksums)
    }
}

fn names(lab: &str) -> [String; 2] {
    [format!("sluice-{lab}-peer"), format!("sluice-{lab}-dut")]
}

/// The kernel notices in the background that the other end is up.
fn await_carrier(host: &Namespace, link: &str) -> Result<()> {
    let up = || host.ip(&format!("link show {link}")).is_ok_and(|told| told.contains("state UP"));
    wait_until("the wire has a carrier", Duration::from_secs(10), || up().then_some(()))
}

/// No link-local address, and `nodad`: both would keep the lab changing for seconds, asking around whether
/// somebody else has the address.
fn addresses(link: &str, v4: Ipv4Addr, v6: Ipv6Addr) -> String {
    format!(
        "link set {link} addrgenmode none\naddress add {v4}/24 dev {link}\naddress add {v6}/64 dev {link} nodad\nlink set {link} up\n"
    )
}

/// `gso` stays on: the kernel still cuts in software just before the wire, which costs what a NIC's
/// driver would. `gro` stays off, so that a capture shows packets as they crossed the wire.
fn offloads(host: &Namespace, link: &str, checksums: Checksums) -> Result<()> {
    let tx = if checksums == Checksums::Whole { "off" } else { "on" };
    let features = format!("-K {link} tx {tx} tso off gro off");
    checked(host.command("ethtool").args(features.split_whitespace())).map(drop)
}
