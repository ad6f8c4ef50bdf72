//! The configuration file.

mod model;

pub use model::{
    Config, Control, Cores, Flush, Host, Idle, Mode, Offload, Port, PortRange, Proto, Queues,
    Routes, Rule, RxChecksum, Worker, XdpMode, ZeroCopy,
};
