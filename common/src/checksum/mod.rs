//! The Internet checksum (RFC 1071): the one's complement sum of 16-bit words.
//!
//! | item | what it is |
//! |---|---|
//! | [`Sum`] | a one's complement sum, folded to 16 bits; sums of pieces add up to the sum of the whole |
//! | [`sum`], [`copy`] | the sum of bytes; the same while copying them |
//! | [`pseudo_header`] | what a transport checksum covers besides the transport packet |
//! | [`update`] | a checksum after one word of what it covers has changed (RFC 1624) |
//! | [`naive`] | the sum in the plainest words: the oracle of the tests |

mod kernel;
mod pseudo;
mod sum;

pub use kernel::{copy, naive, sum};
pub use pseudo::pseudo_header;
pub use sum::{Sum, update};
