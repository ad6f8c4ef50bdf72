//! The supervisor: changes the machine, watches the data plane, and puts everything back.
//!
//! ```text
//!            ┌────────────────────────────── end ◄─────────────┐
//!            ▼                                                 │
//! start ─► Opening ── Opened: attach, TUN up, Go ─► Running ───┤
//!            ▲                                                 │
//!            └───── after a while ──── Waiting ◄───────────────┘
//! ```
//!
//! While it is `Running` host mode's policy routes follow the heartbeat. The XDP programs stay attached from
//! the first `Opened` to the end of the supervisor, so that the links do not flap when the data plane is
//! started again.
//!
//! | file | what it holds |
//! |---|---|
//! | `serve` | one loop over signals, the data plane, the clock and the control socket |
//! | `tick` | what is looked at by the clock |
//! | `served` | a port: its interface, its program, its journal |
//! | `queues` | which queues are served |
//! | `mtu` | whether packets of an interface's MTU can be taken, and how |
//! | `rules` | steering rules as the classifier has them, and in words |
//! | `process` | the data plane: a process and a line to it |
//! | `diversion` | host mode's TUN device and policy routes |
//! | `wire` | what there is between the ports of a wire |
//! | `watch` | judging the workers by their signs of life |
//! | `rings` | a driver that never looks at a restarted data plane's rings |
//! | `answerer` | answers to senders of what is too large, while no worker gives them |
//! | `asked` | who asks over the control socket, and what |
//! | `tell` | the answer to `sluice stats` |
//! | `switch` | features that are switched while it runs |
//! | `reload` | the configuration read anew while it runs |
//! | `orders` | what the data plane is told meanwhile, and who waits for the outcome |

mod answerer;
mod asked;
mod diversion;
mod error;
mod mtu;
mod orders;
mod process;
mod queues;
mod reload;
mod rings;
mod rules;
mod serve;
mod served;
mod switch;
mod tell;
mod tick;
mod watch;
mod wire;

use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use tokio::signal::unix::{Signal, SignalKind, signal};

pub use self::error::SupervisorError;
pub use self::mtu::MtuError;
use self::serve::Supervisor;
use super::netlink;
use crate::config::{Config, ConfigError};

/// A configuration and the text it was read from, which the data plane reads once more.
#[derive(Clone, Debug)]
pub struct Configured {
    /// How messages call the file.
    pub file: PathBuf,
    /// What it says.
    pub text: String,
    /// What that means.
    pub config: Config,
}

impl Configured {
    /// Reads `file`.
    ///
    /// # Errors
    /// As for [`Config::load`].
    pub fn read(file: &Path) -> Result<Self, ConfigError> {
        let text = Config::read(file)?;
        let config = Config::parse(&text, file)?;
        Ok(Self { file: file.to_owned(), text, config })
    }
}

/// What a signal wants.
enum Wish {
    /// SIGINT, SIGTERM: the end.
    Stop(&'static str),
    /// SIGHUP: the configuration read anew.
    Reload,
}

/// The signals that are listened to.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl Signals {
    fn listen() -> Result<Self, SupervisorError> {
        let listen = |kind| signal(kind).map_err(SupervisorError::Signals);
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    async fn recv(&mut self) -> Wish {
        tokio::select! {
            _ = self.interrupt.recv() => Wish::Stop("SIGINT"),
            _ = self.terminate.recv() => Wish::Stop("SIGTERM"),
            _ = self.hang_up.recv() => Wish::Reload,
        }
    }
}

/// Runs until SIGINT or SIGTERM, and leaves nothing behind. SIGHUP has the configuration read anew.
///
/// # Errors
/// What kept it from starting, or from putting everything back.
pub async fn run(configured: Configured) -> Result<(), SupervisorError> {
    if !geteuid().is_root() {
        return Err(SupervisorError::NotRoot { uid: geteuid().as_raw() });
    }
    // First of all, so that a signal during the start puts back what the start has done.
    let signals = Signals::listen()?;
    let handle = netlink::connect().map_err(SupervisorError::Netlink)?;
    Supervisor::new(configured, handle).run(signals).await
}
