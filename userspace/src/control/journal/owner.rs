//! Who a journal belongs to, so that what a dead process left is told from what a living one needs.

use std::{fs, io, process};

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

/// A process, named so that no later process is taken for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Owner {
    /// Its process id.
    pub(super) pid: i32,
    /// When it started, in clock ticks since the machine did: two processes may share an id, not both.
    pub(super) started: u64,
    /// The boot it lives in (`/proc/sys/kernel/random/boot_id`).
    pub(super) boot: String,
}

impl Owner {
    /// This process.
    pub(super) fn current() -> io::Result<Self> {
        let pid = process::id().cast_signed();
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned();
        Ok(Self { pid, started: started(pid)?, boot })
    }

    /// Whether it still runs. A zombie does not: it changes nothing any more.
    pub(super) fn is_alive(&self) -> bool {
        let exists = kill(Pid::from_raw(self.pid), None) != Err(Errno::ESRCH);
        exists && started(self.pid).is_ok_and(|started| started == self.started)
    }
}

/// Field 22 of `/proc/PID/stat` (proc_pid_stat(5)), counted from behind the command, which may hold blanks
/// and brackets; an error for a zombie.
fn started(pid: i32) -> io::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    match (fields.first(), fields.get(19).and_then(|field| field.parse().ok())) {
        (Some(&("Z" | "X")), _) => Err(Errno::ESRCH.into()),
        (_, Some(started)) => Ok(started),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_the_same_id_that_started_later_is_another() {
        let own = Owner::current().unwrap();
        assert!(own.is_alive());
        assert!(!Owner { started: own.started + 1, ..own }.is_alive());
    }

    #[test]
    fn a_process_that_has_ended_is_not_alive_even_before_it_is_reaped() {
        let mut child = process::Command::new("sleep").arg("100").spawn().unwrap();
        let pid = child.id().cast_signed();
        let owner = Owner { pid, started: started(pid).unwrap(), boot: String::new() };
        assert!(owner.is_alive());
        child.kill().unwrap();
        let flags = nix::sys::wait::WaitPidFlag::WEXITED | nix::sys::wait::WaitPidFlag::WNOWAIT;
        nix::sys::wait::waitid(nix::sys::wait::Id::Pid(Pid::from_raw(pid)), flags).unwrap();
        assert!(!owner.is_alive(), "a zombie was taken for a living process");
        child.wait().unwrap();
        assert!(!owner.is_alive());
    }
}
