//! The run in a lab: iperf3 each way over both families.

use std::net::IpAddr;
use std::path::Path;

use anyhow::{Context, Result};
use sluice_lab::{DUT, DUT_V4, DUT_V6, Lab, Sluice, Wiring};

use super::iperf::{self, From};
use super::progress::Progress;
use super::report::{Leg, Report, Way};
use super::{Run, program};

/// What a lab that is kept is called: `cargo xtask lab down --name run` removes it.
const KEPT: &str = "run";

const LEGS: [(IpAddr, Way); 4] = [
    (IpAddr::V4(DUT_V4), Way::In),
    (IpAddr::V4(DUT_V4), Way::Out),
    (IpAddr::V6(DUT_V6), Way::In),
    (IpAddr::V6(DUT_V6), Way::Out),
];

pub(super) fn run(binary: &Path, options: &Run) -> Result<Report> {
    let lab = if options.keep {
        Lab::lasting(KEPT, Wiring::default())
            .context("`cargo xtask lab down --name run` removes what an earlier run kept")?
    } else {
        Lab::new()?
    };
    let mut server = iperf::server(&lab.dut, options.port)?;
    let mut sluice = Sluice::start(&lab.dut, binary, &program::server(DUT, options.port))?;
    let legs = legs(&lab, &sluice, options)?;
    let report = Report::new(legs, &sluice.stats()?);
    if options.keep {
        server.keep();
        sluice.keep();
        eprintln!(
            "xtask: kept: `cargo xtask lab shell --name {KEPT}` enters, `… lab down --name {KEPT}` removes"
        );
    } else {
        sluice.stop()?;
    }
    Ok(report)
}

fn legs(lab: &Lab, sluice: &Sluice, options: &Run) -> Result<Vec<Leg>> {
    let progress = Progress::new(LEGS.len(), options.seconds);
    LEGS.iter()
        .map(|&(address, way)| {
            let from = if way == Way::In { From::Client } else { From::Server };
            let client = lab.peer.command("iperf3");
            progress.begin(&Leg::title(address, way));
            Leg::measure(sluice, address, way, || {
                iperf::measure(client, (address, options.port), from, options.seconds, &progress)
            })
            .inspect(|_| progress.end())
        })
        .collect()
}
