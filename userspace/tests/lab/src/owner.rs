//! Names that say who made a namespace: `sluice-PID-START-N-ROLE`.
//!
//! START is when the process began (clock ticks since boot), so that a pid the kernel has given to
//! somebody else in the meantime does not keep a dead owner's namespaces alive.

use std::fs;
use std::path::Path;
use std::process;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::namespace;

/// Where `ip netns` keeps its names.
pub(crate) static FOLDER: LazyLock<&Path> = LazyLock::new(|| Path::new("/run/netns"));

/// A name no other namespace has.
pub(crate) fn unique(role: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let pid = process::id();
    let start = started(pid).expect("/proc tells when this process began");
    format!("sluice-{pid}-{start}-{}-{role}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// What the namespace of `role` in the lasting lab `lab` is called: it has no owner.
pub(crate) fn lasting(lab: &str, role: &str) -> String {
    format!("sluice-{lab}-{role}")
}

/// Deletes these namespaces; `false` if there was none of them.
pub(crate) fn remove(names: &[String]) -> bool {
    let there = names.iter().any(|name| FOLDER.join(name).exists());
    names.iter().for_each(|name| namespace::delete(name));
    there
}

/// Deletes the namespaces whose owner is dead.
pub fn sweep() {
    for entry in fs::read_dir(*FOLDER).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if owner(&name).is_some_and(|(pid, start)| started(pid) != Some(start)) {
            namespace::delete(&name);
        }
    }
}

/// Who made the namespace of this name, if it is one of ours: pid and start.
fn owner(name: &str) -> Option<(u32, u64)> {
    let mut parts = name.strip_prefix("sluice-")?.split('-');
    let owner = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let _n: u32 = parts.next()?.parse().ok()?;
    parts.next().map(|_role| owner)
}

/// When a process began: field 22 of `/proc/PID/stat`; `None` if there is no such process.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field, the name in brackets, may hold blanks and brackets itself.
    let (_, after) = stat.rsplit_once(')')?;
    after.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_its_owner() {
        let (pid, start) = owner(&unique("dut")).unwrap();
        assert_eq!(pid, process::id());
        assert_eq!(Some(start), started(pid));
    }

    #[test]
    fn a_name_of_somebody_else_has_no_owner() {
        assert_eq!(owner(&lasting("lab", "dut")), None);
        for name in ["web", "sluice", "sluice-lab-dut", "sluice-1-2-dut", "sluice-1-2-3"] {
            assert_eq!(owner(name), None, "{name}");
        }
    }

    #[test]
    fn two_names_differ() {
        assert_ne!(unique("dut"), unique("dut"));
    }
}
