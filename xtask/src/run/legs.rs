//! One measurement after the other.

use std::net::IpAddr;
use std::process::Command;

use anyhow::Result;
use sluice_lab::Sluice;

use super::Run;
use super::iperf::{self, From};
use super::progress::Progress;
use super::report::{Leg, Way};

/// A measurement: the address of iperf3's server, which way the data goes, and who sends it.
pub(super) type Plan = (IpAddr, Way, From);

/// Measures with clients that `client` makes.
pub(super) fn measure(
    plans: &[Plan],
    sluice: &Sluice,
    options: &Run,
    client: impl Fn() -> Command,
) -> Result<Vec<Leg>> {
    let progress = Progress::new(plans.len(), options.seconds);
    let leg = |&(address, way, from): &Plan| {
        progress.begin(&Leg::title(address, way));
        Leg::measure(sluice, address, way, || {
            iperf::measure(client(), (address, options.port), from, options.seconds, &progress)
        })
        .inspect(|_| progress.end())
    };
    plans.iter().map(leg).collect()
}
