//! Steering: the XDP program, its rules and its attachment.
//!
//! | module | what it holds |
//! |---|---|
//! | `object` | the program, embedded, and the number of its layout |
//! | `program` | [`Steering`]: the loaded program and its maps |
//! | `tables` | rules into maps, one half at a time |
//! | `attach` | native, else generic; who is there already |
//! | `bypass` | how the program is attached so that it can hand packets to the other port |
//! | `counters` | what was decided, and why |
//! | `peer` | the other port of a wire |
//! | `sockets` | AF_XDP sockets into the XSKMAP |
//! | `error` | what can go wrong, and what to do about it |

mod attach;
mod bypass;
mod counters;
mod error;
mod object;
mod peer;
mod program;
mod sockets;
mod tables;

pub use attach::{AttachMode, Attached, Foreign};
pub use bypass::{Bypass, BypassError, End, bypass_mode};
pub use counters::{RuleCount, SteerCounters};
pub use error::SteerError;
pub use object::OBJECT;
pub use peer::Peer;
pub use program::{Buffers, Steering};
pub use sockets::{insert_socket, remove_socket};
