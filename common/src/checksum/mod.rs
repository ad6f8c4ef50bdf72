//! The Internet checksum (RFC 1071): the one's complement sum of 16-bit words.
//!
//! | item | what it is |
//! |---|---|
//! | [`Sum`] | a one's complement sum, folded to 16 bits; sums of pieces add up to the sum of the whole |
//! | [`sum`], [`copy`] | the sum of bytes; the same while copying them |
//! | [`pseudo_header`] | what a transport checksum covers besides the transport packet |
//! | [`update`] | a checksum after one word of what it covers has changed (RFC 1624) |
//! | [`naive`] | the sum in the plainest words: the oracle of the tests |
//!
//! ```
//! use sluice_common::checksum::{sum, update};
//!
//! let header = [
//!     0x45, 0, 0, 115, 0, 0, 0x40, 0, 64, 17, 0, 0, 192, 168, 0, 1, 192, 168, 0, 199,
//! ];
//! let checksum = sum(&header).checksum();
//! assert_eq!(checksum, 0xb861);
//! // A router takes one from the TTL, the upper half of its word.
//! assert_eq!(update(checksum, 0x4011, 0x3f11), 0xb961);
//! ```

#[cfg(all(target_arch = "x86_64", not(target_os = "none")))]
mod avx2;
mod kernel;
mod pseudo;
mod sum;

pub use kernel::{copy, naive, sum};
pub use pseudo::pseudo_header;
pub use sum::{Sum, update};
