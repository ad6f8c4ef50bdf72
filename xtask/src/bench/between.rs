//! What may stand between two hosts and forward.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use sluice_lab::{LEFT, RIGHT, Sluice, WireLab};

use super::pin;
use crate::run::program::between;
use crate::workspace;

/// One of those that forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Between {
    /// Wire mode.
    Sluice,
    /// Wire mode whose worker never sleeps.
    SluiceSpinning,
    /// The kernel's bridge, packet by packet.
    Bridge,
    /// The same, with what it receives merged and cut again.
    BridgeMerging,
    /// The kernel's router, which merges and cuts.
    RouterMerging,
    /// DPDK's testpmd on AF_XDP, which forwards packet by packet.
    Testpmd,
}

/// A one-queue lab's middle, which does its work on one CPU.
#[derive(Clone, Debug)]
pub(super) struct Middle {
    /// `sluice` as users get it.
    pub(super) sluice: PathBuf,
    /// Where the work is done.
    pub(super) cpu: usize,
    /// Where it is not, for threads that only watch.
    pub(super) other: usize,
}

impl Between {
    /// Why it cannot be had here, and how it can.
    pub(super) fn ensure_there(self) -> Result<()> {
        if self == Self::Testpmd && workspace::program("dpdk-testpmd").is_none() {
            bail!(
                "dpdk-testpmd is not installed; `apt-get install --no-install-recommends dpdk-dev librte-net-af-xdp23 \
                 librte-mempool-ring23` installs it"
            );
        }
        Ok(())
    }

    /// Lets it forward while `body` does its work.
    pub(super) fn forward<T>(
        self,
        lab: &WireLab,
        middle: &Middle,
        body: impl FnOnce() -> Result<T>,
    ) -> Result<T> {
        match self {
            Self::Sluice => sluice(lab, middle, "adaptive", body),
            Self::SluiceSpinning => sluice(lab, middle, "spin", body),
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
            Self::RouterMerging => {
                let _router = lab.router()?;
                merging_on(lab, middle.cpu)?;
                body()
            }
            Self::Testpmd => testpmd(lab, middle, body),
        }
    }
}

fn sluice<T>(
    lab: &WireLab,
    middle: &Middle,
    idle: &str,
    body: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let worker = format!("[worker]\ncores = [{}]\nidle = \"{idle}\"\n", middle.cpu);
    let config = between([LEFT, RIGHT]) + &worker;
    let mut sluice = Sluice::start(&lab.dut, &middle.sluice, &config)?;
    let outcome = body()?;
    sluice.ensure_sound()?;
    sluice.stop()?;
    Ok(outcome)
}

/// Has the kernel look at each packet that the ports receive on `cpu`, and not where it was sent (receive packet
/// steering, `Documentation/networking/scaling.rst`).
fn packets_on(lab: &WireLab, cpu: usize) -> Result<()> {
    for port in [LEFT, RIGHT] {
        write(lab, &format!("/sys/class/net/{port}/queues/rx-0/rps_cpus"), &hex_mask(cpu))?;
    }
    Ok(())
}

/// Has the kernel merge what the ports receive, in threads of its own on `cpu` (threaded NAPI,
/// `Documentation/networking/napi.rst`).
fn merging_on(lab: &WireLab, cpu: usize) -> Result<()> {
    lab.merge()?;
    for port in [LEFT, RIGHT] {
        write(lab, &format!("/sys/class/net/{port}/threaded"), "1")?;
        let threads = kernel_threads(&format!("napi/{port}-"))?;
        ensure!(!threads.is_empty(), "the kernel has no NAPI thread for {port}");
        for thread in threads {
            pin::thread_to(thread, cpu)?;
        }
    }
    Ok(())
}

/// Writes into the middle host's `/sys`, which programs in its namespace see.
fn write(lab: &WireLab, file: &str, text: &str) -> Result<()> {
    let command = format!("echo {text} > {file}");
    let output = lab.dut.command("sh").args(["-c", &command]).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

/// A set of one CPU, as the kernel reads it: groups of eight hexadecimal digits, the lowest last.
fn hex_mask(cpu: usize) -> String {
    let low = ",00000000".repeat(cpu / 32);
    format!("{:x}{low}", 1_u32 << (cpu % 32))
}

/// Kernel threads whose names begin so.
fn kernel_threads(name: &str) -> Result<Vec<i32>> {
    let processes = fs::read_dir("/proc")?.flatten();
    let named = processes.filter(|process| {
        fs::read_to_string(process.path().join("comm")).is_ok_and(|comm| comm.starts_with(name))
    });
    Ok(named.filter_map(|process| process.file_name().to_str()?.parse().ok()).collect())
}

/// Two lcores, of which the first only waits for the end.
fn testpmd<T>(lab: &WireLab, middle: &Middle, body: impl FnOnce() -> Result<T>) -> Result<T> {
    // It would keep what it says until there is a page of it.
    let mut command = lab.dut.command("stdbuf");
    command.args(["-oL", "dpdk-testpmd"]);
    let port = |number, iface| format!("--vdev=net_af_xdp{number},iface={iface}");
    let lcores = format!("--lcores=0@{},1@{}", middle.other, middle.cpu);
    command.args([&lcores, &port(0, LEFT), &port(1, RIGHT)]);
    // No huge pages and no devices of the machine: nothing of it is taken away.
    command.args(["--no-huge", "--no-pci", "-m", "512", "--file-prefix=sluice-bench"]);
    command.args(["--", "--forward-mode=io", "--port-topology=paired", "--auto-start"]);
    // Several times what both ports' rings hold, and no more than memory without huge pages has room for.
    command.arg("--total-num-mbufs=32768");
    // It ends when there is nothing more to read.
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut testpmd = lab.dut.spawn(&mut command)?;
    let stdout = testpmd.child().stdout.take().context("stdout was piped")?;
    let mut lines = BufReader::new(stdout).lines();
    let started = |line: &String| line.contains("io packet forwarding - ports=2");
    let line = lines.by_ref().map_while(Result::ok).find(started);
    ensure!(line.is_some(), "testpmd ended: its AF_XDP driver may be missing");
    // It goes on printing and must not meet a closed pipe.
    std::thread::spawn(move || lines.for_each(drop));
    let outcome = body();
    testpmd.signal(Signal::SIGINT)?;
    testpmd.wait(std::time::Duration::from_secs(10))?;
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_one_cpu_is_written_in_groups_of_32() {
        assert_eq!((hex_mask(0), hex_mask(5)), ("1".to_owned(), "20".to_owned()));
        assert_eq!(hex_mask(33), "2,00000000");
    }
}
