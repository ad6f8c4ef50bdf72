//! What work cost the CPUs.

use std::fs;

use anyhow::{Context, Result};
use nix::unistd::{SysconfVar, sysconf};

/// What `work` came to, and the CPU time of the whole machine meanwhile, in seconds: programs, kernel and interrupts. What
/// else runs on the machine is in it.
pub(super) fn cost<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, f64)> {
    let before = busy()?;
    let done = work()?;
    Ok((done, busy()? - before))
}

fn busy() -> Result<f64> {
    let told = fs::read_to_string("/proc/stat")?;
    let ticks = sysconf(SysconfVar::CLK_TCK)?.context("the kernel has ticks")?;
    let busy = busy_ticks(&told).context("/proc/stat tells of no CPU")?;
    Ok(busy as f64 / ticks as f64)
}

/// Of `user nice system idle iowait irq softirq …` (proc_stat(5)), those in which something ran here.
fn busy_ticks(told: &str) -> Option<u64> {
    let numbers = told.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let numbers: Option<Vec<u64>> =
        numbers.split_whitespace().map(|number| number.parse().ok()).collect();
    let numbers = numbers?;
    [0, 1, 2, 5, 6].into_iter().map(|field: usize| numbers.get(field).copied()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_stolen_and_waiting_time_is_not_counted() {
        let told = "cpu  1 20 300 5000 6000 70000 800000 9000000 1 1\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
        assert_eq!(busy_ticks(told), Some(870_321));
        assert_eq!(busy_ticks("intr 7\n"), None);
    }
}
