//! Stages: what happens to a train between the port it came in at and the port it leaves through.
//!
//! | item | what it is |
//! |---|---|
//! | [`Stage`] | what is asked once for each train |
//! | [`Seen`] | what it is shown |
//! | [`Verdict`], [`To`] | what it answers: where the train goes |
//! | [`Edit`] | and what is changed in its packets |
//! | [`Forward`] | a plain wire |
//! | [`Rewrite`], [`Leaving`], [`VlanMap`] | other MAC addresses and VLANs on each side |
//! | [`Nat`], [`NatRule`], [`NatTarget`] | other addresses and ports on each side |
//! | [`AnyStage`] | one of these three |
//!
//! A stage is where a program puts what it does with packets. Whatever it takes to decide is paid once for a
//! train of up to 64 KiB; what it decides is done to each packet of it.
//!
//! ```
//! use sluice_common::Side;
//! use sluice_common::stage::{Seen, Stage, To, Verdict};
//! use sluice_common::wire::{Headers, Link, Protocol, tcp};
//!
//! /// Lets side B answer, and not ask: no TCP connection is opened from there.
//! struct Diode;
//!
//! impl Stage for Diode {
//!     fn judge(&mut self, seen: &Seen<'_>) -> Verdict {
//!         let has_ports = seen.headers.ports.is_some();
//!         let is_tcp = has_ports && seen.headers.protocol == Protocol::TCP;
//!         let segment = seen.head.get(seen.headers.transport.into()..).and_then(tcp::Segment::new);
//!         let flags = segment.filter(|_| is_tcp).map(|tcp| tcp.flags()).unwrap_or_default();
//!         let opens = flags.intersects(tcp::Flags::SYN) && !flags.intersects(tcp::Flags::ACK);
//!         Verdict::unchanged(if opens && seen.side == Side::B { To::Nowhere } else { To::Other })
//!     }
//! }
//!
//! let syn = [
//!     2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, // Ethernet
//!     0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, // IPv4
//!     0x9c, 0x40, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x02, 0xff, 0xff, 0, 0, 0, 0, // TCP
//! ];
//! let headers = Headers::parse(&syn[..], Link::Ethernet)?;
//! // A worker shows what its coalescer gives: `Seen::of(side, &train)`.
//! let seen = |side| Seen { side, headers, head: &syn, ip_len: 40, gso_size: 0, gso_segs: 1, partial: false };
//! assert_eq!(Diode.judge(&seen(Side::A)).to, To::Other);
//! assert_eq!(Diode.judge(&seen(Side::B)).to, To::Nowhere);
//! # Ok::<(), sluice_common::wire::Unparsed>(())
//! ```

mod any;
mod edit;
mod forward;
mod nat;
mod rewrite;
mod seen;
mod verdict;

pub use any::AnyStage;
pub use edit::Edit;
pub use forward::Forward;
pub use nat::{InvalidNat, InvalidNatRule, Nat, NatRule, NatTarget};
pub use rewrite::{InvalidVlans, Leaving, Rewrite, VlanMap};
pub use seen::Seen;
pub use verdict::{To, Verdict};

/// Says what becomes of each train.
///
/// Asked once for each train, by the worker that received it; each worker has a stage of its own. What is not
/// IP is not shown: it goes to the other port as it came.
///
/// It must not wait, nor allocate once it is made.
pub trait Stage {
    /// Where this train goes, and what is changed in each of its packets.
    fn judge(&mut self, seen: &Seen<'_>) -> Verdict;
}
