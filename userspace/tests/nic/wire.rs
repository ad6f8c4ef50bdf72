//! Wire mode between two NICs: files cross unchanged, through a worker and, while that is away, by the XDP programs.

use std::sync::MutexGuard;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use sluice_lab::{B_V4, HANG, Sluice, Stats, WireLab, transfer, wait_until};

use crate::bed::{NIC, OTHER, alone, await_carrier, give_back, program, without_lro};
use crate::carries::{FILE, PACKETS};
use crate::evidence::{Evidence, Nic};
use crate::found::Found;

/// The port that leads to the far host.
const RIGHT: &str = "eth2";
/// That host's NIC.
const FAR: &str = "eth3";

/// As little memory, and as long a time before anybody fails open, as in host mode.
const CONFIG: &str = r#"
mode = "wire"

[[port]]
iface = "eth0"
frames = 2048
ring = 512

[[port]]
iface = "eth2"
frames = 2048
ring = 512

[worker]
fail_open_ms = 10000

[[rule]]
proto = "tcp"
action = "steer"
"#;

/// Four NICs in three hosts, and nobody else who uses them.
struct Wire {
    lab: WireLab,
    evidence: Evidence,
    _alone: MutexGuard<'static, ()>,
}

impl Wire {
    fn new() -> Result<Self> {
        let alone = alone()?;
        let lab = WireLab::of_nics([OTHER, NIC, RIGHT, FAR])?;
        for port in [NIC, RIGHT] {
            without_lro(&lab.dut, port)?;
        }
        let evidence = Evidence::begin(&nics(&lab));
        Ok(Self { lab, evidence, _alone: alone })
    }

    /// Lets Sluice run while `body` does. It must leave every frame where it should be and both ports as they were found.
    fn with_sluice(&self, body: impl FnOnce(&Sluice) -> Result<()>) -> Result<()> {
        let nics = nics(&self.lab);
        let look = || [NIC, RIGHT].map(|port| Found::look(&self.lab.dut, port));
        await_carrier(&nics)?;
        let found = look();
        let mut sluice =
            self.evidence.explain(Sluice::start(&self.lab.dut, &program(), CONFIG), &nics, None)?;
        let outcome = await_carrier(&nics).and_then(|()| body(&sluice)).and_then(|()| {
            ensure!(sluice.stats()?.ledger_intact(), "a frame is missing");
            sluice.stop()?;
            await_carrier(&nics)?;
            found.iter().zip(&look()).try_for_each(|(found, now)| found.ensure_same(now))
        });
        self.evidence.explain(outcome, &nics, Some(&sluice))
    }

    /// A file each way over each family.
    fn files(&self) -> Result<()> {
        self.lab.ways().into_iter().try_for_each(|(from, to, address)| {
            transfer(from, to, (address, 5000).into(), FILE)
                .with_context(|| format!("to {address}"))
        })
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        give_back(&nics(&self.lab));
    }
}

fn nics(lab: &WireLab) -> [Nic<'_>; 4] {
    [(&lab.a, OTHER), (&lab.dut, NIC), (&lab.dut, RIGHT), (&lab.b, FAR)]
}

/// Waits until the data plane that has been started again so often has carried the files of [`Wire::files`], two from each
/// side. Its workers say what they have counted a little later.
fn await_carried(sluice: &Sluice, restarts: u64) -> Result<()> {
    let all = |stats: &Stats| {
        stats.restarts() == restarts
            && stats.crossed().iter().all(|side| side.received_packets >= 2 * PACKETS)
    };
    wait_until("Sluice has carried the files", HANG, || {
        sluice.stats().ok().filter(Stats::has_workers).filter(all).map(drop)
    })
}

#[test]
fn files_cross_a_wire_and_so_they_do_while_its_worker_is_away() -> Result<()> {
    let wire = Wire::new()?;
    wire.with_sluice(|sluice| {
        wire.files()?;
        await_carried(sluice, 0)?;
        // For the supervisor it hangs, and after a while it starts another one.
        kill(sluice.data_plane()?, Signal::SIGSTOP)?;
        wire.files().context("the data plane is stopped")?;
        let verdicts = sluice.stats()?.verdicts();
        let alone = verdicts["no_heartbeat"] + verdicts["no_socket"];
        ensure!(alone > 0, "the XDP programs forwarded nothing: {verdicts:?}");
        wait_until("there are workers again", HANG, || {
            sluice.stats().ok().filter(Stats::has_workers).map(drop)
        })?;
        // igb on Linux 6.18 receives nothing by its rings until the program is attached anew.
        wait_until("the wire carries", HANG, || {
            wire.lab.a.exec("ping", &format!("-c 1 -W 1 {B_V4}")).ok()
        })?;
        wire.files().context("the data plane is back")?;
        await_carried(sluice, 1)
    })
}
