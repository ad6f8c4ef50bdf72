//! The run on an interface of this machine.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::Result;
use sluice_lab::Sluice;

use super::iperf::{self, From};
use super::progress::Progress;
use super::report::{Leg, Report, Way};
use super::{Run, interrupt};

pub(super) fn run(binary: &Path, config: &str, options: &Run) -> Result<Report> {
    let mut sluice = Sluice::start_here(binary, config)?;
    let legs = match options.peer {
        Some(peer) => legs(&sluice, peer, options)?,
        None => until_interrupted(&mut sluice)?,
    };
    let report = Report::new(legs, &sluice.stats()?);
    sluice.stop()?;
    Ok(report)
}

fn legs(sluice: &Sluice, peer: std::net::IpAddr, options: &Run) -> Result<Vec<Leg>> {
    let ways = [(Way::Out, From::Client), (Way::In, From::Server)];
    let progress = Progress::new(ways.len(), options.seconds);
    let leg = |(way, from)| {
        progress.begin(&Leg::title(peer, way));
        Leg::measure(sluice, peer, way, || {
            let mut client = Command::new("iperf3");
            client.stdin(Stdio::null());
            iperf::measure(client, (peer, options.port), from, options.seconds, &progress)
        })
        .inspect(|_| progress.end())
    };
    ways.into_iter().map(leg).collect()
}

fn until_interrupted(sluice: &mut Sluice) -> Result<Vec<Leg>> {
    eprintln!("xtask: sluice runs; Ctrl-C ends it. It says:\n{}", sluice.log());
    while !interrupt::pressed() && sluice.supervisor().ended()?.is_none() {
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(Vec::new())
}
