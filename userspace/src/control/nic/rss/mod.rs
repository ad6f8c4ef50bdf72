//! Receive-side scaling: how many receive queues an interface serves, and how its packets spread over them.
//!
//! The hardware hashes each packet's addresses and ports; the lowest bits of the hash choose an entry of
//! the *indirection table*, which names the queue. So a queue that no worker serves gets packets unless the
//! table leaves it out, and a worker whose queue no entry names has nothing to do.
//!
//! Asked and set by ethtool's netlink family (`Documentation/networking/ethtool-netlink.rst`). Many drivers
//! reset the device when the number of queues changes, and some make their table anew when the interface
//! is set up: so this is done with the interface up, before sockets are bound to its queues and before an
//! XDP program is attached:
//!
//! ```no_run
//! use sluice::control::{journal::Journal, netlink, nic::rss};
//! # async fn prepare(journal: &mut Journal) -> anyhow::Result<()> {
//! rss::manage("eth1", 4, journal, &netlink::connect()?).await?;
//! # Ok(())
//! # }
//! ```
//!
//! | file | what it holds |
//! |---|---|
//! | `channels` | the number of queues |
//! | `table` | the indirection table and the hash |
//! | `plan` | what is to be changed so that so many queues share the packets |

mod channels;
mod plan;
mod table;

use nix::errno::Errno;

pub(super) use self::channels::channels;
pub use self::channels::{Channels, ChannelsChange, Queues, queues};
pub use self::plan::{manage, plan};
pub use self::table::{IndirectionChange, Rss, Spread, read};
use super::NicError;
use super::generic::GenericError;

/// Why queues or indirection table could not be asked for or set.
#[derive(Debug, thiserror::Error)]
pub enum RssError {
    /// The interface could not be looked at.
    #[error(transparent)]
    Nic(#[from] NicError),
    /// It has fewer queues than are wanted.
    #[error(
        "{iface} has {most} receive queues at most, {wanted} are wanted: set worker.count to {most} or less"
    )]
    TooFew {
        /// The interface.
        iface: String,
        /// How many are wanted.
        wanted: u32,
        /// How many there can be.
        most: u32,
    },
    /// It has more queues than are wanted, and the driver lets nobody change that.
    #[error(
        "{iface} spreads its packets over {queues} receive queues, {wanted} are wanted, and its driver \
         changes neither their number nor their share: set worker.count to {queues}, or port.rss to \"leave\""
    )]
    Fixed {
        /// The interface.
        iface: String,
        /// How many are wanted.
        wanted: u32,
        /// How many there are.
        queues: u32,
    },
    /// Linux before 6.17 sets no indirection table by netlink, and some drivers set none at all.
    #[error(
        "{iface}: the kernel (before 6.17) or the driver does not let the indirection table be set by \
         netlink: `ethtool -X {iface} equal {queues}` may, with port.rss = \"leave\""
    )]
    NoTableSet {
        /// The interface.
        iface: String,
        /// How many queues the table was to name.
        queues: usize,
    },
    /// The kernel or the driver refused.
    #[error("cannot {what} of {iface}: {message}")]
    Refused {
        /// What was tried.
        what: &'static str,
        /// The interface.
        iface: String,
        /// What it said.
        message: String,
    },
}

/// Why the kernel does not answer about, or change, `iface`.
fn refused(what: &'static str, iface: &str, error: GenericError) -> RssError {
    let iface = iface.to_owned();
    match error {
        GenericError::Socket(source) => NicError::Socket { iface, source }.into(),
        error if error.errno() == Some(Errno::ENODEV) => NicError::Missing { iface }.into(),
        error => RssError::Refused { what, iface, message: error.to_string() },
    }
}
