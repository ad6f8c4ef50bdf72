//! Ports: where packets come from and go to.
//!
//! A port moves packets and says what it can take; it decides nothing.

mod frame;
mod host;
mod next_hop;
mod super_port;

pub use frame::{FramePort, Liveness, Rings, Statistics, Taken, fitting};
pub use host::{HostPort, Received};
pub use next_hop::{LinkHeader, NextHops};
pub use super_port::{Sent, SuperPort};
