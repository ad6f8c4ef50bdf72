//! Answers to senders of packets that are too large for the next link.
//!
//! | item | what it is |
//! |---|---|
//! | [`too_big`] | the ICMP or ICMPv6 message that says how large they may be |
//! | [`AnswerFrom`] | whose name it is sent in |
//! | [`RateLimit`] | how many there may be |

mod forbidden;
mod rate;
mod too_big;

pub use rate::RateLimit;
pub use too_big::{AnswerFrom, MAX_LEN, too_big};
