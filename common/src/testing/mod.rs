//! For tests: packets that are made on purpose, streams of them, and what must hold for each stream.
//!
//! Behind the feature `testing`. The unit tests of this crate, its integration tests, the fuzz targets
//! and the tests of the crates above are built on the same packets. Nothing here is fast, and nothing
//! here uses the code it tests but for the parser: sums are the naive ones.

mod packet;
mod round_trip;
mod stream;

pub use packet::{Field, Packet};
pub use round_trip::{round_trip, round_trip_of_bytes};
pub use stream::{Event, stream};
