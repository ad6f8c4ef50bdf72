//! iperf3 between two hosts of a lab.

use std::net::IpAddr;

use anyhow::{Result, ensure};
use sluice_lab::{Iperf, Namespace};

use super::context::Context;
pub(super) use crate::run::iperf::PORT;

const STREAMS: [u64; 3] = [1, 4, 64];

/// Streams at once: the points of a scenario.
pub(super) fn streams(context: &Context) -> Vec<u64> {
    if context.quick { vec![STREAMS[0]] } else { STREAMS.to_vec() }
}

/// What a client on `host` tells that has so many streams for so long with the server at `address`; `more` are further
/// arguments.
pub(super) fn measure(
    host: &Namespace,
    address: IpAddr,
    streams: u64,
    seconds: u64,
    more: &str,
) -> Result<Iperf> {
    let told = Iperf::run(
        host,
        &format!("--client {address} --port {PORT} --time {seconds} --parallel {streams} {more}"),
    )?;
    ensure!(told.bytes > 0 && told.received > 0.0, "nothing arrived");
    Ok(told)
}
