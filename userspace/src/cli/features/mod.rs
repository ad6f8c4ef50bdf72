//! `sluice features`: what an interface can do, what Sluice does for it, and switching that.
//!
//! | file | what it holds |
//! |---|---|
//! | `report` | what is found out; what `--json` prints |
//! | `tables` | the same for people |
//! | `set` | switching features of the running process |

mod report;
mod set;
mod tables;

use std::path::PathBuf;

use super::{Failure, print, print_json, running, runtime};
use report::Report;
use set::Switch;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sluice features eth1
  sluice features --json eth1 | jq .xdp.zero_copy
  sluice features eth1 --set generic-receive-offload=off
  sluice features eth1 --set tcp-segmentation-offload=on --set tx-udp-segmentation=on

The names are those of `ethtool -k`. The columns: what the hardware can do at all, what the driver does now,
and what Sluice does for the flows it serves. Showing changes nothing and needs no root.

--set switches features of the running process, until it ends; what depends on one goes with it, and the
answer says so. The interface itself is left alone: that is `ethtool -K`.

Exit codes: 0 done, 1 no such interface, nobody to ask or a feature that is fixed, 2 wrong usage.")]
pub(super) struct Args {
    /// The interface.
    iface: String,
    /// Switch a feature of the running process on or off; may be given several times.
    #[arg(long = "set", value_name = "NAME=on|off", value_parser = set::switch)]
    switches: Vec<Switch>,
    /// The control socket of the running process.
    #[arg(long, value_name = "PATH", default_value = running::SOCKET)]
    socket: PathBuf,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    if !args.switches.is_empty() {
        return set::execute(args);
    }
    let mut report = runtime()?.block_on(Report::gather(&args.iface)).map_err(Failure::failed)?;
    report.ask_running(&args.socket);
    if args.json { print_json(&report) } else { print(tables::tables(&report)) }
}
