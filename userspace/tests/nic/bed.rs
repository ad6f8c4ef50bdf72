//! What all tests stand on: two NICs in two namespaces, and Sluice on one, one lab at a time.

use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use sluice_lab::{HANG, Lab, Sluice, wait_until};

use crate::evidence::{Evidence, Nic};
use crate::found::Found;

/// Sluice's NIC.
pub(crate) const NIC: &str = "eth0";
/// The one at the other end of its cable.
pub(crate) const OTHER: &str = "eth1";

/// A port of the device under test that is steered.
pub(crate) const STEERED: u16 = 5000;
/// A port of the peer whose replies are steered.
pub(crate) const STEERED_AWAY: u16 = 6000;

/// Host mode on the NIC, with more lines about the port and the workers. Little memory, for an emulated machine takes
/// long to clear it; and the longest time there is before workers fail open, for they may be away for seconds.
fn config(port: &str, worker: &str) -> String {
    format!(
        r#"
mode = "host"

[[port]]
iface = "{NIC}"
frames = 2048
ring = 512
{port}

[worker]
fail_open_ms = 10000
{worker}

[[rule]]
dst_port = "5000-5999"
action = "steer"

[[rule]]
proto = "tcp"
src_port = "6000-6999"
action = "steer"
"#
    )
}

/// Two NICs, and nobody else who uses them.
pub(crate) struct Bed {
    pub(crate) lab: Lab,
    found: Found,
    evidence: Evidence,
    /// How many queues it had, where that was changed.
    queues: Option<u64>,
    _alone: MutexGuard<'static, ()>,
}

impl Bed {
    /// With as many queues as the NIC has by itself.
    pub(crate) fn new() -> Result<Self> {
        Self::make(None)
    }

    /// With so many queues.
    pub(crate) fn with_queues(queues: u64) -> Result<Self> {
        Self::make(Some(queues))
    }

    fn make(queues: Option<u64>) -> Result<Self> {
        ensure!(
            env::var_os("SLUICE_NIC_LAB").is_some(),
            "this test wants {NIC} and {OTHER} of a machine of its own: `cargo xtask test --nic igb --only-nic`"
        );
        let alone = alone();
        let lab = Lab::of_nics(NIC, OTHER)?;
        let (found, evidence) = (Found::default(), Evidence::begin(&nics(&lab)));
        let mut bed = Self { lab, found, evidence, queues: None, _alone: alone };
        // As whoever runs Sluice is asked to: vmxnet3 does it by itself, and does not switch it on again.
        if bed.features()?["features"]["large-receive-offload"]["on"] == true {
            bed.lab.dut.exec("ethtool", &format!("-K {NIC} lro off"))?;
        }
        if let Some(queues) = queues {
            bed.queues = bed.features()?["queues"].as_u64();
            bed.set_queues(queues)?;
        }
        await_carrier(&bed.lab)?;
        bed.found = Found::look(&bed.lab.dut, NIC);
        Ok(bed)
    }

    fn set_queues(&self, queues: u64) -> Result<()> {
        self.lab.dut.exec("ethtool", &format!("-L {NIC} combined {queues}")).map(drop)
    }

    /// Lets Sluice run on the NIC while `body` does.
    pub(crate) fn with_sluice<T>(&self, body: impl FnOnce(&Sluice) -> Result<T>) -> Result<T> {
        self.with_config(&config("", ""), body)
    }

    /// The same, and Sluice sees to it that there are so many queues.
    pub(crate) fn with_managed<T>(
        &self,
        queues: u64,
        body: impl FnOnce(&Sluice) -> Result<T>,
    ) -> Result<T> {
        let config = config("rss = \"manage\"", &format!("count = {queues}"));
        self.with_config(&config, body)
    }

    fn with_config<T>(&self, config: &str, body: impl FnOnce(&Sluice) -> Result<T>) -> Result<T> {
        let mut sluice = self.explain(Sluice::start(&self.lab.dut, &program(), config), None)?;
        // Attaching a program resets many a NIC.
        let outcome = await_carrier(&self.lab).and_then(|()| body(&sluice));
        let outcome = outcome.and_then(|made| self.stop(&mut sluice).map(|()| made));
        self.explain(outcome, Some(&sluice))
    }

    /// What did not go well, with all there is to say of it.
    pub(crate) fn explain<T>(&self, outcome: Result<T>, sluice: Option<&Sluice>) -> Result<T> {
        self.evidence.explain(outcome, &nics(&self.lab), sluice)
    }

    /// Stops it, which must leave every frame where it should be and the NIC as it was found.
    fn stop(&self, sluice: &mut Sluice) -> Result<()> {
        sluice.ensure_sound()?;
        sluice.stop()?;
        await_carrier(&self.lab)?;
        self.found.ensure_same(&Found::look(&self.lab.dut, NIC))
    }

    /// What `sluice features --json` tells of the NIC.
    pub(crate) fn features(&self) -> Result<Value> {
        let told = self.lab.dut.exec(
            program().to_str().context("its path is UTF-8")?,
            &format!("features {NIC} --json"),
        )?;
        Ok(serde_json::from_str(&told)?)
    }
}

impl Drop for Bed {
    /// The next one finds the NICs as this one did. A test that failed may leave connections behind, and they would keep
    /// the namespaces, so the NICs are given back to the first process' by name.
    fn drop(&mut self) {
        self.queues.map(|queues| self.set_queues(queues));
        for (host, nic) in nics(&self.lab) {
            let _ = host.ip(&format!("link set {nic} netns 1"));
        }
    }
}

fn nics(lab: &Lab) -> [Nic<'_>; 2] {
    [(&lab.dut, NIC), (&lab.peer, OTHER)]
}

/// Waits until both NICs are up and have a carrier.
pub(crate) fn await_carrier(lab: &Lab) -> Result<()> {
    for (host, nic) in nics(lab) {
        let up =
            || host.ip(&format!("link show {nic}")).is_ok_and(|told| told.contains("state UP"));
        wait_until("the NIC has a carrier", HANG, || up().then_some(()))?;
    }
    Ok(())
}

/// Loads a kernel module.
pub(crate) fn load(module: &str) -> Result<()> {
    let status = Command::new("modprobe").arg(module).status().context("cannot start modprobe")?;
    ensure!(status.success(), "the kernel has no module {module}");
    Ok(())
}

/// The one that is to be tested, where one is named: an emulated machine has no time for one that is not optimized.
fn program() -> PathBuf {
    let named = env::var_os("SLUICE_NIC_PROGRAM").map(PathBuf::from);
    named.unwrap_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_sluice")))
}

/// There is one pair of NICs.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    // A test that failed has nothing to do with the next one.
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}
