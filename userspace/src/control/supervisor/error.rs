//! What keeps the supervisor from going on.

use std::io;
use std::net::IpAddr;

use super::super::journal::JournalError;
use super::super::link::LinkError;
use super::super::mirror::MirrorError;
use super::super::nic::NicError;
use super::super::nic::rss::RssError;
use super::super::routes::{PlanError, RoutesError};
use super::super::socket::SocketError;
use super::super::sysctl::SysctlError;
use super::mtu::MtuError;
use crate::steer::{BypassError, SteerError};

/// Why `sluice run` failed.
#[derive(Debug, thiserror::Error)]
pub enum SupervisorError {
    /// It takes root.
    #[error(
        "sluice run must be started as root (it was started by user {uid}): it attaches an XDP program, makes \
         a TUN device and writes policy routes"
    )]
    NotRoot {
        /// The effective user.
        uid: u32,
    },
    /// The interface cannot be looked at.
    #[error(transparent)]
    Nic(#[from] NicError),
    /// It has not the queues that are asked for.
    #[error(
        "{iface}: there is no queue {queue}: it has {queues}; change [[port]] queues, or `ethtool -L`"
    )]
    NoQueue {
        /// The interface.
        iface: String,
        /// The queue asked for.
        queue: u32,
        /// How many there are.
        queues: u32,
    },
    /// More queues than the program's map has room for.
    #[error(
        "{iface} has {queues} queues and at most {most} can be served: list some in [[port]] queues, or use \
         fewer (`ethtool -L {iface} combined {most}`)"
    )]
    TooManyQueues {
        /// The interface.
        iface: String,
        /// How many it has.
        queues: u32,
        /// How many can be served.
        most: u32,
    },
    /// The ports of a wire have not as many queues as each other.
    #[error(
        "{more} has {most} queues to serve and {fewer} {least}, and a worker owns one of each: make them equal \
         (`ethtool -L {more} combined {least}`, queues in [[port]], or rss = \"manage\")"
    )]
    UnequalQueues {
        /// The one with fewer.
        fewer: String,
        /// How many.
        least: usize,
        /// The other.
        more: String,
        /// How many.
        most: usize,
    },
    /// Queues that nobody would serve.
    #[error(
        "[worker] count = {workers}, and there are {queues} queues to serve, each of which takes a worker: count = \
         \"auto\", or fewer queues (queues or rss = \"manage\" in [[port]])"
    )]
    TooFewWorkers {
        /// How many workers there are to be.
        workers: u32,
        /// How many queues there are.
        queues: usize,
    },
    /// The number of its queues.
    #[error(transparent)]
    Rss(#[from] RssError),
    /// A port of a wire has an address.
    #[error(
        "{iface} has the address {address}, which nobody reaches any more when everything that comes in by it goes \
         to the other port: `ip address flush dev {iface}`, or addressed = true in [wire]"
    )]
    Addressed {
        /// The interface.
        iface: String,
        /// The address.
        address: IpAddr,
    },
    /// The drivers of a wire's ports hand nothing to each other.
    #[error(transparent)]
    Bypass(#[from] BypassError),
    /// The links cannot be watched.
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    /// Packets of its MTU cannot be taken.
    #[error(transparent)]
    Mtu(#[from] MtuError),
    /// The XDP program.
    #[error(transparent)]
    Steer(#[from] SteerError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// An interface.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The policy routes.
    #[error(transparent)]
    Routes(#[from] RoutesError),
    /// The policy routes cannot be planned.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A setting.
    #[error(transparent)]
    Sysctl(#[from] SysctlError),
    /// The TUN device's address.
    #[error("cannot give the TUN device {tun} an address: {source}")]
    Address {
        /// The device.
        tun: String,
        /// What the kernel said.
        source: rtnetlink::Error,
    },
    /// No packet socket.
    #[error("cannot open a packet socket on a port of the wire: {0}")]
    Answerer(#[source] io::Error),
    /// The control socket.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// No netlink.
    #[error("cannot open a netlink socket: {0}")]
    Netlink(#[source] io::Error),
    /// No data plane.
    #[error("cannot start the data plane: {0}")]
    Start(#[source] io::Error),
    /// The data plane never came to run.
    #[error("the data plane did not start: {0}")]
    DataPlane(String),
    /// No signals.
    #[error("cannot wait for signals: {0}")]
    Signals(#[source] io::Error),
    /// Frames are missing after the stop.
    #[error(
        "stopped, but frames of queue {queue} are not accounted for: {ledger:?}; this is a bug"
    )]
    Unbalanced {
        /// The queue.
        queue: u32,
        /// Where its frames are.
        ledger: crate::observe::report::LedgerReport,
    },
}
