//! What work cost the CPUs.

use std::fs;

use anyhow::{Context, Result};
use nix::unistd::{SysconfVar, sysconf};

/// What `work` came to, and for how many seconds each of these CPUs was busy meanwhile: with programs, the kernel and
/// interrupts, whoever they are for. Interrupts of a CPU that sleeps otherwise may be missing: the kernel counts by its tick.
pub(super) fn busy<T, const N: usize>(
    cpus: [usize; N],
    work: impl FnOnce() -> Result<T>,
) -> Result<(T, [f64; N])> {
    let seconds = || -> Result<Vec<f64>> { cpus.iter().map(|&cpu| busy_seconds(cpu)).collect() };
    let before = seconds()?;
    let done = work()?;
    let after = seconds()?;
    Ok((done, std::array::from_fn(|n| after[n] - before[n])))
}

fn busy_seconds(cpu: usize) -> Result<f64> {
    let told = fs::read_to_string("/proc/stat")?;
    let ticks = sysconf(SysconfVar::CLK_TCK)?.context("the kernel has ticks")?;
    let busy = busy_ticks(&told, cpu).with_context(|| format!("/proc/stat has no CPU {cpu}"))?;
    Ok(busy as f64 / ticks as f64)
}

/// Of `user nice system idle iowait irq softirq …` (proc_stat(5)), those in which something ran here.
fn busy_ticks(told: &str, cpu: usize) -> Option<u64> {
    let line = format!("cpu{cpu} ");
    let numbers = told.lines().find_map(|told| told.strip_prefix(&line))?;
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
        let told = "cpu  2 2 2 2 2 2 2 2 2 2\ncpu1 1 20 300 5000 6000 70000 800000 9000000 1 1\n";
        assert_eq!(busy_ticks(told, 1), Some(870_321));
        assert_eq!(busy_ticks(told, 0), None);
    }
}
