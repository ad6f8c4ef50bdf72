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
    /// The kernel, the interface with these features (ethtool(8)).
    Kernel(&'static str),
}

impl Hosts {
    /// One CPU for each.
    pub(super) fn of(context: &Context) -> Result<Self> {
        let [dut, peer] = context.two_cpus()?;
        Ok(Self { sluice: context.sluice()?, dut, peer })
    }

    /// The two hosts. The peer merges what it receives.
    pub(super) fn lab(&self) -> Result<Lab> {
        let lab = Lab::wired(Wiring { queues: 1, ..Wiring::default() })?;
        lab.peer.exec("ethtool", &format!("-K {PEER} gro on"))?;
        receive::steered(&lab.peer, PEER, self.peer)?;
        receive::steered(&lab.dut, DUT, self.dut)?;
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
                let done = body()?;
                sluice.ensure_sound()?;
                sluice.stop()?;
                Ok(done)
            }
            Carrier::Kernel(features) => {
                lab.dut.exec("ethtool", &format!("-K {DUT} {features}"))?;
                body()
            }
        }
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

    /// The same, and for how many seconds both CPUs were busy meanwhile.
    pub(super) fn cost<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<(T, f64)> {
        let (done, busy) = cpu::busy([self.dut, self.peer], || self.of_peer(work))?;
        Ok((done, busy.iter().sum()))
    }
}
