//! Next hops: the link header of each destination, from the kernel's own routes and neighbours.
//!
//! A worker asks its [`Client`], which answers from a cache of fixed size, without a lock, an allocation
//! or a system call. What is not in the cache is asked of the [`Resolver`] once, and meanwhile goes the
//! kernel's own way, which makes the kernel resolve the neighbour. The resolver listens to the kernel's
//! events and corrects whoever knows something that is no longer true.
//!
//! ```text
//! worker ─ Client ── Question ──► Resolver ── RTM_GETROUTE ──► kernel
//!            │   ◄── Answer ────     ▲  └ neighbours, routes, rules, links (events) ┘
//!            └ raw socket ──────────────────────────────────► the kernel's own path
//! ```
//!
//! Before privileges are dropped, in the network namespace of the port:
//!
//! ```no_run
//! use sluice::control::{link::Link, netlink, next_hops};
//! # async fn open() -> anyhow::Result<()> {
//! let port = Link::find(&netlink::connect()?, "eth1").await?;
//! let (resolver, clients) = next_hops::open(&port, 4)?; // four workers: one client each
//! // Privileges may go now; on the data plane's control runtime:
//! tokio::spawn(async move {
//!     if let Err(error) = resolver.run().await {
//!         tracing::error!(%error, "next hops are no longer kept current");
//!     }
//! });
//! # drop(clients);
//! # Ok(())
//! # }
//! ```
//!
//! Routes are asked for as for ICMP, which no policy rule of Sluice's matches
//! ([`routes`](super::routes)); with them, no rule of the administrator's that names TCP or UDP is
//! seen. A destination the kernel reaches through another interface, through a tunnel, or by a route
//! with a smaller MTU than the port's stays on the kernel's path.
//!
//! **Confirming.** A neighbour that only AF_XDP traffic uses looks idle to the kernel, which lets it
//! go stale after half a minute and would never find out that it has moved. So when a neighbour goes
//! stale, the next packet to it takes the kernel's path once: the kernel sees it used, probes it, and
//! tells the result as an event.
//!
//! | file | what it holds |
//! |---|---|
//! | `message` | what client and resolver say to each other |
//! | `cache` | the client's cache |
//! | `client` | a worker's end |
//! | `kernel_path` | raw sockets |
//! | `table` | what the resolver knows; pure |
//! | `lookup` | the kernel's answer to "which way to this destination?" |
//! | `events` | what the kernel tells of its own accord |
//! | `resolver` | the task that joins them |

mod cache;
mod client;
mod events;
mod kernel_path;
mod lookup;
mod message;
mod resolver;
mod table;

pub use client::Client;
pub use resolver::{NextHopsError, Resolver, open};
