//! The core of Sluice: everything that can be said about a packet from its bytes alone.
//!
//! | module | what it holds |
//! |---|---|
//! | [`wire`] | where each header begins and what its fields say; one file a protocol |
//! | [`checksum`] | the Internet checksum: a fast path, a naive oracle, incremental updates |
//! | [`flow`] | what makes two packets belong to one flow |
//! | [`classify`] | steering: which rule matches a packet, at a cost the rules do not change |
//! | `abi` | the layout of what Sluice's XDP program and user space share (feature `abi`) |
//! | [`offload`] | trains: coalescing (GRO) and segmentation (GSO) |
//! | [`translate`] | links of different MTU: the MSS of SYNs, segment sizes, IPv4 fragments |
//! | [`answer`] | what senders of packets that are too large are told |
//! | [`stage`] | what happens to a train between two ports (feature `alloc`) |
//! | [`reason`] | why: one name for each verdict, release and drop |
//! | `testing` | packets and streams made for tests (feature `testing`) |
//!
//! No I/O, no clock, no thread and no packet memory: bytes are borrowed, buffers are handles that
//! the caller owns, time is an argument.
#![no_std]
#![deny(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;
#[cfg(test)]
extern crate std;

#[cfg(feature = "abi")]
pub mod abi;
pub mod answer;
pub mod checksum;
pub mod classify;
pub mod flow;
pub mod offload;
pub mod reason;
mod side;
#[cfg(feature = "alloc")]
pub mod stage;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod translate;
pub mod wire;

pub use side::Side;

/// The examples of the README are tests.
#[cfg(all(doctest, feature = "testing"))]
#[doc = include_str!("../README.md")]
pub struct Readme;
