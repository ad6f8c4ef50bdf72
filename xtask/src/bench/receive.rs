//! On which CPU the kernel receives.

use std::fs;

use anyhow::{Result, ensure};
use sluice_lab::Namespace;

use super::pin;

/// Has the kernel take what comes out of an interface's ring in a thread of its own on `cpu`, and not where it was sent
/// (threaded NAPI, `Documentation/networking/napi.rst`). There is a ring where GRO is on or an XDP program attached.
pub(super) fn threaded(host: &Namespace, iface: &str, cpu: usize) -> Result<()> {
    write(host, &format!("/sys/class/net/{iface}/threaded"), "1")?;
    let threads = kernel_threads(&format!("napi/{iface}-"))?;
    ensure!(!threads.is_empty(), "the kernel has no NAPI thread for {iface}");
    threads.into_iter().try_for_each(|thread| pin::thread_to(thread, cpu))
}

/// Has the kernel's stack take what an interface receives on `cpu`, and not where it was sent (receive packet steering,
/// `Documentation/networking/scaling.rst`). What comes before the stack, XDP and GRO, stays there.
pub(super) fn steered(host: &Namespace, iface: &str, cpu: usize) -> Result<()> {
    write(host, &format!("/sys/class/net/{iface}/queues/rx-0/rps_cpus"), &hex_mask(cpu))
}

/// Writes into a host's `/sys`, which programs in its namespace see.
fn write(host: &Namespace, file: &str, text: &str) -> Result<()> {
    let command = format!("echo {text} > {file}");
    let output = host.command("sh").args(["-c", &command]).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

/// A set of one CPU, as the kernel reads it: groups of eight hexadecimal digits, the lowest last.
fn hex_mask(cpu: usize) -> String {
    let low = ",00000000".repeat(cpu / 32);
    format!("{:x}{low}", 1_u32 << (cpu % 32))
}

/// Kernel threads whose names begin so.
fn kernel_threads(name: &str) -> Result<Vec<i32>> {
    let processes = fs::read_dir("/proc")?.flatten();
    let named = processes.filter(|process| {
        fs::read_to_string(process.path().join("comm")).is_ok_and(|comm| comm.starts_with(name))
    });
    Ok(named.filter_map(|process| process.file_name().to_str()?.parse().ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_one_cpu_is_written_in_groups_of_32() {
        assert_eq!((hex_mask(0), hex_mask(5)), ("1".to_owned(), "20".to_owned()));
        assert_eq!(hex_mask(33), "2,00000000");
    }
}
