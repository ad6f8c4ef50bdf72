//! The journal: what was changed on the machine, written down before it is changed.
//!
//! A supervisor that is killed undoes nothing; the next one does, from this file. So a change is
//! recorded first, made second, and undoing what was never made must do no harm:
//!
//! ```no_run
//! use sluice::control::{journal::Journal, netlink, routes::PolicyRoutes, sysctl};
//! # async fn start(state_dir: &std::path::Path, mut routes: PolicyRoutes) -> anyhow::Result<()> {
//! let handle = netlink::connect()?;
//! let mut journal = Journal::open(state_dir, "eth1")?; // refuses while another Sluice lives
//! journal.undo(&handle).await?; // what a killed one left
//!
//! let settings = sysctl::for_nic("eth1")?;
//! for setting in settings {
//!     journal.apply(setting.into(), &handle).await?; // records, then makes the change
//! }
//! journal.record(routes.changes())?; // once; then
//! routes.install().await?; // as often as the heartbeat asks
//! routes.withdraw().await?;
//!
//! journal.undo(&handle).await?; // clean stop: all is undone,
//! journal.remove()?; // and the file goes
//! # Ok(())
//! # }
//! ```
//!
//! | file | what it holds |
//! |---|---|
//! | `change` | what can be changed, made and undone |
//! | `owner` | who a journal belongs to, and whether that process lives |
//! | `file` | the file: read, claimed, rewritten whole and synced |

mod change;
mod file;
mod owner;

pub use change::{Change, ChangeError};
pub use file::{Journal, JournalError};
