//! `sluice stats`: asks the running process.

use std::path::PathBuf;

use super::{Failure, print, print_json, running};
use crate::control::request::Request;
use crate::observe::report::Report;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sluice stats
  sluice stats --json | jq .workers[0].drops
  sluice stats --socket /run/sluice/other.sock")]
pub(super) struct Args {
    /// The control socket of the running process.
    #[arg(long, value_name = "PATH", default_value = running::SOCKET)]
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
    let answer = running::ask(&args.socket, &Request::Stats)?;
    running::understood(&args.socket, &answer)
}
