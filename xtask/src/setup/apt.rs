//! Debian's and Ubuntu's packages.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use crate::step::Step;
use crate::workspace;

/// Whether this machine has apt.
pub(super) fn here() -> bool {
    workspace::program("apt-get").is_some()
}

/// Whether the package lists hold `package`.
pub(super) fn offers(package: &str) -> bool {
    let mut ask = Command::new("apt-cache");
    let ask = ask.args(["show", package]).stdout(Stdio::null()).stderr(Stdio::null());
    ask.status().is_ok_and(|status| status.success())
}

/// Fetches the lists. Always before anything is installed: on a fresh machine there are none, and old ones
/// name files that the mirrors no longer have.
pub(super) fn update() -> Step {
    Step::new("apt-get update").privileged()
}

/// Installs `packages`, if there are any. `noninteractive`, because iperf3's package asks a question.
pub(super) fn install(packages: BTreeSet<&'static str>) -> Option<Step> {
    if packages.is_empty() {
        return None;
    }
    let install = Step::new("apt-get install --yes --no-install-recommends").args(packages);
    Some(install.env("DEBIAN_FRONTEND", "noninteractive").privileged())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_command_installs_all_packages() {
        let line = install(["m4", "gcc"].into()).unwrap().to_string();
        assert!(line.contains("DEBIAN_FRONTEND=noninteractive"), "{line}");
        assert!(line.ends_with("--no-install-recommends gcc m4"), "{line}");
        assert_eq!(install([].into()), None);
    }
}
