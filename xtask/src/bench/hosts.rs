//! Two hosts on one wire, each with a CPU of its own: the host under test, and its peer, which sends real packets.

use std::path::PathBuf;

use anyhow::Result;
use sluice_lab::{DUT, Iperf, Lab, PEER, Process, Sluice, Wiring};

use super::context::Context;
use super::iperf::PORT;
use super::{cpu, pin, receive};
use crate::run::program;

/// Where each does its work, and with what.
#[derive(Clone, Debug)]
pub(super) struct Hosts {
    sluice: PathBuf,
    /// The CPU of the host under test.
    dut: usize,
    /// Its peer's.
    peer: usize,
}

/// Who carries what at the host under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carrier {
    /// Sluice, packets leaving by this way (`transmit`).
    Sluice(&'static str),
    /// The kernel, which merges what it receives or not.
    Kernel { merging: bool },
}

impl Hosts {
    /// One CPU for each.
    pub(super) fn of(context: &Context) -> Result<Self> {
        let [dut, peer] = context.two_cpus()?;
        Ok(Self { sluice: context.sluice()?, dut, peer })
    }

    /// The two hosts, the interface under test with these features (ethtool(8)). The peer merges what it receives.
    pub(super) fn lab(&self, features: &str) -> Result<Lab> {
        let queued = Some(receive::QUEUED);
        let lab = Lab::wired(Wiring { queues: 1, queued, ..Wiring::default() })?;
        lab.dut.exec("ethtool", &format!("-K {DUT} {features}"))?;
        lab.peer.exec("ethtool", &format!("-K {PEER} gro on"))?;
        receive::on(&lab.peer, PEER, self.peer)?;
        Ok(lab)
    }

    /// Lets `carrier` do its work while `body` measures, for iperf3's server on the host under test and for what `rules`
    /// name.
    pub(super) fn carry<T>(
        &self,
        lab: &Lab,
        carrier: Carrier,
        rules: &str,
        body: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        match carrier {
            Carrier::Sluice(transmit) => {
                let config = program::sending_by(transmit, &program::server(DUT, PORT));
                let worker = format!("\n[worker]\ncores = [{}]\n", self.dut);
                let mut sluice =
                    Sluice::start(&lab.dut, &self.sluice, &(config + rules + &worker))?;
                receive::on(&lab.dut, DUT, self.dut)?;
                let done = body()?;
                sluice.ensure_sound()?;
                sluice.stop()?;
                Ok(done)
            }
            Carrier::Kernel { merging } => {
                self.kernel(lab, merging)?;
                body()
            }
        }
    }

    /// Merging or not, packets come out of a ring, so that both do their work in the same place. Where nothing is to merge,
    /// a largest size of one byte forbids it (`skb_gro_receive`, `net/core/gro.c`).
    fn kernel(&self, lab: &Lab, merging: bool) -> Result<()> {
        lab.dut.exec("ethtool", &format!("-K {DUT} gro on"))?;
        if !merging {
            lab.dut.ip(&format!("link set {DUT} gro_max_size 1"))?;
        }
        receive::on(&lab.dut, DUT, self.dut)
    }

    /// Serves iperf3 on the host under test: one rule names both ways of its connections.
    pub(super) fn serve(&self, lab: &Lab) -> Result<Process> {
        self.of_dut(|| Iperf::server(&lab.dut, PORT))
    }

    /// Does `start`, and with it all programs it starts, on the CPU of the host under test.
    pub(super) fn of_dut<T>(&self, start: impl FnOnce() -> Result<T>) -> Result<T> {
        pin::to(self.dut, start)?
    }

    /// Does the peer's `work` on its CPU.
    pub(super) fn of_peer<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        pin::to(self.peer, work)?
    }

    /// The same, and for how many seconds the CPU of the host under test was busy meanwhile.
    pub(super) fn cost<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<(T, f64)> {
        let (done, [busy]) = cpu::busy([self.dut], || self.of_peer(work))?;
        Ok((done, busy))
    }
}
