//! What Sluice is measured with.
//!
//! The programs in `src/bin` and `dpdk` each measure one thing once; `cargo xtask bench` runs them by turns with what
//! they are compared with.
//!
//! | module | what it holds |
//! |---|---|
//! | [`stream`] | the headers of interleaved bulk transfers |
//! | [`frames`] | the memory that packets are received into |
//! | [`limits`] | loops that nothing which does the same work can beat |
//! | [`meter`] | time, and what a passage of it is worth |
//! | [`said`] | how a measuring program tells its result |
//!
//! # What a measuring program prints
//!
//! One line of JSON on standard output, an object:
//!
//! ```json
//! {"value": 41.7, "gb_per_s": 36.3}
//! ```
//!
//! `value` is the result in the unit of the scenario. Every other number is recorded and shown beside it, and
//! compared with nothing. A program that cannot measure ends with another exit code than 0 and says why on standard
//! error.

pub mod frames;
pub mod limits;
pub mod meter;
pub mod said;
pub mod stream;

use sluice_common::testing::Packet;

/// Payload of a full-size packet on Ethernet with timestamps.
pub const MSS: usize = 1448;

/// A packet and what its sender sends after it, `packets` of them.
#[must_use]
pub fn in_order(first: &Packet, packets: usize) -> Vec<Vec<u8>> {
    let all = std::iter::successors(Some(first.clone()), |last| Some(last.next()));
    all.take(packets).map(|packet| packet.build()).collect()
}
