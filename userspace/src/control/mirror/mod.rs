//! The links of the two ports of wire mode: told when they come and go, and one set down while the other is.
//!
//! A host beyond one port takes another path when its link goes. What goes on beyond the other port it
//! cannot see: its own link stays up, and what it sends is lost. So a link that is lost on one side is set
//! down on the other (`wire.link = "mirror"`), and up again once the first is back.
//!
//! ```no_run
//! use sluice::control::{journal::Journal, mirror::Watch, netlink};
//! # async fn serve(journal: &mut Journal) -> anyhow::Result<()> {
//! let mut watch = Watch::open(&netlink::connect()?, ["eth1", "eth2"], true).await?;
//! watch.settle(); // after each attaching of an XDP program, which resets many a device
//! loop {
//!     tokio::select! {
//!         event = watch.next() => {
//!             tracing::info!("{}: {event}", watch.iface(event.side()));
//!             watch.carry_out(event, journal).await?;
//!         }
//!         // and whatever else the supervisor waits for
//!     }
//! }
//! # }
//! ```
//!
//! | file | what it holds |
//! |---|---|
//! | `sides` | what is to be done; pure |
//! | `watch` | seeing how the links stand, and doing it |

mod sides;
mod watch;

pub use self::sides::{Event, Mirror, SETTLE, STEADY};
pub use self::watch::{MirrorError, Watch};
