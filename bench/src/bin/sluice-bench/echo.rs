//! `sluice-bench echo`.

use std::net::SocketAddr;

use anyhow::Result;
use sluice_bench::link::pin;
use sluice_bench::round_trip::answer;

/// Send back the datagrams of `sluice-bench ping`, until SIGINT or SIGTERM.
///
/// "answering at" on standard error says that it does from now on.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  sluice-bench echo 10.0.0.7:5002
  sluice-bench echo [::]:5002 --core 3")]
pub(super) struct Args {
    /// Where to listen.
    #[arg(value_name = "ADDRESS:PORT")]
    at: SocketAddr,
    /// The core to run on.
    #[arg(long)]
    core: Option<usize>,
}

pub(super) fn execute(args: &Args) -> Result<()> {
    args.core.map_or(Ok(()), pin)?;
    answer(args.at, |at| eprintln!("answering at {at}"))
}
