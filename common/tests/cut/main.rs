//! Trains that leave at another segment size than they came with.
//!
//! | module | what is tried |
//! |---|---|
//! | `header` | the segmentation rules, one test a rule |
//! | `stream` | the same bytes in other segments, and back again |
//! | `oracle` | the segmenter of linear packets makes the same bytes |
//! | `pieces` | wherever packets and segments are divided into buffers |
//! | `refusal` | what is not cut |
//! | `checksums` | verified and completed packet by packet |
//! | `train` | what all of them cut, and how |

mod checksums;
mod header;
mod oracle;
mod pieces;
mod refusal;
mod stream;
mod train;
