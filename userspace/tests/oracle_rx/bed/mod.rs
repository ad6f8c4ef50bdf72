//! The kernel's side: a wire into a kernel that coalesces, and what came out of it.
//!
//! A veth pair in a namespace of its own. The receiving end's GRO runs in a kernel thread (threaded
//! NAPI) that is bound to the CPU of the sender, which precedes it. So a whole burst stands in the ring
//! before the thread runs, and one poll takes all of it: Linux holds packets to the end of a poll. Once
//! the sender waits for what comes out the thread runs, and no sooner; then a marker follows the burst.

mod capture;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use capture::{Capture, Sender};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::{Pid, gettid};
use sluice_lab::Namespace;

use crate::burst::Family;
use crate::outcome::Outcome;

/// A poll takes 64 packets (`NAPI_POLL_WEIGHT`, linux/netdevice.h) and goes on in a second one if there
/// were as many.
pub(crate) const MAX_BURST: usize = 63;

/// EtherType of the marker: the first one for local experiments (IEEE 802).
const MARKER: [u8; 2] = [0x88, 0xb5];

/// How the kernel's end is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Setup {
    /// Whether it merges plain UDP.
    pub(crate) udp: bool,
    /// Whether it has devices for UDP tunnels: VXLAN; Geneve if the kernel has it.
    pub(crate) tunnels: bool,
}

impl Setup {
    /// For bursts of `family`.
    pub(crate) fn of(family: Family) -> Self {
        Self { udp: family != Family::Tcp, tunnels: family == Family::Tunnels }
    }
}

/// A wire into a kernel that coalesces. Bound to the thread that made it.
#[derive(Debug)]
pub(crate) struct Bed {
    sender: Sender,
    capture: Capture,
    _host: Namespace,
}

impl Bed {
    /// Lays the wire.
    pub(crate) fn new(setup: Setup) -> Result<Self> {
        let host = Namespace::new("oracle")?;
        // The kernel thread is found by the name of its interface.
        let [near, far] = ["s", "r"].map(|end| format!("{end}{}", gettid()));
        lay(&host, &near, &far, setup)?;
        let (sender, capture) =
            host.run(|| anyhow::Ok((Sender::open(&near)?, Capture::open(&far)?)))?;
        share_a_cpu(&far)?;
        Ok(Self { sender, capture, _host: host })
    }

    /// What comes out for a burst, in order.
    pub(crate) fn run(&mut self, burst: &[Vec<u8>]) -> Result<Vec<Outcome>> {
        ensure!((1..=MAX_BURST).contains(&burst.len()), "a burst of {} packets", burst.len());
        burst.iter().try_for_each(|packet| self.sender.send(packet))?;
        let mut outcomes = vec![self.capture.next()?];
        self.sender.send(&marker())?;
        loop {
            let outcome = self.capture.next()?;
            if outcome.bytes == marker() {
                return Ok(outcomes);
            }
            outcomes.push(outcome);
        }
    }
}

fn marker() -> Vec<u8> {
    [&[0xff; 6][..], &[2; 6], &MARKER, &[0; 46]].concat()
}

/// TSO stays off at the sender: with it veth skips GRO at the other end (`veth_xmit`, drivers/net/veth.c).
/// One queue only, so that no flow hash is made and all flows share one bucket of Linux' table.
fn lay(host: &Namespace, near: &str, far: &str, setup: Setup) -> Result<()> {
    let size = "mtu 9216 numtxqueues 1 numrxqueues 1";
    host.ip(&format!("link add {near} {size} type veth peer name {far} {size}"))?;
    host.exec("ethtool", &format!("-K {near} tx off tso off gso off gro off"))?;
    let udp = if setup.udp { "on" } else { "off" };
    host.exec("ethtool", &format!("-K {far} gro on rx-udp-gro-forwarding {udp}"))?;
    for link in [near, far] {
        host.exec("sysctl", &format!("-qw net.ipv6.conf.{link}.disable_ipv6=1"))?;
    }
    if setup.tunnels {
        // Whatever comes out of them; what counts are the sockets behind them, over IPv4 and IPv6.
        host.ip_batch("link add vxlan0 type vxlan dstport 4789 external\nlink set vxlan0 up\n")?;
        let _no_geneve =
            host.ip_batch("link add geneve0 type geneve external\nlink set geneve0 up\n");
    }
    host.ip_batch(&format!("link set {near} up\nlink set {far} up\n"))?;
    let threaded = Path::new("/sys/class/net").join(far).join("threaded");
    let set = format!("echo 1 > {}", threaded.display());
    let status = host.command("sh").args(["-c", &set]).status()?;
    ensure!(status.success(), "the kernel has no threaded NAPI");
    Ok(())
}

/// Binds this thread and the kernel thread of `link` to one CPU, and lets this one precede: the kernel
/// thread runs when this one waits. Both precede whatever else the CPU has to do.
fn share_a_cpu(link: &str) -> Result<()> {
    let (this, kernel) = (gettid(), kernel_thread(link)?);
    let allowed = sched_getaffinity(this)?;
    let last = (0..CpuSet::count()).rfind(|cpu| allowed.is_set(*cpu).unwrap_or(false));
    let mut one = CpuSet::new();
    one.set(last.context("this thread may run nowhere")?)?;
    for (thread, priority) in [(kernel, 1), (this, 2)] {
        sched_setaffinity(thread, &one)?;
        precede(thread, priority)?;
    }
    Ok(())
}

/// SCHED_FIFO at `priority`.
fn precede(thread: Pid, priority: u8) -> Result<()> {
    let status = std::process::Command::new("chrt")
        .args(["--fifo", "--pid", &priority.to_string(), &thread.to_string()])
        .status()
        .context("cannot start chrt: install util-linux")?;
    ensure!(status.success(), "thread {thread} cannot have real-time priority");
    Ok(())
}

/// `napi/LINK-ID`.
fn kernel_thread(link: &str) -> Result<Pid> {
    let prefix = format!("napi/{link}-");
    let is_it = |pid: &Pid| {
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.starts_with(&prefix))
    };
    let all = fs::read_dir("/proc")?.flatten().filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        Some(Pid::from_raw(pid))
    });
    all.into_iter().find(is_it).with_context(|| format!("no kernel thread polls {link}"))
}
