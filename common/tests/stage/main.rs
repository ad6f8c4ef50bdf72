//! Stages: what they say of a train, and what becomes of its packets.
//!
//! | module | what is tried |
//! |---|---|
//! | `edit` | changing fields of every kind of packet, against sums made from scratch |
//! | `nat` | that what is mapped comes back, for every shape of rule |
//! | `rewrite` | MAC addresses and VLANs, and the wire that changes nothing |
//! | `bytes` | what all of them share |

mod bytes;
mod edit;
mod nat;
mod rewrite;
