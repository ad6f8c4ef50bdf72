//! The configuration file: what may be said, what is meant where nothing is said, and what is wrong.
//!
//! [`Config::load`] either gives a configuration that is sound in itself or names everything that is
//! wrong with the file at once: line, key, value, and the range that was wanted. Whether the machine
//! has the interfaces and the cores it names is for those who open them.

mod change;
mod coalescing;
mod error;
mod features;
mod load;
mod model;
mod port;
mod rule;
mod sections;
mod source;
mod stage;
mod table;
mod wire;
mod words;

pub(crate) use words::did_you_mean;

pub use change::Changed;
pub use error::{ConfigError, Problem};
pub use features::OWN_FEATURES;
pub use model::{
    Config, Control, Cores, Flush, Host, Idle, Links, Mode, Offload, Port, PortRange, Proto,
    Queues, Routes, Rss, Rule, RxChecksum, Transmit, Wire, Worker, XdpMode, ZeroCopy,
};
pub use sluice_common::abi::MAX_QUEUES;
pub use sluice_common::classify::MAX_RULES;
