//! Any bytes as a vnet header and a packet: the segmenter believes none of it.
#![cfg_attr(fuzzing, no_main)]

sluice_fuzz::target!(sluice_common::testing::segment_any);
