//! `sluice-bench gen`.

use std::net::IpAddr;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::ValueEnum;
use sluice_bench::generate::{Amount, generate};
use sluice_bench::link::{benchmark_addresses, mac, parse_mac};
use sluice_bench::live;
use sluice_bench::pktgen::pktgen;
use sluice_bench::template::{Common, Kind};
use sluice_bench::traffic::{IMIX, Load, Traffic};
use sluice_common::wire::ethernet::Mac;

use super::interface::Interface;
use super::span::Span;

/// Generate load, out of one queue of an interface.
///
/// Each payload that has room begins with a stamp (flow, sequence number, time) that `sink` counts by. Without
/// --count and --seconds it goes on until SIGINT or SIGTERM.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sluice-bench gen --iface eth1 --count 1000000                        as fast as it goes
  sluice-bench gen --iface eth1 --rate 100000 --seconds 10 --flows 64  paced
  sluice-bench gen --iface eth1 --kind tcp --size 1514 --train 32      streams that coalesce
  sluice-bench gen --iface eth1 --imix --to 192.0.2.2 --mac 02:00:00:00:00:01
  sluice-bench gen --iface eth1 --pcap capture.pcap                    a capture, again and again
  sluice-bench gen --iface eth1 --live-frames --seconds 5              one packet, by the kernel

Sizes are those in memory: with the link header, without the frame check sequence.")]
pub(super) struct Args {
    #[command(flatten)]
    interface: Interface,
    /// What the packets are.
    #[arg(long, value_enum, default_value = "udp")]
    kind: Protocol,
    /// Bytes of a packet.
    #[arg(long, value_name = "BYTES", default_value = "64", conflicts_with_all = ["imix", "pcap"])]
    size: usize,
    /// The simple Internet mix: 7, 4 and 1 of 64, 594 and 1518 bytes on the wire.
    #[arg(long, conflicts_with = "pcap")]
    imix: bool,
    /// Send the packets of this capture as they are, without a stamp.
    #[arg(long, value_name = "FILE")]
    pcap: Option<PathBuf>,
    /// How many flows.
    #[arg(long, default_value = "1", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    flows: u32,
    /// Packets of a flow that come one after the other.
    #[arg(long, default_value = "1", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    train: u32,
    /// Packets a second; as fast as it goes without.
    #[arg(long, value_name = "PACKETS", value_parser = clap::value_parser!(u64).range(1..))]
    rate: Option<u64>,
    #[command(flatten)]
    span: Span,
    /// Destination address; else one for benchmarks.
    #[arg(long, value_name = "ADDRESS")]
    to: Option<IpAddr>,
    /// Source address of the first 10,000 flows; else one for benchmarks.
    #[arg(long, value_name = "ADDRESS")]
    from: Option<IpAddr>,
    /// Destination port.
    #[arg(long, default_value = "5001")]
    port: u16,
    /// Destination MAC address; everybody's without.
    #[arg(long, value_parser = parse_mac, default_value = "ff:ff:ff:ff:ff:ff")]
    mac: Mac,
    /// The queue to send through.
    #[arg(long, default_value = "0")]
    queue: u32,
    /// Have the kernel repeat the first packet (Linux 5.18): the fastest, and no two packets differ.
    #[arg(long, conflicts_with = "pktgen")]
    live_frames: bool,
    /// Use the kernel's pktgen, where it has it.
    #[arg(long, conflicts_with_all = ["imix", "pcap", "train"])]
    pktgen: bool,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Protocol {
    Tcp,
    Udp,
}

pub(super) fn execute(args: &Args) -> Result<()> {
    args.span.pin()?;
    let wanted = args.interface.wanted();
    let amount = Amount { rate: args.rate, bounds: args.span.bounds() };
    let report = if args.pktgen {
        ensure!(args.kind == Protocol::Udp, "--pktgen: pktgen knows only --kind udp");
        pktgen(&wanted.iface, args.span.core(), &args.load()?, amount)?
    } else if args.live_frames {
        live::generate(&wanted, &mut args.traffic()?, amount)?
    } else {
        generate(&wanted, args.queue, &mut args.traffic()?, amount)?
    };
    super::print(&report, args.json)
}

impl Args {
    fn traffic(&self) -> Result<Traffic> {
        match &self.pcap {
            Some(file) => Traffic::replayed(file),
            None => Traffic::made(self.load()?),
        }
    }

    fn load(&self) -> Result<Load> {
        let is_ipv6 = self.to.or(self.from).is_some_and(|address| address.is_ipv6());
        let [from, to] = benchmark_addresses(is_ipv6);
        let kind = match self.kind {
            Protocol::Tcp => Kind::Tcp,
            Protocol::Udp => Kind::Udp,
        };
        let macs = [self.mac, mac(&self.interface.wanted().iface)?];
        let destination = (self.to.unwrap_or(to), self.port);
        Ok(Load {
            common: Common { macs, destination, kind },
            source: self.from.unwrap_or(from),
            flows: self.flows,
            train: self.train,
            sizes: if self.imix { IMIX.to_vec() } else { vec![self.size] },
        })
    }
}
