//! Any bytes as the plan of a stream: what is recognised at a glance comes out as it would by the rules.
#![cfg_attr(fuzzing, no_main)]

sluice_fuzz::target!(sluice_common::testing::express_of_bytes);
