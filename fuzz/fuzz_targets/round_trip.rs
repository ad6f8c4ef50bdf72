//! Any bytes as the plan of a stream: what is coalesced comes out complete, in order, byte for byte.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = sluice_common::testing::round_trip_of_bytes(data);
});
