//! The configuration file: what may be said, what is meant where nothing is said, and what is wrong.
//!
//! [`Config::load`] either gives a configuration that is sound in itself or names everything that is
//! wrong with the file at once: line, key, value, and the range that was wanted. Whether the machine
//! has the interfaces and the cores it names is for those who open them.

mod error;
mod load;
mod model;
mod port;
mod rule;
mod sections;
mod table;

pub use error::{ConfigError, Problem};
pub use model::{
    Config, Control, Cores, Flush, Host, Idle, Mode, Offload, Port, PortRange, Proto, Queues,
    Routes, Rule, RxChecksum, Worker, XdpMode, ZeroCopy,
};

/// The most queues of one interface that can be served: the slots of the XDP program's socket map.
pub const MAX_QUEUES: u32 = 64;
/// The most steering rules: one bit each in the classifier's bitmaps.
pub const MAX_RULES: usize = 64;
