//! Wire mode's worker, turn by turn, between two wires made of memory: order, pressure, faults, and after every
//! turn the ledger.
//!
//! | module | what it shows |
//! |---|---|
//! | `same_mtu` | packets leave byte for byte as they came, in order |
//! | `sockets` | the same through packet sockets, trains whole |
//! | `helpers` | flows handed to another worker |
//! | `pressure` | a side that does not send harms no other |
//! | `promptness` | a small packet is not held longer than its burst |
//! | `translate` | between networks of different MTU |
//! | `random` | schedules that nobody thought of |
//! | `stages` | what a stage says is done |
//! | `rig` | what all of them stand on |

mod helpers;
mod pressure;
mod promptness;
mod random;
mod rig;
mod same_mtu;
mod sockets;
mod stages;
mod translate;
