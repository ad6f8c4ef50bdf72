//! DPDK's testpmd between two hosts.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use sluice_lab::{Bridge, LEFT, RIGHT, WireLab};
use tempfile::NamedTempFile;

use super::between::Middle;
use super::spoken;
use crate::workspace;

/// How it forwards, and through which ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Testpmd {
    /// Packet by packet, unseen, on AF_XDP.
    Io,
    /// Checksums, GRO and GSO on AF_XDP.
    Csum,
    /// The same on TAP devices that the kernel bridges to the ports.
    Tap,
}

/// The TAP devices that belong to [`LEFT`] and [`RIGHT`].
const TAPS: [&str; 2] = ["tapl0", "tapr0"];

impl Testpmd {
    /// Why it cannot be had here, and how it can.
    pub(super) fn ensure_there(self) -> Result<()> {
        let driver = match self {
            Self::Io | Self::Csum => "librte-net-af-xdp23",
            Self::Tap => "librte-net-tap23",
        };
        if workspace::program("dpdk-testpmd").is_none() {
            bail!(
                "dpdk-testpmd is not installed; `apt-get install --no-install-recommends dpdk-dev {driver} \
                 librte-mempool-ring23` installs it"
            );
        }
        Ok(())
    }

    /// Lets it forward while `body` does its work. Two lcores, of which the first only waits for the end.
    pub(super) fn forward<T>(
        self,
        lab: &WireLab,
        middle: &Middle,
        body: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        let commands = self.commands()?;
        let mut command = self.command(lab, middle);
        command.arg("--cmdline-file").arg(commands.path());
        let mut testpmd = lab.dut.spawn(&mut command)?;
        let stdout = testpmd.child().stdout.take().context("stdout was piped")?;
        spoken::until(stdout, "packet forwarding - ports=2")
            .context("testpmd: its driver may be missing")?;
        let _bridges = self.bridges(lab)?;
        let outcome = body();
        testpmd.signal(Signal::SIGINT)?;
        testpmd.wait(Duration::from_secs(10))?;
        outcome
    }

    fn command(self, lab: &WireLab, middle: &Middle) -> Command {
        // It would keep what it says until there is a page of it.
        let mut command = lab.dut.command("stdbuf");
        command.args(["-oL", "dpdk-testpmd"]);
        command.arg(format!("--lcores=0@{},1@{}", middle.other, middle.cpu));
        let (driver, ports) = match self {
            Self::Io | Self::Csum => ("net_af_xdp", [LEFT, RIGHT]),
            Self::Tap => ("net_tap", TAPS),
        };
        let devices = (0..).zip(ports);
        command.args(devices.map(|(n, iface)| format!("--vdev={driver}{n},iface={iface}")));
        // No huge pages and no devices of the machine: nothing of it is taken away.
        command.args(["--no-huge", "--no-pci", "-m", "512", "--file-prefix=sluice-bench", "--"]);
        let engine = if self == Self::Io { "io" } else { "csum" };
        command.arg(format!("--forward-mode={engine}"));
        command.args(["--port-topology=paired", "--auto-start"]);
        // Several times what both ports' rings hold, and no more than memory without huge pages has room for.
        command.arg("--total-num-mbufs=32768");
        // It ends when there is nothing more to read.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        command
    }

    /// What it is told before it begins.
    fn commands(self) -> Result<NamedTempFile> {
        let mut file = NamedTempFile::new()?;
        if self == Self::Tap {
            // The driver sums what the engine leaves to the port; what GSO cuts has no other checksums.
            writeln!(file, "port stop all")?;
            for port in [0, 1] {
                writeln!(file, "csum set ip hw {port}\ncsum set tcp hw {port}")?;
            }
            writeln!(file, "port start all")?;
        }
        if self != Self::Io {
            for port in [0, 1] {
                writeln!(file, "set port {port} gro on\nset port {port} gso on")?;
                // A wire changes no addresses.
                writeln!(file, "csum mac-swap off {port}")?;
            }
            writeln!(file, "set gro flush 1\nset gso segsz 1514")?;
        }
        Ok(file)
    }

    fn bridges(self, lab: &WireLab) -> Result<Vec<Bridge<'_>>> {
        if self != Self::Tap {
            return Ok(Vec::new());
        }
        let pairs = [("bridgel", [LEFT, TAPS[0]]), ("bridger", [RIGHT, TAPS[1]])];
        let bridges = pairs.map(|(name, ports)| Bridge::over(&lab.dut, name, ports));
        bridges.into_iter().collect()
    }
}
