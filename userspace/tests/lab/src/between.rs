//! Three namespaces: a host on either side of one that forwards.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::Result;

use crate::bridge::Bridge;
use crate::line::Line;
use crate::router::Router;
use crate::veth::{End, Receive, lay};
use crate::{Checksums, Impairment, Namespace, owner};

/// The end of the wire that host `a` has.
pub const A: &str = "a0";
/// The end of the wire that host `b` has.
pub const B: &str = "b0";
/// The port of the device under test that leads to `a`: side A.
pub const LEFT: &str = "left0";
/// The port of the device under test that leads to `b`: side B.
pub const RIGHT: &str = "right0";
/// IPv4 address of `a`, /24 (RFC 5737).
pub const A_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// IPv4 address of `b`, in the same network.
pub const B_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
/// IPv6 address of `a`, /64 (RFC 3849).
pub const A_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
/// IPv6 address of `b`, in the same network.
pub const B_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);

/// How the two wires are laid.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WireWiring {
    /// Queues of each direction on every end.
    pub queues: u32,
    /// MTU of the wire to `a` and of the wire to `b`, bytes.
    pub mtu: [u32; 2],
    /// What the hosts' packets carry in the checksum field.
    pub checksums: Checksums,
    /// Whether the hosts merge what they receive, which is quicker, but a capture on a host's own end then
    /// shows merged packets and no longer those that crossed the wire. Packets that were redirected to a
    /// host arrive either way.
    pub gro: bool,
    /// What befalls the packets that `a` sends before they reach the device under test.
    pub impairment: Option<Impairment>,
}

impl Default for WireWiring {
    fn default() -> Self {
        let checksums = Checksums::Whole;
        Self { queues: 2, mtu: [1500; 2], checksums, gro: false, impairment: None }
    }
}

/// Two hosts of one subnet and, between them, one that is to forward.
///
/// ```text
/// a: a0 ⇄ left0 :dut: right0 ⇄ b0 :b
/// ```
///
/// Until something in `dut` forwards, nothing crosses: its two ports have no addresses.
#[derive(Debug)]
pub struct WireLab {
    /// The host on side A: [`A`], [`A_V4`], [`A_V6`].
    pub a: Namespace,
    /// The device under test: [`LEFT`], [`RIGHT`].
    pub dut: Namespace,
    /// The host on side B: [`B`], [`B_V4`], [`B_V6`].
    pub b: Namespace,
    _line: Option<Line>,
}

impl WireLab {
    /// A lab wired as [`WireWiring::default`] says.
    ///
    /// # Errors
    /// Without root, `ip` or `ethtool`.
    pub fn new() -> Result<Self> {
        Self::wired(WireWiring::default())
    }

    /// A lab wired as asked.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn wired(wiring: WireWiring) -> Result<Self> {
        Self::join([Namespace::new("a")?, Namespace::new("dut")?, Namespace::new("b")?], wiring)
    }

    /// A lab called `name` that outlives the process, but for an impairment; [`Self::remove`] ends it.
    ///
    /// # Errors
    /// As [`Self::new`], and where there is one of that name.
    pub fn lasting(name: &str, wiring: WireWiring) -> Result<Self> {
        let [a, dut, b] = names(name);
        let hosts = [Namespace::named(a)?, Namespace::named(dut)?, Namespace::named(b)?];
        let mut lab = Self::join(hosts, wiring)?;
        lab.keep();
        Ok(lab)
    }

    /// The lasting lab called `name`.
    ///
    /// # Errors
    /// Where there is none.
    pub fn existing(name: &str) -> Result<Self> {
        let [a, dut, b] = names(name);
        Ok(Self::of([Namespace::existing(a)?, Namespace::existing(dut)?, Namespace::existing(b)?]))
    }

    /// Hosts whose wires somebody else lays.
    pub(crate) fn of([a, dut, b]: [Namespace; 3]) -> Self {
        Self { a, dut, b, _line: None }
    }

    /// Removes the lasting lab called `name` and what runs in it; `false` if there was none.
    pub fn remove(name: &str) -> bool {
        owner::remove(&names(name))
    }

    /// Leaves the lab behind when the value goes.
    pub fn keep(&mut self) {
        self.a.keep();
        self.dut.keep();
        self.b.keep();
    }

    /// Each way over each family: who sends, who receives, and the receiver's address.
    #[must_use]
    pub fn ways(&self) -> [(&Namespace, &Namespace, IpAddr); 4] {
        [
            (&self.a, &self.b, B_V4.into()),
            (&self.b, &self.a, A_V4.into()),
            (&self.a, &self.b, B_V6.into()),
            (&self.b, &self.a, A_V6.into()),
        ]
    }

    /// Lets the kernel forward, for comparison, until the value goes.
    ///
    /// # Errors
    /// Where the kernel has no bridge.
    pub fn bridge(&self) -> Result<Bridge<'_>> {
        Bridge::over(&self.dut, "bridge0", [LEFT, RIGHT])
    }

    /// Lets the kernel route IPv4, for comparison, until the value goes.
    ///
    /// # Errors
    /// Where it does not take the routes.
    pub fn router(&self) -> Result<Router<'_>> {
        Router::new(&self.dut, [(LEFT, A_V4), (RIGHT, B_V4)])
    }

    /// Lets the device under test merge what it receives, as a host with fast links does.
    ///
    /// # Errors
    /// Without `ethtool`.
    pub fn merge(&self) -> Result<()> {
        let ports = [LEFT, RIGHT].map(|link| End { host: &self.dut, link });
        ports.into_iter().try_for_each(|port| port.offload(Checksums::Whole, Receive::Merged))
    }

    fn join([a, dut, b]: [Namespace; 3], wiring: WireWiring) -> Result<Self> {
        let left = End { host: &dut, link: LEFT };
        let right = End { host: &dut, link: RIGHT };
        let hosts = [End { host: &a, link: A }, End { host: &b, link: B }];
        let WireWiring { queues, mtu: [mtu_a, mtu_b], .. } = wiring;
        let line = match wiring.impairment {
            Some(impairment) => Some(Line::lay(hosts[0], left, mtu_a, queues, impairment)?),
            None => lay(hosts[0], left, mtu_a, queues).map(|()| None)?,
        };
        lay(hosts[1], right, mtu_b, queues)?;
        let receive = if wiring.gro { Receive::Merged } else { Receive::Ring };
        for host in hosts {
            host.offload(wiring.checksums, receive)?;
        }
        for port in [left, right] {
            port.offload(Checksums::Whole, Receive::Plain)?;
            port.up_bare()?;
        }
        hosts[0].up(A_V4, A_V6)?;
        hosts[1].up(B_V4, B_V6)?;
        hosts.iter().chain(&[left, right]).try_for_each(|end| end.await_carrier())?;
        Ok(Self { a, dut, b, _line: line })
    }
}

fn names(lab: &str) -> [String; 3] {
    ["a", "dut", "b"].map(|role| owner::lasting(lab, role))
}
