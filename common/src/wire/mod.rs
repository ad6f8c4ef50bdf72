//! Packets as bytes: one file a protocol, each with the same skeleton — what the header looks like,
//! a checked view, its getters, its setters, its tests.
//!
//! A view (`ipv4::Packet`, `tcp::Segment`, …) borrows bytes that [`View::new`](ipv4::Packet::new) has
//! checked to hold the whole header; after that no getter can fail. Values that come off the wire
//! are newtypes with constants ([`EtherType`], [`Protocol`]), never Rust enums: a byte may hold
//! anything.
//!
//! [`Headers`] is the one parser. The XDP program and user space call the same function on the same
//! bytes, so they cannot disagree about what a packet is. It does not look into tunnels; user space
//! finds what is inside one with [`Tunnel`], and parses that with the same function again.

mod bytes;
mod error;
pub mod ethernet;
pub mod geneve;
pub mod gre;
mod headers;
pub mod icmp;
pub mod ipv4;
pub mod ipv6;
pub mod options;
mod protocol;
pub mod tcp;
mod tunnel;
pub mod udp;
pub mod vlan;
pub mod vxlan;

pub use bytes::Bytes;
pub use ethernet::EtherType;
pub use headers::{Addresses, Fragment, Headers, Link, Ports, Unparsed};
pub use options::{HeaderOption, Options};
pub use protocol::Protocol;
pub use tunnel::{NotInside, Tunnel, TunnelKind, TunnelPorts};
