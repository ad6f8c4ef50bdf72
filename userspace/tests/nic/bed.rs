//! What all tests stand on: two NICs in two namespaces, and Sluice on one, one lab at a time.

use std::env;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use sluice_lab::{HANG, Lab, Namespace, Sluice, wait_until};

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
        let alone = alone()?;
        let lab = Lab::of_nics(NIC, OTHER)?;
        let (found, evidence) = (Found::default(), Evidence::begin(&nics(&lab)));
        let mut bed = Self { lab, found, evidence, queues: None, _alone: alone };
        without_lro(&bed.lab.dut, NIC)?;
        if let Some(queues) = queues {
            bed.queues = bed.features()?["queues"].as_u64();
            bed.set_queues(queues)?;
        }
        await_carrier(&nics(&bed.lab))?;
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
        let outcome = await_carrier(&nics(&self.lab)).and_then(|()| body(&sluice));
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
        await_carrier(&nics(&self.lab))?;
        self.found.ensure_same(&Found::look(&self.lab.dut, NIC))
    }

    /// What `sluice features --json` tells of the NIC.
    pub(crate) fn features(&self) -> Result<Value> {
        features(&self.lab.dut, NIC)
    }
}

impl Drop for Bed {
    /// The next one finds the NICs as this one did. A test that failed may leave connections behind, and they would keep
    /// the namespaces, so the NICs are given back to the first process' by name.
    fn drop(&mut self) {
        self.queues.map(|queues| self.set_queues(queues));
        give_back(&nics(&self.lab));
    }
}

/// Gives NICs back to the first process' namespace.
pub(crate) fn give_back(nics: &[Nic<'_>]) {
    for (host, nic) in nics {
        let _ = host.ip(&format!("link set {nic} netns 1"));
    }
}

/// What `sluice features --json` tells of a NIC.
fn features(host: &Namespace, nic: &str) -> Result<Value> {
    let program = program();
    let program = program.to_str().context("its path is UTF-8")?;
    Ok(serde_json::from_str(&host.exec(program, &format!("features {nic} --json"))?)?)
}

/// As whoever runs Sluice is asked to: vmxnet3 does it by itself, and does not switch it on again.
pub(crate) fn without_lro(host: &Namespace, nic: &str) -> Result<()> {
    if features(host, nic)?["features"]["large-receive-offload"]["on"] == true {
        host.exec("ethtool", &format!("-K {nic} lro off"))?;
    }
    Ok(())
}

pub(crate) fn nics(lab: &Lab) -> [Nic<'_>; 2] {
    [(&lab.dut, NIC), (&lab.peer, OTHER)]
}

/// Waits until all these NICs are up and have a carrier.
pub(crate) fn await_carrier(nics: &[Nic<'_>]) -> Result<()> {
    for (host, nic) in nics {
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
pub(crate) fn program() -> PathBuf {
    let named = env::var_os("SLUICE_NIC_PROGRAM").map(PathBuf::from);
    named.unwrap_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_sluice")))
}

/// Whoever has it may use the NICs, of which there are as many as the largest test needs.
pub(crate) fn alone() -> Result<MutexGuard<'static, ()>> {
    static TURN: Mutex<()> = Mutex::new(());
    ensure!(
        env::var_os("SLUICE_NIC_LAB").is_some(),
        "this test wants the NICs of a machine of its own: `cargo xtask test --nic igb --only-nic`"
    );
    // A test that failed has nothing to do with the next one.
    Ok(TURN.lock().unwrap_or_else(PoisonError::into_inner))
}
