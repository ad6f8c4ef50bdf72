//! A worker between a hostile wire and a hostile host, its books audited after every turn.
#![cfg_attr(fuzzing, no_main)]

sluice_fuzz::target!(sluice::sim::play);
