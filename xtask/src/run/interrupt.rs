//! Ctrl-C: what was made is removed on the way out, as after an error.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, ensure};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// From now on Ctrl-C and SIGTERM only set a mark.
pub(crate) fn watch() -> Result<()> {
    ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::Release))
        .context("cannot watch for Ctrl-C")
}

/// Whether it was pressed.
pub(crate) fn pressed() -> bool {
    INTERRUPTED.load(Ordering::Acquire)
}

/// An error where it was.
pub(crate) fn check() -> Result<()> {
    ensure!(!pressed(), "interrupted");
    Ok(())
}
