//! The control side: what Sluice asks of the machine and changes on it. Nothing here is on a packet's way.

pub mod nic;
