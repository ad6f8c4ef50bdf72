//! Any bytes as a packet: the parser stays inside, and the packet comes out of the coalescer.
#![cfg_attr(fuzzing, no_main)]

sluice_fuzz::target!(sluice_common::testing::parse_any);
