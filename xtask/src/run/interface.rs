//! The run on an interface of this machine.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Result;
use sluice_lab::Sluice;

use super::iperf::From;
use super::report::{Leg, Report, Way};
use super::{Run, interrupt, legs};

pub(super) fn run(binary: &Path, config: &str, options: &Run) -> Result<Report> {
    let mut sluice = Sluice::start_here(binary, config)?;
    let legs = match options.peer {
        Some(peer) => {
            let plans = [(peer, Way::Out, From::Client), (peer, Way::In, From::Server)];
            legs::measure(&plans, &sluice, options, client)?
        }
        None => until_interrupted(&mut sluice)?,
    };
    let report = Report::new(legs, &sluice.stats()?);
    sluice.stop()?;
    Ok(report)
}

fn client() -> Command {
    let mut client = Command::new("iperf3");
    client.stdin(Stdio::null());
    client
}

fn until_interrupted(sluice: &mut Sluice) -> Result<Vec<Leg>> {
    eprintln!("xtask: sluice runs; Ctrl-C ends it. It says:\n{}", sluice.log());
    while !interrupt::pressed() && sluice.supervisor().ended()?.is_none() {
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(Vec::new())
}
