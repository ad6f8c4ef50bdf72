//! `sluice reload`: has the running process read its configuration anew.

use std::path::PathBuf;

use super::{Failure, USAGE, print, print_json, running};
use crate::control::request::{ReloadReport, Request};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sluice reload
  sluice reload --json | jq .changed
  sluice reload --socket /run/sluice/other.sock

Rules, the switches of [offload], the stage, and icmp_from, icmp_rate and link of [wire] change while packets flow.
What was opened at the start does not: where the file changes that too, nothing is changed. SIGHUP does the same,
and says what came of it in the log.
Exit codes: 0 done, 1 not possible while it runs or nobody to ask, 2 the file is wrong.")]
pub(super) struct Args {
    /// The control socket of the running process.
    #[arg(long, value_name = "PATH", default_value = running::SOCKET)]
    socket: PathBuf,
    /// Print one JSON document: file, changed, refused, and what is wrong.
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    let answer = running::ask(&args.socket, &Request::Reload).map_err(Failure::failed)?;
    let report: ReloadReport =
        running::understood(&args.socket, &answer).map_err(Failure::failed)?;
    if args.json {
        print_json(&report)?;
    } else if report.succeeded() {
        print(&report)?;
    } else {
        eprintln!("{report}");
    }
    match report {
        report if report.succeeded() => Ok(()),
        ReloadReport { wrong: Some(_), .. } => Err(Failure { code: USAGE, message: String::new() }),
        _ => Err(Failure { code: 1, message: String::new() }),
    }
}
