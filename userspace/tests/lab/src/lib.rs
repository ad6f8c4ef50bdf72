//! Hosts on wires, for tests and for `cargo xtask`.
//!
//! A [`Lab`] is two network namespaces, `peer` and `dut` (device under test), joined by a veth pair
//! that is set up to look like a wire between two NICs: packets no larger than the MTU, with whole
//! checksums. It has a name no other lab has, goes when it is dropped (a panic drops it too), and what a
//! killed process left is swept when the next lab is made. A [`WireLab`] is three: hosts `a` and `b`, and
//! `dut` between them with a wire to each.
//!
//! ```no_run
//! use sluice_lab::{DUT_V4, Lab};
//!
//! let lab = Lab::new()?; // needs root; the error says so
//! // In-process: a closure on a thread of its own, inside the namespace.
//! let listener = lab.dut.run(|| std::net::TcpListener::bind((DUT_V4, 5000)))?;
//! // Another program inside the namespace; killed when the value is dropped.
//! let server = lab.dut.spawn(lab.dut.command("iperf3").args(["--server", "--one-off"]))?;
//! // `ip` inside the namespace.
//! lab.peer.ip("link set peer0 mtu 1400")?;
//! # drop((listener, server));
//! # anyhow::Ok(())
//! ```
//!
//! Sockets, netlink sockets and file descriptors belong to the namespace they were made in and may be
//! used anywhere afterwards, so make them inside [`Namespace::run`] and keep them outside. A Tokio
//! runtime must be built *and* driven inside one `run`, and threads started there stay in the
//! namespace. `/proc/sys/net` is the namespace's inside `run`; `/sys/class/net` and `/proc/net` are
//! not (use `/proc/thread-self/net`), while programs started with [`Namespace::command`] see all
//! three right.
//!
//! | module | what it holds |
//! |---|---|
//! | `namespace` | one network namespace: run a closure or a program in it |
//! | `veth` | a veth pair between two of them that looks like a wire |
//! | `wire` | two hosts on one wire |
//! | `nics` | two hosts on two NICs that a cable joins |
//! | `between` | two hosts, and one between them that forwards |
//! | `bridge` | the kernel's own bridge there |
//! | `router` | the kernel's own router there |
//! | `line` | a wire that loses and reorders packets |
//! | `netem` | the kernel's network emulator |
//! | `owner` | names that say who made a namespace, and the sweep of what the dead left |
//! | `process` | a program that is killed when its value goes |
//! | `threads` | the threads of a process and the time each has run |
//! | `sluice` | the program itself, running in a namespace |
//! | `stats` | what it counts |
//! | `crossed` | what it counts for a port of wire mode |
//! | `tcp` | TCP connections, and what the kernel says of them |
//! | `stream` | a connection that never rests, and how well it fared |
//! | `datagrams` | numbered datagrams, and which of them arrived |
//! | `arrivals` | how much came of a load, and when |
//! | `transfer` | a file that crosses a connection unchanged |
//! | `iperf` | iperf3 and what it tells |
//! | `capture` | what an interface really sent and received |
//! | `tap` | an independent look at every packet on a wire |
//! | `commands` | what the documentation tells people to type |
//! | `wait` | waiting for a condition with a bound |

mod arrivals;
mod between;
mod bridge;
mod capture;
mod commands;
mod crossed;
mod datagrams;
mod iperf;
mod line;
mod namespace;
mod netem;
mod nics;
mod owner;
mod process;
mod router;
mod sluice;
mod stats;
mod stream;
mod tap;
mod tcp;
mod threads;
mod transfer;
mod veth;
mod wait;
mod wire;

pub use between::{A, A_V4, A_V6, B, B_V4, B_V6, LEFT, RIGHT, WireLab, WireWiring};
pub use bridge::Bridge;
pub use capture::{Capture, Captured, Direction};
pub use commands::{Documented, documented, top};
pub use crossed::Crossed;
pub use datagrams::{Datagrams, Fared, Pace};
pub use iperf::{Iperf, IperfClient};
pub use line::{Impairment, OVERTAKING};
pub use namespace::Namespace;
pub use netem::netem;
pub use owner::sweep;
pub use process::Process;
pub use router::Router;
pub use sluice::Sluice;
pub use stats::{Carried, Held, Stats};
pub use stream::{Sender, Stream};
pub use tap::{Seen, Tap};
pub use tcp::{connect, mss, resent};
pub use threads::{Thread, threads};
pub use transfer::transfer;
pub use veth::Checksums;
pub use wait::{HANG, wait_until};
pub use wire::{DUT, DUT_V4, DUT_V6, Lab, PEER, PEER_V4, PEER_V6, Wiring};
