//! The run in a lab: iperf3 each way over both families.

use std::net::IpAddr;
use std::path::Path;

use anyhow::{Context, Result};
use sluice_lab::{
    B_V4, B_V6, DUT, DUT_V4, DUT_V6, Iperf, LEFT, Lab, Namespace, RIGHT, Sluice, WireLab,
    WireWiring, Wiring,
};

use super::iperf::From;
use super::legs::{self, Plan};
use super::report::{Report, Way};
use super::{Run, program};

/// What a lab that is kept is called: `cargo xtask lab down --name run` removes it.
const KEPT: &str = "run";

/// What is said where there is one already.
const THERE: &str = "`cargo xtask lab down --name run` removes what an earlier run kept";

/// Sluice on one of two hosts.
pub(super) fn host(binary: &Path, options: &Run) -> Result<Report> {
    let lab = if options.keep {
        Lab::lasting(KEPT, Wiring::default()).context(THERE)?
    } else {
        Lab::new()?
    };
    let config = program::server(DUT, options.port);
    let sluice = || Sluice::start(&lab.dut, binary, &config);
    let plans = plans([DUT_V4.into(), DUT_V6.into()], [Way::In, Way::Out]);
    run(&lab.peer, &lab.dut, sluice, &plans, options)
}

/// Sluice between two hosts.
pub(super) fn wire(binary: &Path, options: &Run) -> Result<Report> {
    // What a host merges no longer crosses the wire.
    let wiring = WireWiring { gro: true, ..options.wires.wiring() };
    let lab = if options.keep {
        WireLab::lasting(KEPT, wiring).context(THERE)?
    } else {
        WireLab::wired(wiring)?
    };
    let config = program::between([LEFT, RIGHT]);
    let sluice = || Sluice::start(&lab.dut, binary, &config);
    let plans = plans([B_V4.into(), B_V6.into()], [Way::AToB, Way::BToA]);
    run(&lab.a, &lab.b, sluice, &plans, options)
}

/// Over each family first towards the server, then from it.
fn plans(servers: [IpAddr; 2], [there, back]: [Way; 2]) -> [Plan; 4] {
    let [v4, v6] = servers;
    [
        (v4, there, From::Client),
        (v4, back, From::Server),
        (v6, there, From::Client),
        (v6, back, From::Server),
    ]
}

fn run(
    client: &Namespace,
    server: &Namespace,
    start: impl Fn() -> Result<Sluice>,
    plans: &[Plan],
    options: &Run,
) -> Result<Report> {
    let mut server = Iperf::server(server, options.port)?;
    let mut sluice = start()?;
    let legs = legs::measure(plans, &sluice, options, || client.command("iperf3"))?;
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
