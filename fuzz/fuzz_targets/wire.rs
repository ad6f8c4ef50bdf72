//! A worker between two hostile wires, of the same MTU or not, its books audited after every turn.
#![cfg_attr(fuzzing, no_main)]

sluice_fuzz::target!(sluice::sim::play_wire);
