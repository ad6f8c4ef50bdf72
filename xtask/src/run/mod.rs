//! The main job: real traffic through Sluice, and what became of it.
//!
//! | module | what it holds |
//! |---|---|
//! | `lab` | the run in a lab: iperf3 each way over both families |
//! | `interface` | the run on an interface of this machine |
//! | `legs` | one measurement after the other |
//! | `iperf` | one iperf3 measurement |
//! | `program` | building and starting `sluice` |
//! | `progress` | the display while it runs |
//! | `report` | what is printed at the end |
//! | `interrupt` | Ctrl-C |

mod interface;
pub(crate) mod interrupt;
pub(crate) mod iperf;
mod lab;
mod legs;
pub(crate) mod program;
mod progress;
mod report;

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use clap::ValueEnum;

use crate::lab::Wires;
use crate::setup;

/// Runs real traffic through Sluice and tells what became of it.
///
/// Without an interface it makes a lab, two network namespaces joined by a wire, starts Sluice in host mode on
/// one of its hosts, and lets iperf3 send each way over IPv4 and IPv6. With --mode wire the lab has three hosts,
/// Sluice is the one in the middle, and iperf3 sends from end to end. With --iface or --config it runs on an
/// interface of this machine until Ctrl-C, or measures against an iperf3 server elsewhere with --peer.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask run                               in a lab: four times ten seconds
  cargo xtask run --seconds 2 --json            shorter, and the result as JSON
  cargo xtask run --keep                        leave the lab and Sluice running afterwards
  cargo xtask run --mode wire                   with Sluice between two hosts
  cargo xtask run --mode wire --mtu 9000,1500   that have jumbo frames on one side
  cargo xtask run --iface eth1 --peer 10.0.0.7  on eth1, against `iperf3 --server` on 10.0.0.7
  cargo xtask run --config /etc/sluice.toml     as the file says, until Ctrl-C")]
pub(crate) struct Run {
    /// What Sluice does in the lab.
    #[arg(long, value_enum, default_value_t = Mode::Host, conflicts_with_all = ["iface", "config", "peer"])]
    mode: Mode,
    #[command(flatten)]
    wires: Wires,
    /// Seconds of each measurement.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    /// Leave the lab and Sluice running.
    #[arg(long, conflicts_with_all = ["iface", "config"])]
    keep: bool,
    /// Run on this interface of this machine.
    #[arg(long, value_name = "NAME", conflicts_with = "config")]
    iface: Option<String>,
    /// TCP port to steer, and to measure with.
    #[arg(long, default_value_t = iperf::PORT)]
    port: u16,
    /// Where an iperf3 server listens, to measure against.
    #[arg(long, value_name = "ADDRESS")]
    peer: Option<IpAddr>,
    /// Run with this configuration.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// It is one of two hosts.
    Host,
    /// It stands between two hosts.
    Wire,
}

impl Run {
    pub(crate) fn run(self) -> Result<()> {
        let wire = self.mode == Mode::Wire;
        ensure!(wire || !self.wires.given(), "--mtu and --queues go with --mode wire");
        setup::ensure()?;
        interrupt::watch()?;
        let program = program::build()?;
        let report = match self.interface(&program)? {
            None if wire => lab::wire(&program, &self)?,
            None => lab::host(&program, &self)?,
            Some(config) => interface::run(&program, &config, &self)?,
        };
        if self.json { report.print_json() } else { report.print_tables() }
    }

    /// The configuration for an interface of this machine, where one is asked for.
    fn interface(&self, program: &Path) -> Result<Option<String>> {
        match (&self.config, &self.iface) {
            (Some(file), _) => program::read(program, file).map(Some),
            (None, Some(iface)) => Ok(Some(program::client(iface, self.port))),
            (None, None) => Ok(None),
        }
    }
}
