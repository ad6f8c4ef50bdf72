//! `sluice-bench ping`.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use sluice_bench::round_trip::{Asking, ask};

use super::span::Span;

/// Measure how long datagrams take to `sluice-bench echo` and back, one at a time.
///
/// Without --count and --seconds it goes on until SIGINT or SIGTERM; the report comes in any case.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sluice-bench ping 10.0.0.7:5002 --count 10000
  sluice-bench ping [2001:db8::7]:5002 --size 1400 --seconds 10 --json")]
pub(super) struct Args {
    /// Where `sluice-bench echo` listens.
    #[arg(value_name = "ADDRESS:PORT")]
    to: SocketAddr,
    /// Bytes of payload.
    #[arg(long, value_name = "BYTES", default_value = "64")]
    size: usize,
    /// Time from one request to the next, in microseconds. Where an answer takes longer, the next one follows it at once.
    #[arg(long, value_name = "MICROSECONDS", default_value = "500")]
    interval: u64,
    /// How long to wait for an answer, in milliseconds.
    #[arg(long, value_name = "MILLISECONDS", default_value = "1000")]
    patience: u64,
    #[command(flatten)]
    span: Span,
    /// Print the report as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(args: &Args) -> Result<()> {
    args.span.pin()?;
    let report = ask(&Asking {
        to: args.to,
        size: args.size,
        interval: Duration::from_micros(args.interval),
        patience: Duration::from_millis(args.patience),
        bounds: args.span.bounds(),
    })?;
    super::print(&report, args.json)
}
