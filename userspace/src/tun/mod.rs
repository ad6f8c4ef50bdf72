//! The local kernel's end of host mode: a TUN device with several queues and a vnet header.
//!
//! Every packet that crosses it has a ten-byte [`VnetHeader`](sluice_common::offload) in front, by
//! which both sides say how far they have gone with checksums and segmentation: a whole train goes
//! in by one `writev`, and what local sockets send comes out as super-packets of up to 64 KiB.
//!
//! | file | what it holds |
//! |---|---|
//! | `device` | the network device: its name, queues, MTU, what it takes over from the kernel |
//! | `offloads` | what it leaves to whoever reads from it |
//! | `queue` | one queue as a [`HostPort`](crate::port::HostPort) |
//! | `ioctl` | the requests `tun-rs` does not make |
//!
//! The device has no address and no route of its own, it is down until the supervisor sets it up,
//! and it is not persistent: it goes when the last queue is closed, however its process ended.

mod device;
mod error;
mod ioctl;
mod offloads;
mod queue;

pub use device::{Device, MAX_QUEUES, Settings};
pub use error::TunError;
pub use offloads::{Control, Offloads};
pub use queue::{Queue, RECEIVE_BUFFER};
