//! For tests: packets that are made on purpose, streams of them, and what must hold for each stream.
//!
//! | item | what it is |
//! |---|---|
//! | [`Packet`] | a packet, field by field, with right, wrong or partial checksums |
//! | [`Tunnel`] | what may be put around it: VXLAN, Geneve, GRE, IP in IP |
//! | [`Cut`] | a packet in several buffers |
//! | [`stream`] | what arrives at a port, told by a few bytes |
//! | [`round_trip`], [`round_trip_in_pieces`] | what is coalesced comes out complete, in order, and segments to the same bytes, or is cut to others that carry the same stream |
//! | [`express`] | what is recognised at a glance comes out as it would by the rules |
//! | [`parse_any`], [`segment_any`], [`round_trip_of_bytes`], [`express_of_bytes`] | bodies of fuzz targets |
//!
//! Behind the feature `testing`. The unit tests of this crate, its integration tests, the fuzz targets
//! and the tests of the crates above are built on the same packets. Nothing here is fast, and nothing
//! here uses the code it tests but for the parser: sums are the naive ones.

mod any;
mod cut;
mod express;
mod ip;
mod packet;
mod pieces;
mod round_trip;
mod stream;
mod tunnel;

pub use any::{parse_any, segment_any};
pub use express::{express, express_of_bytes};
pub use packet::{Field, Packet};
pub use pieces::Cut;
pub use round_trip::{round_trip, round_trip_in_pieces, round_trip_of_bytes};
pub use stream::{Event, stream};
pub use tunnel::{Encapsulation, Frame, OuterUdp, Tunnel};
