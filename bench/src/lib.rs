//! What Sluice is measured with.
//!
//! The programs in `src/bin` and `dpdk` each measure one thing once; `cargo xtask bench` runs them by turns with what
//! they are compared with.
//!
//! | module | what it holds |
//! |---|---|
//! | [`stream`] | the headers of interleaved bulk transfers |
//! | [`frames`] | the memory that packets are received into |
//! | [`rules`] | steering rules, and a loop that looks them up |
//! | [`limits`] | loops that nothing which does the same work can beat |
//! | [`meter`] | time, and what a passage of it is worth |
//! | [`said`] | how a measuring program tells its result |
//!
//! `sluice-bench` works on interfaces: it generates load, counts what arrives of it, and measures the bare AF_XDP path.
//!
//! | module | what it holds |
//! |---|---|
//! | [`stamp`] | what a generated payload begins with: flow, sequence number, time |
//! | [`template`] | packets that differ in little, made quickly and with right checksums |
//! | [`traffic`] | which packet comes next: flows, sizes, captures |
//! | [`pace`] | how many packets are due by now |
//! | [`window`] | sequence numbers: what was lost, late, repeated |
//! | [`tally`] | what arrived, flow by flow, and how old it was |
//! | [`report`] | what generator and sink say at the end |
//! | [`clock`] | the one clock of all of them |
//! | [`until`] | when to stop |
//! | [`link`] | AF_XDP sockets on an interface, with or without steering |
//! | [`generate`] | the generator, on a transmit ring |
//! | [`live`] | the generator that has the kernel repeat one packet |
//! | [`pktgen`] | the kernel's generator |
//! | [`sink`] | the sink, on receive rings or a packet socket |
//! | [`round_trip`] | requests, their answers, and the time between |
//! | [`raw`] | the bare path: Sluice's port against a minimal loop |
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

pub mod clock;
pub mod frames;
pub mod generate;
pub mod limits;
pub mod link;
pub mod live;
pub mod meter;
pub mod pace;
pub mod pktgen;
pub mod raw;
pub mod report;
pub mod round_trip;
pub mod rules;
pub mod said;
pub mod sink;
pub mod stamp;
pub mod stream;
pub mod tally;
pub mod template;
pub mod traffic;
pub mod until;
pub mod window;

use sluice_common::testing::Packet;

/// Payload of a full-size packet on Ethernet with timestamps.
pub const MSS: usize = 1448;

/// A packet and what its sender sends after it, `packets` of them.
#[must_use]
pub fn in_order(first: &Packet, packets: usize) -> Vec<Vec<u8>> {
    let all = std::iter::successors(Some(first.clone()), |last| Some(last.next()));
    all.take(packets).map(|packet| packet.build()).collect()
}
