//! Wire mode's worker: a bump in the wire between two ports.
//!
//! ```text
//!  A ─► receive ─► coalesce ─► stage ─► egress ─┬─ as it came ──────────────┬─► outbound ─► B
//!                                               ├─ recut: another MTU ──────┤
//!                                               ├─ fragments ───────────────┘
//!                                               └─ answer: too big ─► outbound ─► A
//! ```
//!
//! and the same the other way round.
//!
//! | file | what it holds |
//! |---|---|
//! | `config` | [`WireConfig`]: how the worker is to work |
//! | `handle` | [`WireHandle`]: how it is talked to |
//! | `worker` | [`WireWorker`]: what it owns, and what one turn is |
//! | `engine` | what is done with packets, whichever worker has them |
//! | `egress` | a train's way: stage, plan, and out |
//! | `plan` | how a train is to leave |
//! | `recut` | segments of another size, in frames |
//! | `too_large` | what does not fit: fragments, or an answer to the sender |
//! | `outbound` | what is to leave through a port |
//! | `parcels` | the same by a packet socket, super-packets whole |
//! | `desk` | what all of these work with |
//! | `crew` | handing flows to other workers |
//! | `relay` | the queues between a worker and a helper |
//! | `helper` | [`WireHelper`]: a worker without ports |
//! | `no_host` | the local kernel where none is asked for |

mod config;
mod crew;
mod desk;
mod egress;
mod engine;
mod handle;
mod helper;
mod no_host;
mod outbound;
mod parcels;
mod plan;
mod recut;
mod relay;
mod too_large;
mod worker;

pub use config::{Answers, WireConfig, WireSettings};
pub use handle::{Settler, WireHandle};
pub use helper::WireHelper;
pub use no_host::NoHost;
pub use worker::WireWorker;
