//! AF_XDP: frames, the memory they are in, and the sockets they go through.
//!
//! | file | what it holds |
//! |---|---|
//! | `frame` | [`Frame`]: one chunk of packet memory, owned |
//! | `links` | which frame follows which in a packet that spans several |
//! | `gather` | [`Gather`]: packets from their pieces |
//! | `pool` | [`Pool`]: the frames that are free |
//! | `umem` | [`Umem`]: the memory, shared with the kernel |
//! | `pages` | [`Pages`]: huge or ordinary, and how to get huge ones |
//! | `size` | [`RingSize`], [`FrameCount`]: sizes the kernel takes |
//! | `open` | [`open_queue`], [`open_pair`]: bind, fill, report |
//! | `options` | socket options |
//! | `port` | [`XskPort`]: the four rings |
//! | `packet_socket` | [`PacketSocket`]: a way out that takes super-packets |
//! | `heartbeat` | [`Heartbeat`]: the sign of life that the XDP program sees |
//!
//! The kernel and user space hand frames to each other. A frame user space owns is a value; giving it
//! away ends the value, getting it back makes a new one. Only this folder can do either.

mod frame;
mod gather;
mod heartbeat;
mod links;
mod open;
mod options;
mod packet_socket;
mod pages;
mod pool;
mod port;
mod size;
mod umem;

pub use frame::{Frame, Frames, Free, Packet};
pub use gather::{Gather, Gathered};
pub use heartbeat::{Beat, Heartbeat, HeartbeatError};
pub use open::{Binding, OpenError, QueueConfig, open_pair, open_queue};
pub use packet_socket::PacketSocket;
pub use pages::{HugePages, Pages};
pub use pool::Pool;
pub use port::XskPort;
pub use size::{FrameCount, RingSize, SizeError};
pub use umem::{FRAME_MTU, FRAME_SIZE, HEADROOM, MAX_MTU, MOST_PIECES, Umem, UmemError};
