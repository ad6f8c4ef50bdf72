//! Opening a queue, in the order that real drivers want.

use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use thiserror::Error;
use xsk_rs::Socket;
use xsk_rs::config::{BindFlags, LibxdpFlags, QueueSize, SocketConfig};

use super::options::{prefer_busy_poll, raise_send_buffer};
use super::packet_socket::PacketSocket;
use super::pool::Pool;
use super::port::{Queues, XskPort};
use super::size::RingSize;
use super::umem::Umem;
use crate::config::{Transmit, ZeroCopy};
use crate::port::FramePort;

/// How long a queue may answer EBUSY. The kernel releases a closed socket's queue asynchronously
/// (`xp_put_pool` works it off); on a busy machine that takes milliseconds, with some drivers a reset.
const BUSY_FOR: Duration = Duration::from_secs(3);
/// Time between two attempts: short against a restart, long against a spin.
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// Which queue, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueConfig {
    /// Name of the interface.
    pub iface: String,
    /// Receive queue.
    pub queue: u32,
    /// Slots of the receive and of the transmit ring. (The other two rings are the UMEM's.)
    pub ring: RingSize,
    /// Whether the frames are shared with the NIC.
    pub zero_copy: ZeroCopy,
    /// By which way packets leave.
    pub transmit: Transmit,
    /// Whether packets may span several frames. The driver, or generic XDP in its place, has to be able to
    /// do it; see [`FRAME_MTU`](super::FRAME_MTU).
    pub multi_buffer: bool,
    /// Packets the driver may handle in one busy poll; `None`: no busy polling.
    pub busy_poll: Option<u16>,
}

/// What was got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Whether the NIC reads and writes the frames itself.
    pub zero_copy: bool,
    /// Why not, when it does not.
    pub reason: Option<String>,
}

impl Binding {
    /// Whether packets leave by a packet socket, where `transmit` is wanted.
    #[must_use]
    pub fn by_socket(&self, transmit: Transmit) -> bool {
        match transmit {
            Transmit::Auto => !self.zero_copy,
            Transmit::Ring => false,
            Transmit::Socket => true,
        }
    }
}

/// Why a queue could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// A UMEM on the heap is known to no kernel.
    #[error("{iface} queue {queue}: its UMEM is on the heap, which only tests use")]
    HeapUmem {
        /// Interface.
        iface: String,
        /// Queue.
        queue: u32,
    },
    /// Too few frames for the rings.
    #[error(
        "{iface} queue {queue}: {frames} frames cannot serve rings of {ring}, which takes {least}: set `frames` \
         higher, or `ring` lower"
    )]
    TooFewFrames {
        /// Interface.
        iface: String,
        /// Queue.
        queue: u32,
        /// Frames in the UMEM.
        frames: u32,
        /// Slots in each ring.
        ring: u32,
        /// Frames that would do.
        least: u32,
    },
    /// No such interface in this network namespace.
    #[error("no interface {iface} in this network namespace: `ip link` lists them")]
    NoInterface {
        /// Interface.
        iface: String,
    },
    /// Another socket holds the queue.
    #[error(
        "{iface} queue {queue} is still in use by another AF_XDP socket after {waited:?} (EBUSY): stop \
         the program that holds it (`ss --xdp -p` shows it) or choose other `queues`"
    )]
    Busy {
        /// Interface.
        iface: String,
        /// Queue.
        queue: u32,
        /// How long it was tried.
        waited: Duration,
    },
    /// The driver has no zero-copy, and nothing else would do.
    #[error(
        "{iface} queue {queue}: no zero-copy here ({errno}): set `zero_copy = \"auto\"` to take copy \
         mode, or use another interface"
    )]
    NoZeroCopy {
        /// Interface.
        iface: String,
        /// Queue.
        queue: u32,
        /// What the kernel said.
        errno: Errno,
    },
    /// Two interfaces share packet memory, and only one driver has zero-copy.
    #[error(
        "{iface}: no zero-copy here ({errno}), which {other} has, and packet memory that two interfaces share is \
         zero-copy for both or for none: set `zero_copy = \"never\"` in both [[port]]"
    )]
    NoSharedZeroCopy {
        /// The interface without.
        iface: String,
        /// The one that has it.
        other: String,
        /// What the kernel said.
        errno: Errno,
    },
    /// Not allowed.
    #[error(
        "{iface} queue {queue}: opening an AF_XDP socket takes CAP_NET_RAW and CAP_NET_ADMIN: run as root"
    )]
    Permission {
        /// Interface.
        iface: String,
        /// Queue.
        queue: u32,
    },
    /// The kernel has no such queue, or cannot serve it.
    #[error(
        "{iface} queue {queue}: the kernel refuses to bind ({errno}): `ethtool -l {iface}` shows how many \
         queues there are"
    )]
    Bind {
        /// Interface.
        iface: String,
        /// Queue.
        queue: u32,
        /// What the kernel said.
        errno: Errno,
    },
    /// A socket option.
    #[error("{iface} queue {queue}: cannot set {option} ({errno})")]
    Option {
        /// Interface.
        iface: String,
        /// Queue.
        queue: u32,
        /// The option.
        option: &'static str,
        /// What the kernel said.
        errno: Errno,
    },
}

