//! `sluice features`: what an interface can do, and what Sluice does for it.
//!
//! | file | what it holds |
//! |---|---|
//! | `report` | what is found out; what `--json` prints |
//! | `tables` | the same for people |

mod report;
mod tables;

use super::{Failure, print, print_json, runtime};
use report::Report;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sluice features eth1
  sluice features --json eth1 | jq .xdp.zero_copy

The names are those of `ethtool -k`. The columns: what the hardware can do at all, what the driver does now,
and what Sluice does for the flows it serves. Showing changes nothing and needs no root.
Exit codes: 0 shown, 1 no such interface.")]
pub(super) struct Args {
    /// The interface.
    iface: String,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    let report = runtime()?.block_on(Report::gather(&args.iface)).map_err(Failure::failed)?;
    if args.json { print_json(&report) } else { print(tables::tables(&report)) }
}
