//! The bare AF_XDP path: packets a second through one queue, and nothing done with them.
//!
//! | file | what it holds |
//! |---|---|
//! | `port` | the loops on Sluice's port |
//! | `minimal` | the same straight on the rings, as `xdpsock` does it: the limit of the path |
//! | `feed` | what there is to receive |
//! | `measure` | a loop for so long, and how fast it was |
//!
//! Both kinds have rings of the same size, the same XDP program in front and the same packets to receive, take as
//! many at once, and read the clock once a turn. What differs is what is measured: values for frames, a pool, the
//! order in which rings are served.

mod feed;
mod measure;
mod minimal;
mod port;

use std::fmt;

use anyhow::{Result, ensure};
use sluice::xsk::{Frame, Free};
use sluice_common::wire::ethernet::Mac;

use crate::link::Wanted;
use crate::report::RawReport;

/// Packets taken from or given to a ring at once: what `xdpsock` does by default.
const BATCH: usize = 64;

/// What the loop does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// Receives, and drops: a sink.
    Receive,
    /// Sends the same packet again and again: a source.
    Transmit,
    /// Sends back what it receives, with its link addresses swapped.
    Reflect,
}

/// What the loop is written on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum With {
    /// Sluice's port.
    Sluice,
    /// The rings.
    Minimal,
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Receive => "receive",
            Self::Transmit => "transmit",
            Self::Reflect => "reflect",
        })
    }
}

impl fmt::Display for With {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sluice => "sluice",
            Self::Minimal => "minimal",
        })
    }
}

/// What is to be measured, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What the loop does.
    pub scenario: Scenario,
    /// What it is written on.
    pub with: With,
    /// The interface. Its queue 0 is used.
    pub wanted: Wanted,
    /// Bytes of a packet, link header included.
    pub size: usize,
    /// Seconds before measuring begins.
    pub warm_up: f64,
    /// Seconds of measuring.
    pub seconds: f64,
    /// The core of the loop and that of the feeder.
    pub cores: [usize; 2],
}

/// Measures. The interface is as it was before when this returns.
///
/// # Errors
/// Where a socket cannot be opened, the program not attached, or a signal ends it before there is a figure.
pub fn run(plan: &Plan) -> Result<RawReport> {
    let (least, most) = (feed::least(), Frame::<Free>::CAPACITY);
    let fits = (least..=most).contains(&plan.size);
    ensure!(fits, "--size {}: a packet here has {least} to {most} bytes", plan.size);
    match plan.with {
        With::Sluice => port::run(plan),
        With::Minimal => minimal::run(plan),
    }
}

/// One loop, turn by turn.
trait Loop {
    /// One turn at `now`; how many packets it finished: received, or taken back after sending.
    fn turn(&mut self, now: u64) -> Result<usize>;
}

/// Sends a packet back where it came from.
fn swap_macs(packet: &mut [u8]) {
    if let Some((destination, rest)) = packet.split_first_chunk_mut()
        && let Some(source) = rest.first_chunk_mut()
    {
        std::mem::swap::<Mac>(destination, source);
    }
}
