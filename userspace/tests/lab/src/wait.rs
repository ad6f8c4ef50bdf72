//! Waiting for a condition with a bound.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Bounds a hang: much longer than anything takes on an emulated machine that shares its cores with a build, and no
/// longer than somebody wants to wait for a failure.
pub const HANG: Duration = Duration::from_secs(120);

/// Asks `ready` until it answers, no longer than `limit`. For what no event tells: a line in another
/// process's table, a counter in its report. The limit is a bound on a hang, never a measurement.
///
/// # Errors
/// Where `limit` passes first; the error says what was waited for.
pub fn wait_until<T>(
    what: &str,
    limit: Duration,
    mut ready: impl FnMut() -> Option<T>,
) -> Result<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(answer) = ready() {
            return Ok(answer);
        }
        if Instant::now() >= end {
            bail!("waited {limit:?} in vain until {what}");
        }
        sleep(Duration::from_millis(5));
    }
}
