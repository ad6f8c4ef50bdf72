//! What can go wrong while a TUN device is opened, and what to do about it.

use std::io;

use super::device::MAX_QUEUES;

/// Why a TUN device could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum TunError {
    /// The name is no interface name.
    #[error(
        "\"{name}\" cannot name a TUN device: an interface name has 1 to 15 bytes, none of them a \
         slash, a colon or white space; change [host] tun"
    )]
    BadName {
        /// The name asked for.
        name: String,
    },
    /// An interface of this name is there already.
    #[error(
        "an interface named {name} exists already: another Sluice may be running; else delete it \
         (`ip link delete {name}`) or choose another name in [host] tun"
    )]
    NameTaken {
        /// The name asked for.
        name: String,
    },
    /// The number of queues is out of range.
    #[error("a TUN device has 1 to {MAX_QUEUES} queues, not {queues}")]
    QueueCount {
        /// The number asked for.
        queues: usize,
    },
    /// There is no TUN driver to ask.
    #[error(
        "/dev/net/tun is missing: load the driver with `modprobe tun`; in a container, hand the \
         device in (`--device /dev/net/tun`)"
    )]
    NoDriver,
    /// The process may not make network devices here.
    #[error(
        "no permission to make the TUN device {name}: CAP_NET_ADMIN in this network namespace is \
         needed, run as root"
    )]
    Permission {
        /// The name asked for.
        name: String,
    },
    /// A queue could not be opened.
    #[error("cannot open queue {queue} of the TUN device {name}: {source}")]
    Open {
        /// The device.
        name: String,
        /// The queue, from 0.
        queue: usize,
        /// What the kernel said.
        source: io::Error,
    },
    /// The device does not take a setting.
    #[error("cannot set {what} of the TUN device {name}: {source}")]
    Configure {
        /// The device.
        name: String,
        /// The setting, with its value.
        what: String,
        /// What the kernel said.
        source: io::Error,
    },
}
