//! Trains: coalescing (GRO) and segmentation (GSO).

mod profile;

pub use profile::{Profile, RxChecksum};
