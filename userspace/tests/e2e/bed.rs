//! What all tests stand on: a lab with Sluice in host mode, one at a time.

use std::net::IpAddr;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use sluice_lab::{DUT_V4, DUT_V6, Lab, Sluice};

/// Bounds a hang; nothing is measured against it.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// The device under test's addresses.
pub(crate) const FAMILIES: [IpAddr; 2] = [IpAddr::V4(DUT_V4), IpAddr::V6(DUT_V6)];

/// A port that is steered.
pub(crate) const STEERED: u16 = 5000;
/// Another.
pub(crate) const STEERED_TOO: u16 = 5001;
/// A port that is not.
pub(crate) const NOT_STEERED: u16 = 7000;

/// Host mode on the lab's wire.
pub(crate) const CONFIG: &str = r#"
mode = "host"

[[port]]
iface = "dut0"

[[rule]]
proto = "tcp"
dst_port = "5000-5999"
action = "steer"
"#;

/// Waits for the others. Two labs under full load on the few cores of a CI machine would only show how the
/// scheduler shares them.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    // A test that failed has nothing to do with the next one.
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts Sluice on the lab's `dut`.
pub(crate) fn start(lab: &Lab) -> Result<Sluice> {
    start_with(lab, CONFIG)
}

/// Starts Sluice on the lab's `dut` with another configuration.
pub(crate) fn start_with(lab: &Lab, config: &str) -> Result<Sluice> {
    Sluice::start(&lab.dut, Path::new(env!("CARGO_BIN_EXE_sluice")), config)
}

/// Every frame is where it should be, and the data plane that started is the one that runs.
pub(crate) fn assert_sound(sluice: &Sluice) -> Result<()> {
    sluice.ensure_sound()
}

/// Bytes that do not repeat (xorshift64).
pub(crate) fn random(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = vec![0; len];
    for chunk in bytes.chunks_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        chunk.copy_from_slice(&state.to_le_bytes()[..chunk.len()]);
    }
    bytes
}
