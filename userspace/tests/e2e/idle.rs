//! No traffic costs nothing to speak of.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;
use sluice_lab::{DUT_V4, Lab, Sender, Sluice, Stream, threads};

use crate::bed::{LIMIT, STEERED, alone, start};

/// Long enough for a hundred turns of a worker that wakes up to give a sign of life.
const WINDOW: Duration = Duration::from_secs(3);

/// The time the data plane's threads were on a CPU in a window, as a share of it; the largest.
fn busiest(sluice: &Sluice) -> Result<(String, f64)> {
    let data_plane = sluice.data_plane()?;
    let (before, start) = (threads(data_plane)?, Instant::now());
    sleep(WINDOW);
    let (after, elapsed) = (threads(data_plane)?, start.elapsed());
    let before: BTreeMap<_, _> = before.into_iter().map(|one| (one.id, one.ran)).collect();
    let shares = after.into_iter().map(|one| {
        let ran = one.ran - before.get(&one.id).copied().unwrap_or_default();
        (one.name, ran.as_secs_f64() / elapsed.as_secs_f64())
    });
    Ok(shares.max_by(|(_, one), (_, other)| one.total_cmp(other)).expect("it has threads"))
}

/// CPU time is measured, not the clock, and the best of three windows counts: a busy machine makes cold caches
/// and longer turns, never shorter ones.
#[test]
fn an_idle_worker_uses_less_than_a_hundredth_of_a_core_and_stays_alive() -> Result<()> {
    let _alone = alone();
    let lab = Lab::new()?;
    let sluice = start(&lab)?;
    let shares = [busiest(&sluice)?, busiest(&sluice)?, busiest(&sluice)?];
    let least = shares.iter().map(|(_, share)| *share).fold(f64::INFINITY, f64::min);
    assert!(least < 0.01, "shares of a core: {shares:?}");

    // The heartbeat was on time all the while: the first packet is taken.
    let before = sluice.stats()?;
    let stream = Stream::start(&lab, (DUT_V4, STEERED).into(), Sender::Peer)?;
    stream.await_bytes(1 << 20, LIMIT)?;
    stream.finish()?;
    let after = sluice.stats()?;
    assert_eq!(after.verdict("no_heartbeat"), before.verdict("no_heartbeat"));
    assert!(after.carried().received > before.carried().received);
    Ok(())
}
