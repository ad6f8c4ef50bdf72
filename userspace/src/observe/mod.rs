//! What is counted, and how it is told.
//!
//! | file | what it holds |
//! |---|---|
//! | `counters` | [`WorkerCounters`]: one writer, any number of readers |
//! | `histogram` | [`Latency`], [`Times`]: how long a packet stayed, and a train was held |
//! | `ledger` | [`Ledger`]: where every frame is |
//! | [`report`] | what `sluice stats` shows |

mod counters;
mod histogram;
mod ledger;
pub mod report;

pub use counters::{Counts, WorkerCounters};
pub use histogram::{Histogram, Latency, Times};
pub use ledger::Ledger;
