//! Packets as bytes: one file a protocol, each with the same skeleton — what the header looks like,
//! a checked view, its getters, its setters, its tests.
//!
//! A view (`ipv4::Packet`, `tcp::Segment`, …) borrows bytes that [`View::new`](ipv4::Packet::new) has
//! checked to hold the whole header; after that no getter can fail. Values that come off the wire
//! are newtypes with constants ([`EtherType`], [`Protocol`]), never Rust enums: a byte may hold
//! anything.
//!
//! [`Headers`] is the one parser. The XDP program and user space call the same function on the same
//! bytes, so they cannot disagree about what a packet is.

mod bytes;
pub mod ethernet;
mod headers;
pub mod ipv4;
pub mod ipv6;
mod protocol;
pub mod tcp;
pub mod udp;
pub mod vlan;

pub use bytes::Bytes;
pub use ethernet::EtherType;
pub use headers::{Addresses, Fragment, Headers, Link, Ports, Unparsed};
pub use protocol::Protocol;
