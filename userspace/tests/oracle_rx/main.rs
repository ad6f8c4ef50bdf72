//! The kernel as the oracle for coalescing: the same burst goes through Linux' GRO and through the
//! engine, and what comes out is compared, byte for byte and in order. Needs root.
//!
//! | file | what it holds |
//! |---|---|
//! | `bed` | the kernel's side: a wire into a kernel that coalesces |
//! | `engine` | the engine's side |
//! | `outer` | the outer checksum of a super-packet, as Linux leaves it |
//! | `outcome` | what came out, in the same words for both |
//! | `offer` | what the kernel coalesces at all |
//! | `burst` | what is sent: the burst a seed and a number tell |
//! | `exceptions` | where the engine differs on purpose, and why |
//! | `seen` | what the exceptions are told by |
//! | `trial` | one burst through both, and what to say where they differ |
//! | `campaign` | many bursts |
//! | `documented` | the table of exceptions in the documentation |
//!
//! Each run has another seed, and prints it. `SLUICE_ORACLE_SEED` repeats one, `SLUICE_ORACLE_BURST`
//! one burst of it; `SLUICE_ORACLE_BURSTS` says how many there are.

mod bed;
mod burst;
mod campaign;
mod documented;
mod engine;
mod exceptions;
mod offer;
mod outcome;
mod outer;
mod seen;
mod trial;

use anyhow::Result;
use burst::Family;

#[test]
fn the_kernel_coalesces_tcp_alike() -> Result<()> {
    campaign::run(Family::Tcp)
}

#[test]
fn the_kernel_coalesces_udp_alike() -> Result<()> {
    campaign::run(Family::Udp)
}

#[test]
fn the_kernel_coalesces_tunnels_alike() -> Result<()> {
    campaign::run(Family::Tunnels)
}

#[test]
fn a_burst_is_polled_at_once() -> Result<()> {
    let mut bed = bed::Bed::new(bed::Setup::of(Family::Tcp))?;
    let train = burst::train(bed::MAX_BURST);
    for turn in 0..200 {
        let outcomes = bed.run(&train)?;
        assert_eq!(outcomes.len(), 1, "turn {turn}: {outcomes:#?}");
    }
    Ok(())
}
