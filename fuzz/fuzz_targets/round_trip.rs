//! Any bytes as the plan of a stream: what is coalesced comes out complete, in order, byte for byte, and can be cut
//! to segments of other sizes.
#![cfg_attr(fuzzing, no_main)]

sluice_fuzz::target!(sluice_common::testing::round_trip_of_bytes);
