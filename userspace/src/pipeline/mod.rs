//! The worker: one thread, one queue of every port, run to completion.
//!
//! | file | what it holds |
//! |---|---|
//! | `worker` | [`Worker`]: what it owns, and what one turn is |
//! | `to_host` | wire → host: trains in one vectored write |
//! | `give` | packets for a port that takes super-packets |
//! | `to_wire` | host → wire: super-packets cut into frames |
//! | `to_socket` | the same through a packet socket, super-packets whole |
//! | `burst` | received packets on their way through a coalescer |
//! | `ahead` | packets asked for before their turn |
//! | `fragment_id` | identifications for the fragments of IPv6 datagrams |
//! | `life` | what every worker has besides its work |
//! | `stop` | how a worker ends, and what it says at the end |
//! | `command` | [`Handle`]: how a worker is talked to |
//! | `idle` | what it does when there is nothing to do |
//! | `run` | the loop |
//! | `wire` | [`WireWorker`]: the worker of wire mode |
//!
//! # From a configuration to running workers
//!
//! Everything that takes a privilege happens on the main thread: packet memory, sockets, the TUN
//! device. Then the privileges go, and each worker moves into a thread that cannot outlive the memory.
//!
//! ```no_run
//! use std::{os::fd::BorrowedFd, sync::Arc, thread, time::Duration};
//! use sluice::config::{Idle, Transmit, ZeroCopy};
//! use sluice::pipeline::{Worker, WorkerConfig};
//! use sluice::sim::{FixedHops, MemHost};
//! use sluice::xsk::{FrameCount, Heartbeat, QueueConfig, RingSize, Umem, open_queue};
//! use sluice_common::offload::GroConfig;
//!
//! # fn insert_socket(_map: BorrowedFd, _queue: u32, _socket: BorrowedFd) {}
//! # fn drop_privileges() {}
//! # fn data_plane(xsk_map: BorrowedFd, heartbeat: BorrowedFd) -> Result<(), Box<dyn std::error::Error>> {
//! let queues = 0..2_u32;
//! let ring = RingSize::new(2048)?;
//! let heartbeat = Arc::new(Heartbeat::map(heartbeat, queues.end)?);
//! let umems = Umem::map(FrameCount::new(8192)?, ring, queues.len())?; // one warning about huge pages
//! let (mut workers, mut handles) = (Vec::new(), Vec::new());
//! for (queue, umem) in queues.zip(&umems) {
//!     let iface = "eth1".to_owned();
//!     let (zero_copy, transmit) = (ZeroCopy::Auto, Transmit::Auto);
//!     let (multi_buffer, busy_poll) = (false, None);
//!     let wanted =
//!         QueueConfig { iface, queue, ring, zero_copy, transmit, multi_buffer, busy_poll };
//!     let mut pool = umem.pool();
//!     let (port, binding) = open_queue(umem, &mut pool, &wanted)?; // bound, fill ring filled
//!     println!("queue {queue}: zero_copy {} {:?}", binding.zero_copy, binding.reason);
//!     insert_socket(xsk_map, queue, std::os::fd::AsFd::as_fd(&port));
//!     let config = WorkerConfig {
//!         queue,
//!         gro: GroConfig::default(), // with hash keys from a random source
//!         mtu: 1500,
//!         idle: Idle::Adaptive,
//!         fail_open: Duration::from_millis(100),
//!     };
//!     // In production: a `tun::Queue` and a `control::next_hops::Client`.
//!     let (host, hops) = (sluice::sim::MemHost::default(), FixedHops::default());
//!     let (worker, handle) = Worker::new(config, pool, port, host, hops, heartbeat.beat(queue))?;
//!     workers.push(worker);
//!     handles.push(handle);
//! }
//! drop_privileges();
//! // … say Opened, wait for Go …
//! let reports = thread::scope(|scope| {
//!     let threads: Vec<_> = workers
//!         .into_iter()
//!         .enumerate()
//!         .map(|(index, worker)| {
//!             scope.spawn(move || {
//!                 core_affinity::set_for_current(core_affinity::CoreId { id: index });
//!                 worker.run()
//!             })
//!         })
//!         .collect();
//!     // … control loop: `handle.counters()`, `handle.times(..)`; on SIGTERM: …
//!     for handle in &handles {
//!         handle.stop();
//!     }
//!     // `join` is an error when a worker panicked: end the data plane and say so.
//!     threads.into_iter().map(|thread| thread.join()).collect::<Result<Vec<_>, _>>()
//! });
//! for report in reports.expect("a worker panicked") {
//!     println!("queue {}: {:?}, {}", report.queue, report.end, report.counts.ledger);
//! }
//! # Ok(()) }
//! ```

mod ahead;
mod burst;
mod command;
mod fragment_id;
mod give;
mod idle;
mod life;
mod run;
mod stop;
mod to_host;
mod to_socket;
mod to_wire;
mod wire;
mod worker;

pub use command::Handle;
pub use stop::{End, Report};
pub use wire::{
    Answers, NoHost, Settler, WireConfig, WireHandle, WireHelper, WireSettings, WireWorker,
};
pub use worker::{Turn, Worker, WorkerConfig};
