//! What may stand between two hosts and forward.

use std::fs;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use sluice_lab::{LEFT, RIGHT, Sluice, WireLab, WireWiring};

use super::context::Context;
use super::scenario::Numbers;
use super::testpmd::Testpmd;
use super::{held, pin};
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
    /// Where it is not, for threads that only watch.
    pub(super) other: usize,
}

impl Between {
    /// Why it cannot be had here, and how it can.
    pub(super) fn ensure_there(self) -> Result<()> {
        if let Self::Testpmd(testpmd) = self { testpmd.ensure_there() } else { Ok(()) }
    }

    /// Lets it forward while `body` measures. What it tells of itself is added.
    pub(super) fn forward(
        self,
        lab: &WireLab,
        middle: &Middle,
        body: impl FnOnce() -> Result<Numbers>,
    ) -> Result<Numbers> {
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
        let [cpu, other] = [0, 1].map(|number| context.cpu(number));
        ensure!(cpu != other, "one CPU only: what forwards is to have one and the hosts another");
        Ok(Self { sluice: context.sluice()?, cpu, other })
    }
}

/// Two hosts and what is to forward between them, on wires of these MTUs.
pub(super) fn lab(mtu: [u32; 2]) -> Result<WireLab> {
    WireLab::wired(WireWiring { queues: 1, mtu, gro: true, ..WireWiring::default() })
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

/// Has the kernel look at each packet that the ports receive on `cpu`, and not where it was sent (receive packet
/// steering, `Documentation/networking/scaling.rst`).
fn packets_on(lab: &WireLab, cpu: usize) -> Result<()> {
    for port in [LEFT, RIGHT] {
        write(lab, &format!("/sys/class/net/{port}/queues/rx-0/rps_cpus"), &hex_mask(cpu))?;
    }
    Ok(())
}

/// Has the kernel merge what the ports receive, on `cpu`.
fn merging_on(lab: &WireLab, cpu: usize) -> Result<()> {
    lab.merge()?;
    receive_on(lab, cpu)
}

/// Has the kernel take what comes out of the ports' rings in threads of its own on `cpu`, and not where it was sent
/// (threaded NAPI, `Documentation/networking/napi.rst`). There is a ring where GRO is on or an XDP program attached.
pub(super) fn receive_on(lab: &WireLab, cpu: usize) -> Result<()> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_one_cpu_is_written_in_groups_of_32() {
        assert_eq!((hex_mask(0), hex_mask(5)), ("1".to_owned(), "20".to_owned()));
        assert_eq!(hex_mask(33), "2,00000000");
    }
}
