//! Any bytes as a packet: the parser stays inside, and the packet comes out of the coalescer.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    sluice_common::testing::parse_any(data);
});
