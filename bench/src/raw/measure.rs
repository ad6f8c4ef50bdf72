//! A loop for so long, and how fast it was.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Result, ensure};
use sluice::xsk::Beat;

use super::{Loop, Plan, Scenario, feed};
use crate::clock;
use crate::link::{Steered, pin};
use crate::report::RawReport;
use crate::until::{Bounds, Until, told};

/// What is known of the socket.
#[derive(Debug)]
pub(super) struct Socket {
    /// Whether the NIC reads and writes the frames itself.
    pub(super) zero_copy: bool,
    /// The program in front of it, where it receives.
    pub(super) steered: Option<(Steered, Beat)>,
}

/// Runs `looped` as `plan` says, fed where it receives.
pub(super) fn measure(
    plan: &Plan,
    looped: &mut impl Loop,
    mut socket: Socket,
) -> Result<RawReport> {
    let attached = match &mut socket.steered {
        Some((steered, beat)) => {
            beat.alive(clock::now());
            Some(steered.attach(&plan.wanted)?.mode.to_string())
        }
        None => None,
    };
    let enough = AtomicBool::new(false);
    let counted = thread::scope(|scope| {
        let feeder = socket.steered.as_ref().map(|(steered, _)| {
            let enough = &enough;
            scope.spawn(move || feed::feed(plan, steered, enough))
        });
        let beat = socket.steered.as_ref().map(|(_, beat)| beat);
        // After the feeder began: a thread begins on its maker's cores, and knows of no others.
        let pinned = pin(plan.cores[0]);
        let counted = pinned.and_then(|()| {
            count(plan, looped, beat, || {
                feeder.as_ref().is_some_and(thread::ScopedJoinHandle::is_finished)
            })
        });
        enough.store(true, Ordering::Release);
        feeder.map_or(Ok(()), |feeder| feeder.join().expect("feeding does not panic"))?;
        counted
    })?;
    ensure!(counted.seconds > 0.0, "stopped before there was anything to measure");
    let cores = if plan.scenario == Scenario::Transmit { &plan.cores[..1] } else { &plan.cores };
    Ok(RawReport {
        value: counted.packets as f64 / counted.seconds,
        unit: "packets/s".to_owned(),
        scenario: plan.scenario.to_string(),
        with: plan.with.to_string(),
        size: plan.size,
        iface: plan.wanted.iface.clone(),
        xdp: attached,
        zero_copy: socket.zero_copy,
        seconds: counted.seconds,
        packets: counted.packets,
        idle: counted.idle as f64 / counted.turns.max(1) as f64,
        cores: cores.to_vec(),
    })
}

#[derive(Debug, Default)]
struct Counted {
    packets: u64,
    turns: u64,
    idle: u64,
    seconds: f64,
}

/// Warms up, then counts.
fn count(
    plan: &Plan,
    looped: &mut impl Loop,
    beat: Option<&Beat>,
    starved: impl Fn() -> bool,
) -> Result<Counted> {
    turns(plan.warm_up, looped, beat)?;
    if told() || starved() {
        return Ok(Counted::default());
    }
    turns(plan.seconds, looped, beat)
}

fn turns(seconds: f64, looped: &mut impl Loop, beat: Option<&Beat>) -> Result<Counted> {
    let begin = clock::now();
    let until = Until::new(Bounds { seconds: Some(seconds), count: None }, begin);
    let (mut counted, mut now) = (Counted::default(), begin);
    while !until.is_over(counted.packets, now) {
        if let Some(beat) = beat {
            beat.alive(now);
        }
        let done = looped.turn(now)?;
        counted.packets += done as u64;
        counted.turns += 1;
        counted.idle += u64::from(done == 0);
        now = clock::now();
    }
    counted.seconds = clock::seconds(begin, now);
    Ok(counted)
}
