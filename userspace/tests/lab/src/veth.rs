//! A veth pair between two namespaces that looks like a wire between two NICs.

use std::net::{Ipv4Addr, Ipv6Addr};

use anyhow::{Context, Result};

use crate::namespace::checked;
use crate::{HANG, Namespace, wait_until};

/// What a sender puts into the checksum field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksums {
    /// The checksum, as on a wire. Segmentation offload goes with it: whole checksums are only
    /// computed once the packets are cut.
    Whole,
    /// The sum over the pseudo-header only, as veth and virtio peers with `tx` offload on send it.
    Partial,
}

/// What becomes of packets on their way from an interface to its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Receive {
    /// Each by itself, and a capture shows packets as they crossed the wire. A packet that the other end
    /// redirects to this one in native XDP is lost.
    Plain,
    /// Each by itself too, out of a NAPI ring, where a packet lies that was redirected (`veth_xdp_xmit`
    /// asks for one, Linux `drivers/net/veth.c`). GRO makes the ring; a largest size of one byte leaves it
    /// nothing to merge (`skb_gro_receive`, `net/core/gro.c`).
    Ring,
    /// Out of a NAPI ring and merged, as a host with a fast link does it.
    Merged,
}

/// One end of a wire.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End<'n> {
    /// The host it is in.
    pub(crate) host: &'n Namespace,
    /// What it is called there.
    pub(crate) link: &'n str,
}

/// Lays a wire from one end to the other, both still down.
pub(crate) fn lay(near: End<'_>, far: End<'_>, mtu: u32, queues: u32) -> Result<()> {
    let size = format!("mtu {mtu} numrxqueues {queues} numtxqueues {queues}");
    let (link, far, host) = (near.link, far.link, far.host.name());
    let add = format!("link add {link} {size} type veth peer name {far} {size} netns {host}");
    near.host.ip(&add).map(drop).context("cannot lay the wire between the namespaces")
}

impl End<'_> {
    /// `gso` stays on: the kernel still cuts in software just before the wire, which costs what a NIC's
    /// driver would.
    pub(crate) fn offload(self, checksums: Checksums, receive: Receive) -> Result<()> {
        let tx = if checksums == Checksums::Whole { "off" } else { "on" };
        let gro = if receive == Receive::Plain { "off" } else { "on" };
        let features = format!("-K {} tx {tx} tso off gro {gro}", self.link);
        checked(self.host.command("ethtool").args(features.split_whitespace()))?;
        if receive == Receive::Ring {
            self.host.ip(&format!("link set {} gro_max_size 1", self.link))?;
        }
        Ok(())
    }

    /// Up, with addresses. No link-local one, and `nodad`: both would keep the lab changing for seconds,
    /// asking around whether somebody else has the address.
    pub(crate) fn up(self, v4: Ipv4Addr, v6: Ipv6Addr) -> Result<()> {
        let Self { host, link } = self;
        host.ip_batch(&format!(
            "link set {link} addrgenmode none\naddress add {v4}/24 dev {link}\naddress add {v6}/64 dev {link} nodad\nlink set {link} up\n"
        ))
    }

    /// Up, without an address.
    pub(crate) fn up_bare(self) -> Result<()> {
        let Self { host, link } = self;
        host.ip_batch(&format!("link set {link} addrgenmode none\nlink set {link} up\n"))
    }

    /// The kernel notices in the background that the other end is up.
    pub(crate) fn await_carrier(self) -> Result<()> {
        let show = format!("link show {}", self.link);
        let up = || self.host.ip(&show).is_ok_and(|told| told.contains("state UP"));
        wait_until("the wire has a carrier", HANG, || up().then_some(()))
    }
}
