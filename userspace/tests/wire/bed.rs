//! What all tests stand on: one lab at a time.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Bounds a hang; nothing is measured against it.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// Waits for the others. Two labs under full load on the few cores of a CI machine would only show how the
/// scheduler shares them.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    // A test that failed has nothing to do with the next one.
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}
