//! Ports made of memory: a kernel that does what a test tells it to.
//!
//! | file | what it holds |
//! |---|---|
//! | `bell` | what a sleeping worker is woken by |
//! | `record` | [`Record`]: packets, one after the other |
//! | `mem_port` | [`MemPort`]: the side of the wire, four rings of any size |
//! | `mem_host` | [`MemHost`]: the side of the local kernel |
//! | `hops` | [`FixedHops`]: next hops that are known, or are not |
//! | `talker` | [`Talker`]: well-formed packets of one TCP connection |
//! | `schedule` | [`play`]: a worker among them, driven by bytes; [`audit`]: its books |
//! | `wire_schedule` | [`play_wire`]: the same between two wires |
//! | `wire_audit` | [`audit_wire`]: the books of a worker of wire mode |
//!
//! They are published, not test-only: whoever builds a stage on the library tests it with these.

mod bell;
mod hops;
mod mem_host;
mod mem_port;
mod record;
mod schedule;
mod talker;
mod wire_audit;
mod wire_schedule;

pub use hops::FixedHops;
pub use mem_host::MemHost;
pub use mem_port::MemPort;
pub use record::Record;
pub use schedule::{audit, play};
pub use talker::Talker;
pub use wire_audit::audit_wire;
pub use wire_schedule::play_wire;
