//! Packets and steering rules for tests, so that the parser, the classifier and the XDP program are
//! tried on the same ones.
//!
//! | module | what it holds |
//! |---|---|
//! | `spec` | a packet as a list of its headers, written to bytes |
//! | `fixtures` | one packet of every kind, with what the parser has to say about it |
//! | `generate` | as many packets and rules as wanted (proptest strategies) |

mod fixtures;
mod generate;
mod spec;

pub use fixtures::{Fixture, fixtures};
pub use generate::{packet, rule, rules, spec};
pub use spec::{Extension, Network, Spec, Tag, Transport};
