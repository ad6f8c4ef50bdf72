//! A program that is killed when its value goes.

use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::wait_until;

/// A running program; killed and waited for when dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    keep: bool,
}

impl Process {
    /// Starts `command`.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn spawn(command: &mut Command) -> Result<Self> {
        let child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
        Ok(Self { child, keep: false })
    }

    /// Its pid.
    #[must_use]
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().try_into().expect("a pid fits pid_t"))
    }

    /// Its handle, for the pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// Where it has gone already.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill(self.pid(), signal).with_context(|| format!("cannot send {signal} to {}", self.pid()))
    }

    /// How it ended; `None` while it runs.
    ///
    /// # Errors
    /// Where the kernel does not say.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Waits until it has ended, no longer than `limit`.
    ///
    /// # Errors
    /// Where it still runs then.
    pub fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        wait_until("the process ends", limit, || self.child.try_wait().ok().flatten())
    }

    /// SIGTERM, then waits until it has ended, no longer than `limit`.
    ///
    /// # Errors
    /// Where it still runs then.
    pub fn stop(&mut self, limit: Duration) -> Result<ExitStatus> {
        self.signal(Signal::SIGTERM)?;
        self.wait(limit)
    }

    /// Leaves it running when the value goes.
    pub fn keep(&mut self) {
        self.keep = true;
    }

    /// Its child processes.
    #[must_use]
    pub fn children(&self) -> Vec<Pid> {
        let pid = self.pid();
        let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let list = list.unwrap_or_default();
        list.split_whitespace().filter_map(|pid| pid.parse().ok()).map(Pid::from_raw).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.keep {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}
