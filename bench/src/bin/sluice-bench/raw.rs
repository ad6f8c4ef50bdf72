//! `sluice-bench raw`.

use anyhow::Result;
use clap::ValueEnum;
use sluice_bench::raw::{self, Plan};

use super::interface::Interface;
use super::span::seconds;

/// Measure the bare AF_XDP path: packets a second through queue 0, and nothing done with them.
///
/// What is received comes from the kernel, which runs the XDP program on copies of one packet (Linux 5.18): no
/// second interface is needed. What is sent leaves through the interface.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sluice-bench raw receive --iface eth1 --with sluice
  sluice-bench raw receive --iface eth1 --with minimal
  sluice-bench raw transmit --iface eth1 --with sluice --size 1500 --json
  sluice-bench raw reflect --iface eth1 --with minimal --seconds 5 --cores 2,3")]
pub(super) struct Args {
    /// What to measure.
    #[arg(value_enum)]
    scenario: Scenario,
    #[command(flatten)]
    interface: Interface,
    /// What the loop is written on.
    #[arg(long, value_enum, default_value = "sluice")]
    with: With,
    /// Bytes of a packet, with the link header and without the frame check sequence.
    #[arg(long, value_name = "BYTES", default_value = "64")]
    size: usize,
    /// How long to measure.
    #[arg(long, default_value = "3", value_parser = seconds)]
    seconds: f64,
    /// How long to run before.
    #[arg(long, value_name = "SECONDS", default_value = "0.5", value_parser = seconds)]
    warm_up: f64,
    /// The core of the loop and that of the kernel's feeding.
    #[arg(long, value_delimiter = ',', num_args = 1..=2, default_value = "0,1")]
    cores: Vec<usize>,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Scenario {
    /// A sink.
    Receive,
    /// A source.
    Transmit,
    /// Back where it came from.
    Reflect,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum With {
    /// Sluice's port.
    Sluice,
    /// The rings, in copy mode.
    Minimal,
}

pub(super) fn execute(args: &Args) -> Result<()> {
    let first = args.cores.first().copied().unwrap_or_default();
    let plan = Plan {
        scenario: match args.scenario {
            Scenario::Receive => raw::Scenario::Receive,
            Scenario::Transmit => raw::Scenario::Transmit,
            Scenario::Reflect => raw::Scenario::Reflect,
        },
        with: match args.with {
            With::Sluice => raw::With::Sluice,
            With::Minimal => raw::With::Minimal,
        },
        wanted: args.interface.wanted(),
        size: args.size,
        warm_up: args.warm_up,
        seconds: args.seconds,
        cores: [first, args.cores.get(1).copied().unwrap_or(first)],
    };
    super::print(&raw::run(&plan)?, args.json)
}
