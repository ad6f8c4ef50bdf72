//! A worker between a hostile wire and a hostile host, its books audited after every turn.

#![no_main]

libfuzzer_sys::fuzz_target!(|schedule: &[u8]| sluice::sim::play(schedule));