/// Opens one queue: binds the socket, sets its options and fills its fill ring from `pool`.
///
/// The next step is the XSKMAP, and only then the XDP program may be attached: a zero-copy driver
/// that finds the fill ring empty when it is attached may never look again (igb on Linux 6.18).
///
/// # Errors
/// [`OpenError`] says which interface and queue, why, and what to do.
pub fn open_queue<'u>(
    umem: &'u Umem,
    pool: &mut Pool<'u>,
    config: &QueueConfig,
) -> Result<(XskPort<'u>, Binding), OpenError> {
    check(umem, config, 2)?;
    let (queues, binding) = bind(umem, config)?;
    let fill = umem.frames().get() - umem.reserve();
    Ok((ready(umem, pool, queues, (config, &binding), fill)?, binding))
}

/// Opens the same queue of two interfaces over one UMEM, so that a frame received on one leaves through the other.
/// A quarter of the frames is for each of what comes in and goes out by either.
///
/// Copy mode or zero-copy belongs to the UMEM: both have the one that the first has got, and so it is with frames
/// in several pieces.
///
/// # Errors
/// As for [`open_queue`]; [`OpenError::NoSharedZeroCopy`] where the first has zero-copy and the second's driver not.
pub fn open_pair<'u>(
    umem: &'u Umem,
    pool: &mut Pool<'u>,
    configs: [&QueueConfig; 2],
) -> Result<([XskPort<'u>; 2], Binding), OpenError> {
    let [first, second] = configs;
    check(umem, first, 4)?;
    check(umem, second, 4)?;
    let (queues, binding) = bind(umem, first)?;
    // The kernel takes no flags for a UMEM that has a socket already (`xsk_bind`, net/xdp/xsk.c), and libxdp gives
    // it none.
    let shared = bind_patiently(umem, second, BindFlags::empty());
    let shared = shared.map_err(|errno| match errno {
        Errno::EINVAL | Errno::EOPNOTSUPP if binding.zero_copy => OpenError::NoSharedZeroCopy {
            iface: second.iface.clone(),
            other: first.iface.clone(),
            errno,
        },
        errno => explain(second, errno),
    })?;
    let fill = umem.frames().get() / 4;
    let first = ready(umem, pool, queues, (first, &binding), fill)?;
    let second = ready(umem, pool, shared, (second, &binding), fill)?;
    Ok(([first, second], binding))
}

/// The port of these queues, with its options set and up to `fill` frames to receive into.
fn ready<'u>(
    umem: &'u Umem,
    pool: &mut Pool<'u>,
    queues: Queues,
    (config, binding): (&QueueConfig, &Binding),
    fill: u32,
) -> Result<XskPort<'u>, OpenError> {
    let mut port = XskPort::new(umem, queues, config, binding.zero_copy);
    let option = |(option, errno)| OpenError::Option {
        iface: config.iface.clone(),
        queue: config.queue,
        option,
        errno,
    };
    raise_send_buffer(&port, config.ring).map_err(option)?;
    if let Some(budget) = config.busy_poll {
        prefer_busy_poll(&port, budget).map_err(option)?;
    }
    if binding.by_socket(config.transmit) {
        port.socket = Some(PacketSocket::open(&config.iface, config.ring).map_err(option)?);
    }
    port.fill(pool, fill as usize);
    Ok(port)
}

