//! What keeps a data plane from running.

use std::io;

use nix::errno::Errno;

use super::super::link::LinkError;
use super::super::next_hops::NextHopsError;
use super::super::nic::NicError;
use super::super::privileges::PrivilegesError;
use crate::config::ConfigError;
use crate::pipeline::End;
use crate::steer::SteerError;
use crate::tun::TunError;
use crate::xsk::{HeartbeatError, OpenError, SizeError, UmemError};

/// Why the data plane failed.
#[derive(Debug, thiserror::Error)]
pub enum DataPlaneError {
    /// Somebody typed the command.
    #[error("data-plane is started by `sluice run` alone: {0}")]
    NotStartedBySupervisor(#[source] io::Error),
    /// The line to the supervisor.
    #[error("the line to the supervisor is broken: {0}")]
    Line(#[from] io::Error),
    /// The supervisor says something else than expected.
    #[error("the supervisor said {heard} out of turn; are both of the same version?")]
    OutOfTurn {
        /// What it said.
        heard: String,
    },
    /// The maps are not those of the ports.
    #[error("maps of {maps} ports came; are both of the same version?")]
    Ports {
        /// How many ports have maps.
        maps: usize,
    },
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The interface.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// What its driver can do.
    #[error(transparent)]
    Nic(#[from] NicError),
    /// The interface's MTU is not what the XDP program was loaded for.
    #[error(
        "{iface}: an MTU of {mtu} is more than {most}, which was enough when Sluice started: start it again, \
         or `ip link set {iface} mtu {most}`"
    )]
    Mtu {
        /// The interface.
        iface: String,
        /// Its MTU.
        mtu: u32,
        /// The largest that fits.
        most: usize,
    },
    /// A size the kernel does not take.
    #[error(transparent)]
    Size(#[from] SizeError),
    /// Packet memory.
    #[error(transparent)]
    Umem(#[from] UmemError),
    /// An AF_XDP socket.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Only one port of a wire has zero-copy, and copy mode would do.
    #[error("{iface} has no zero-copy ({errno}), and both ports share their frames")]
    NoSharedZeroCopy {
        /// The one without.
        iface: String,
        /// What the kernel said.
        errno: Errno,
    },
    /// Zero-copy is demanded for a wire that could hand nothing on.
    #[error(
        "{iface}: its driver (virtio_net) drops what the XDP programs hand on out of frames that a NIC shares, ARP \
         among it: set `zero_copy = \"auto\"` in both [[port]]"
    )]
    DropsShared {
        /// The interface.
        iface: String,
    },
    /// The map of signs of life.
    #[error(transparent)]
    Heartbeat(#[from] HeartbeatError),
    /// The map of sockets.
    #[error(transparent)]
    Steer(#[from] SteerError),
    /// The TUN device.
    #[error(transparent)]
    Tun(#[from] TunError),
    /// Next hops.
    #[error(transparent)]
    NextHops(#[from] NextHopsError),
    /// Privileges.
    #[error(transparent)]
    Privileges(#[from] PrivilegesError),
    /// Fewer cores are listed than there are workers.
    #[error("[worker] cores lists {listed} and there are {workers} workers: one each is wanted")]
    TooFewCores {
        /// How many are listed.
        listed: usize,
        /// How many are wanted.
        workers: usize,
    },
    /// A core this process may not run on.
    #[error(
        "[worker] cores: core {core} is not there, or not for this process; it may use {usable:?}"
    )]
    NoCore {
        /// The core.
        core: usize,
        /// Those there are.
        usable: Vec<usize>,
    },
    /// A worker's device has gone.
    #[error("the worker of queue {queue} has ended: {}", why(*end))]
    WorkerEnded {
        /// Its queue.
        queue: u32,
        /// Why.
        end: End,
    },
    /// A worker has a bug.
    #[error("the worker of queue {queue} panicked: {message}")]
    WorkerPanicked {
        /// Its queue.
        queue: u32,
        /// What it said.
        message: String,
    },
    /// The supervisor is gone.
    #[error("the supervisor has closed the line")]
    SupervisorGone,
}

const fn why(end: End) -> &'static str {
    match end {
        End::Stopped => "it was told to stop",
        End::WireGone => "the network interface is gone",
        End::HostGone => "the TUN device is gone",
    }
}
