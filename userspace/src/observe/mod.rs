//! What is counted, and how it is told.
//!
//! | file | what it holds |
//! |---|---|
//! | `counters` | [`WorkerCounters`]: one writer, any number of readers |
//! | `histogram` | [`Latency`], [`Times`]: how long a packet stayed, and a train was held |
//! | `ledger` | [`Ledger`]: where every frame is |
//! | `side` | [`SideCounts`]: what is counted for each port of wire mode |
//! | [`report`] | what `sluice stats` shows |

mod counters;
mod histogram;
mod ledger;
pub mod report;
mod side;

pub use counters::{Counts, WorkerCounters};
pub use histogram::{Histogram, Latency, Times};
pub use ledger::Ledger;
pub use side::SideCounts;