/// Whether the UMEM serves `rings` rings of this size that may be full at the same time.
fn check(umem: &Umem, config: &QueueConfig, rings: u32) -> Result<(), OpenError> {
    let QueueConfig { iface, queue, ring, .. } = config.clone();
    if umem.kernel().is_none() {
        return Err(OpenError::HeapUmem { iface, queue });
    }
    let (frames, ring) = (umem.frames().get(), ring.get());
    let least = rings * ring;
    if frames < least {
        return Err(OpenError::TooFewFrames { iface, queue, frames, ring, least });
    }
    if nix::net::if_::if_nametoindex(iface.as_str()).is_err() {
        return Err(OpenError::NoInterface { iface });
    }
    Ok(())
}

/// Binds as the configuration wants it: zero-copy first, where that may be.
fn bind(umem: &Umem, config: &QueueConfig) -> Result<(Queues, Binding), OpenError> {
    let never = || Binding { zero_copy: false, reason: Some("zero_copy = \"never\"".into()) };
    if config.zero_copy == ZeroCopy::Never {
        let queues = bind_patiently(umem, config, BindFlags::XDP_COPY);
        return Ok((queues.map_err(|errno| explain(config, errno))?, never()));
    }
    let refused = match bind_patiently(umem, config, BindFlags::XDP_ZEROCOPY) {
        Ok(queues) => return Ok((queues, Binding { zero_copy: true, reason: None })),
        Err(errno @ (Errno::EBUSY | Errno::EPERM)) => return Err(explain(config, errno)),
        Err(errno) => errno,
    };
    if config.zero_copy == ZeroCopy::Always {
        let (iface, queue) = (config.iface.clone(), config.queue);
        return Err(OpenError::NoZeroCopy { iface, queue, errno: refused });
    }
    let queues = bind_patiently(umem, config, BindFlags::XDP_COPY);
    let what = if config.multi_buffer { " for packets of several frames" } else { "" };
    let reason = Some(format!("the driver has no zero-copy{what} ({refused})"));
    Ok((queues.map_err(|errno| explain(config, errno))?, Binding { zero_copy: false, reason }))
}

/// Binds, and tries again while the queue is busy, but not for ever.
fn bind_patiently(umem: &Umem, config: &QueueConfig, mode: BindFlags) -> Result<Queues, Errno> {
    let give_up = Instant::now() + BUSY_FOR;
    loop {
        match bind_once(umem, config, mode) {
            Err(Errno::EBUSY) if Instant::now() < give_up => thread::sleep(BUSY_PAUSE),
            result => return result,
        }
    }
}

fn bind_once(umem: &Umem, config: &QueueConfig, mode: BindFlags) -> Result<Queues, Errno> {
    let size = QueueSize::new(config.ring.get()).map_err(|_| Errno::EINVAL)?;
    let scatter_gather =
        if config.multi_buffer { BindFlags::XDP_USE_SG } else { BindFlags::empty() };
    let socket = SocketConfig::builder()
        .rx_queue_size(size)
        .tx_queue_size(size)
        // libxdp would load a program of its own that takes every packet.
        .libxdp_flags(LibxdpFlags::XSK_LIBXDP_FLAGS_INHIBIT_PROG_LOAD)
        .bind_flags(mode | BindFlags::XDP_USE_NEED_WAKEUP | scatter_gather)
        .build();
    let iface = config.iface.parse().map_err(|_| Errno::ENODEV)?;
    let umem = umem.kernel().ok_or(Errno::EINVAL)?;
    // SAFETY: libxdp's program is inhibited, so the double free its contract warns of cannot be.
    let (tx, rx, rings) = unsafe { Socket::new(socket, umem, &iface, config.queue) }
        .map_err(|error| errno_of(&error))?;
    // Absent only when this UMEM is bound to this queue already.
    let (fill, completion) = rings.ok_or(Errno::EBUSY)?;
    Ok(Queues { tx, rx, fill, completion })
}

fn errno_of(error: &(dyn std::error::Error + 'static)) -> Errno {
    let source = error.source().and_then(|source| source.downcast_ref::<std::io::Error>());
    source.and_then(std::io::Error::raw_os_error).map_or(Errno::UnknownErrno, Errno::from_raw)
}

fn explain(config: &QueueConfig, errno: Errno) -> OpenError {
    let (iface, queue) = (config.iface.clone(), config.queue);
    match errno {
        Errno::EBUSY => OpenError::Busy { iface, queue, waited: BUSY_FOR },
        Errno::EPERM | Errno::EACCES => OpenError::Permission { iface, queue },
        Errno::ENODEV => OpenError::NoInterface { iface },
        errno => OpenError::Bind { iface, queue, errno },
    }
}
