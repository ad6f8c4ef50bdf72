//! What may stand between two hosts and forward.
//!
//! The hosts do their own work, as other machines do: their stacks receive on their CPU, wherever a packet was sent.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use sluice_lab::{A, B, LEFT, RIGHT, Sluice, WireLab, WireWiring};

use super::context::Context;
use super::scenario::Numbers;
use super::testpmd::Testpmd;
use super::{cpu, held, receive};
use crate::run::program::{between, sending_by};

/// One of those that forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Between {
    /// Wire mode.
    Sluice,
    /// Wire mode whose packets leave by the transmit rings.
    SluiceRing,
    /// Wire mode whose worker never sleeps.
    SluiceSpinning,
    /// The kernel's bridge, packet by packet.
    Bridge,
    /// The same, with what it receives merged and cut again.
    BridgeMerging,
    /// The kernel's router, packet by packet.
    Router,
    /// The kernel's router, which merges and cuts.
    RouterMerging,
    /// DPDK's testpmd.
    Testpmd(Testpmd),
}

/// A one-queue lab's middle, which does its work on one CPU.
#[derive(Clone, Debug)]
pub(super) struct Middle {
    /// `sluice` as users get it.
    pub(super) sluice: PathBuf,
    /// Where the work is done.
    pub(super) cpu: usize,
    /// Where it is not: for the hosts, and for threads that only watch.
    pub(super) other: usize,
}

impl Between {
    /// Why it cannot be had here, and how it can.
    pub(super) fn ensure_there(self) -> Result<()> {
        if let Self::Testpmd(testpmd) = self { testpmd.ensure_there() } else { Ok(()) }
    }

    /// Lets it forward while `body` measures. What it tells of itself is added, and how busy the CPUs were.
    pub(super) fn forward(
        self,
        lab: &WireLab,
        middle: &Middle,
        body: impl FnOnce() -> Result<Numbers>,
    ) -> Result<Numbers> {
        let body = || {
            let begin = Instant::now();
            let (mut numbers, busy) = cpu::busy([middle.cpu, middle.other], body)?;
            let shares = busy.map(|busy| busy / begin.elapsed().as_secs_f64() * 100.0);
            numbers.extend(BUSY.map(str::to_owned).into_iter().zip(shares));
            Ok(numbers)
        };
        match self {
            Self::Sluice => sluice(lab, middle, Settings::default(), body),
            Self::SluiceRing => {
                sluice(lab, middle, Settings { transmit: "ring", ..Settings::default() }, body)
            }
            Self::SluiceSpinning => {
                sluice(lab, middle, Settings { idle: "spin", ..Settings::default() }, body)
            }
            Self::Bridge => {
                let _bridge = lab.bridge()?;
                packets_on(lab, middle.cpu)?;
                body()
            }
            Self::BridgeMerging => {
                let _bridge = lab.bridge()?;
                merging_on(lab, middle.cpu)?;
                body()
            }
            Self::Router => {
                let _router = lab.router()?;
                packets_on(lab, middle.cpu)?;
                body()
            }
            Self::RouterMerging => {
                let _router = lab.router()?;
                merging_on(lab, middle.cpu)?;
                body()
            }
            Self::Testpmd(testpmd) => testpmd.forward(lab, middle, body),
        }
    }
}

impl Middle {
    /// One CPU for it, another one for the hosts.
    pub(super) fn of(context: &Context) -> Result<Self> {
        let [cpu, other] = context.two_cpus()?;
        Ok(Self { sluice: context.sluice()?, cpu, other })
    }
}

/// How busy both CPUs were, in hundredths. Where the hosts' is full, they are the limit.
pub(super) const BUSY: [&str; 2] = ["CPU %", "hosts' CPU %"];

/// Two hosts and what is to forward between them, on wires of these MTUs.
pub(super) fn lab(mtu: [u32; 2], middle: &Middle) -> Result<WireLab> {
    let lab = WireLab::wired(WireWiring { queues: 1, mtu, gro: true, ..WireWiring::default() })?;
    for (host, link) in [(&lab.a, A), (&lab.b, B)] {
        receive::steered(host, link, middle.other)?;
    }
    Ok(lab)
}

/// What of Sluice's configuration is not as users get it.
struct Settings {
    transmit: &'static str,
    idle: &'static str,
}

impl Default for Settings {
    fn default() -> Self {
        Self { transmit: "auto", idle: "adaptive" }
    }
}

fn sluice(
    lab: &WireLab,
    middle: &Middle,
    Settings { transmit, idle }: Settings,
    body: impl FnOnce() -> Result<Numbers>,
) -> Result<Numbers> {
    let worker = format!("[worker]\ncores = [{}]\nidle = \"{idle}\"\n", middle.cpu);
    let config = sending_by(transmit, &between([LEFT, RIGHT])) + &worker;
    let mut sluice = Sluice::start(&lab.dut, &middle.sluice, &config)?;
    let mut numbers = body()?;
    sluice.ensure_sound()?;
    numbers.extend(held::numbers(&sluice.stats()?));
    sluice.stop()?;
    Ok(numbers)
}

/// Has the kernel look at each packet that the ports receive on `cpu`.
fn packets_on(lab: &WireLab, cpu: usize) -> Result<()> {
    [LEFT, RIGHT].into_iter().try_for_each(|port| receive::steered(&lab.dut, port, cpu))
}

/// Has the kernel merge what the ports receive, on `cpu`.
fn merging_on(lab: &WireLab, cpu: usize) -> Result<()> {
    lab.merge()?;
    ports_on(lab, cpu)
}

/// Has the kernel receive on `cpu` what the ports have rings for.
pub(super) fn ports_on(lab: &WireLab, cpu: usize) -> Result<()> {
    [LEFT, RIGHT].into_iter().try_for_each(|port| receive::threaded(&lab.dut, port, cpu))
}
