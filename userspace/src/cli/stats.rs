//! `sluice stats`: asks the running process.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;

use super::{Failure, print, print_json};
use crate::observe::report::Report;

/// How long the running process may take to answer; it gathers from its workers within milliseconds.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sluice stats
  sluice stats --json | jq .workers[0].drops
  sluice stats --socket /run/sluice/other.sock")]
pub(super) struct Args {
    /// The control socket of the running process.
    #[arg(long, value_name = "PATH", default_value = "/run/sluice/control.sock")]
    socket: PathBuf,
    /// Print the whole report as one JSON document.
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    let report = ask(args).map_err(Failure::failed)?;
    if args.json { print_json(&report) } else { print(report) }
}

fn ask(args: &Args) -> anyhow::Result<Report> {
    let socket = args.socket.display();
    let mut stream = UnixStream::connect(&args.socket).with_context(|| {
        format!(
            "{socket}: no answer; is `sluice run` running, and are you root? --socket names another"
        )
    })?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).with_context(|| format!("{socket}: no whole answer"))?;
    serde_json::from_str(&answer).with_context(|| format!("{socket}: an answer of another version"))
}
