//! A worker, turn by turn, between a wire and a host made of memory: order, pressure, faults, and
//! after every turn the ledger.

mod drops;
mod holding;
mod jumbo;
mod random;
mod rig;
mod running;
mod stopping;
mod switching;
mod to_host;
mod to_socket;
mod to_wire;
mod udp;
