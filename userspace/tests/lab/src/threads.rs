//! The threads of a process and the time each has run.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::unistd::Pid;

/// A thread, as `/proc` shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    /// Its id.
    pub id: u32,
    /// Its name.
    pub name: String,
    /// How long it has been on a CPU, to the nanosecond.
    pub ran: Duration,
}

/// The threads of process `pid`.
///
/// # Errors
/// Where there is no such process.
pub fn threads(pid: Pid) -> Result<Vec<Thread>> {
    let folder = format!("/proc/{pid}/task");
    let tasks = fs::read_dir(&folder).with_context(|| format!("there is no process {pid}"))?;
    // A thread that ends meanwhile is not one of them any more.
    Ok(tasks.flatten().filter_map(|task| read(&task.path())).collect())
}

fn read(task: &std::path::Path) -> Option<Thread> {
    let name = fs::read_to_string(task.join("comm")).ok()?.trim_end().to_owned();
    // The first of three numbers; `stat` counts in ticks of 10 ms, too coarse for an idle thread.
    let schedstat = fs::read_to_string(task.join("schedstat")).ok()?;
    let ran = Duration::from_nanos(schedstat.split_whitespace().next()?.parse().ok()?);
    Some(Thread { id: task.file_name()?.to_str()?.parse().ok()?, name, ran })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_works_has_run() {
        let pid = Pid::this();
        let ran = || threads(pid).unwrap().iter().map(|thread| thread.ran).sum::<Duration>();
        let before = ran();
        while ran() == before {}
        assert!(ran() > before);
    }
}
