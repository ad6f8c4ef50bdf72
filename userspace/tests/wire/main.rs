//! A bump in the wire, between two hosts of one subnet. Needs root.
//!
//! What is asked of Sluice in wire mode is asked of the kernel's own bridge first: it shows that the tests can be
//! passed, and is what Sluice is compared with.
//!
//! | module | what it shows |
//! |---|---|
//! | `bridge` | the kernel's bridge passes |
//! | `sluice` | Sluice passes as well |
//! | `translation` | between networks of different MTU |
//! | `balanced` | servers that share one address |
//! | `faults` | connections go on when the data plane does not |
//! | `soak` | nothing is lost while the configuration changes |
//! | `connections` | what programs send to each other arrives, whatever the wire does |
//! | `unchanged` | what crosses with one MTU on both sides is the same, byte for byte and in order |
//! | `frames` | frames of every kind, as many as wanted |
//! | `lanes` | frames that keep to the queue of their flow |
//! | `bed` | what all of them stand on |

mod balanced;
mod bed;
mod bridge;
mod connections;
mod faults;
mod frames;
mod lanes;
mod sluice;
mod soak;
mod translation;
mod unchanged;
