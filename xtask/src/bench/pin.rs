//! On which CPU.

use anyhow::{Context, Result};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

const SELF: Pid = Pid::from_raw(0);

/// The CPUs there are for us, by number.
pub(super) fn allowed() -> Result<Vec<usize>> {
    let set = sched_getaffinity(SELF).context("cannot ask for the CPUs")?;
    Ok((0..CpuSet::count()).filter(|&cpu| set.is_set(cpu).unwrap_or(false)).collect())
}

/// Does `work`, and with it all programs it starts, on `cpu` only.
pub(super) fn to<T>(cpu: usize, work: impl FnOnce() -> T) -> Result<T> {
    let before = sched_getaffinity(SELF).context("cannot ask for the CPUs")?;
    thread_to(SELF.as_raw(), cpu)?;
    let done = work();
    sched_setaffinity(SELF, &before).context("cannot undo the pinning")?;
    Ok(done)
}

/// Lets a thread of somebody else's run on `cpu` only.
pub(super) fn thread_to(thread: i32, cpu: usize) -> Result<()> {
    let mut only = CpuSet::new();
    only.set(cpu)?;
    sched_setaffinity(Pid::from_raw(thread), &only)
        .with_context(|| format!("cannot pin thread {thread} to CPU {cpu}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_runs_where_it_is_told_to_and_nothing_stays_pinned() {
        let all = allowed().unwrap();
        let cpu = all[all.len() - 1];
        assert_eq!(to(cpu, allowed).unwrap().unwrap(), [cpu]);
        assert_eq!(allowed().unwrap(), all);
    }
}
