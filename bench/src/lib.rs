//! What Sluice is measured with.
//!
//! In memory: `cargo bench -p sluice-bench` runs all benches, `cargo bench -p sluice-bench --bench coalesce`
//! one. Each measures against `memcpy` of the same bytes where that says something.
//!
//! On interfaces: the program `sluice-bench` generates load, counts what arrives of it, and measures the
//! bare AF_XDP path.
//!
//! | module | what it holds |
//! |---|---|
//! | `bulk` | packets as they come from a bulk transfer, for the benches |
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
//! | [`raw`] | the bare path: Sluice's port against a minimal loop |

mod bulk;
pub mod clock;
pub mod generate;
pub mod link;
pub mod live;
pub mod pace;
pub mod pktgen;
pub mod raw;
pub mod report;
pub mod sink;
pub mod stamp;
pub mod tally;
pub mod template;
pub mod traffic;
pub mod until;
pub mod window;

pub use bulk::{MSS, bulk, in_order};
