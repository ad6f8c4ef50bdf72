//! `sluice-bench sink`.

use anyhow::{Result, ensure};
use sluice_bench::link::{Taken, queues};
use sluice_bench::sink::{count_on_packet_socket, count_on_rings};

use super::interface::Interface;
use super::span::Span;

/// Count what arrives at an interface: packets, loss, reordering, repetition, latency.
///
/// Without --count and --seconds it goes on until SIGINT or SIGTERM; the report comes in any case. Latency is
/// right where generator and sink run on one machine. "counting" on standard error says that all that comes is
/// counted from now on.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sluice-bench sink --iface eth1 --seconds 10
  sluice-bench sink --iface eth1 --count 1000000 --json
  sluice-bench sink --iface eth1 --queues 0,1 --any
  sluice-bench sink --iface eth1 --packet-socket    where another XDP program is attached")]
pub(super) struct Args {
    #[command(flatten)]
    interface: Interface,
    /// Count TCP and UDP packets to this port.
    #[arg(long, default_value = "5001", conflicts_with_all = ["any", "packet_socket"])]
    port: u16,
    /// Count every TCP and UDP packet, and whatever else can be steered. Not on the interface you are logged in by.
    #[arg(long)]
    any: bool,
    /// The queues to count on; all of them without.
    #[arg(long, value_delimiter = ',', value_name = "QUEUE", conflicts_with = "packet_socket")]
    queues: Vec<u32>,
    /// Use a packet socket instead of AF_XDP: slower, sees every packet, and needs no XDP.
    #[arg(long)]
    packet_socket: bool,
    #[command(flatten)]
    span: Span,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(args: &Args) -> Result<()> {
    args.span.pin()?;
    let wanted = args.interface.wanted();
    let bounds = args.span.bounds();
    let ready = || eprintln!("counting on {}", wanted.iface);
    let report = if args.packet_socket {
        count_on_packet_socket(&wanted.iface, bounds, ready)?
    } else {
        let queues = args.queues(&wanted.iface)?;
        let taken = if args.any { Taken::Everything } else { Taken::Port(args.port) };
        count_on_rings(&wanted, &queues, taken, bounds, ready)?
    };
    super::print(&report, args.json)
}

impl Args {
    fn queues(&self, iface: &str) -> Result<Vec<u32>> {
        if !self.queues.is_empty() {
            return Ok(self.queues.clone());
        }
        let queues = queues(iface)?;
        ensure!(queues > 0, "{iface} has no receive queue: is it up?");
        Ok((0..queues).collect())
    }
}
