//! Any bytes as a vnet header and a packet: the segmenter believes none of it.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    sluice_common::testing::segment_any(data);
});
