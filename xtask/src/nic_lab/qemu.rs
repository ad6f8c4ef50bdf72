//! QEMU: the system's, or one of our own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::cache::{Cache, whole};
use super::packages::{Apt, Mirror, said};
use crate::workspace;

/// The first that has igb.
const OLDEST: u32 = 8;

const PROGRAM: &str = "qemu-system-x86_64";

/// Debian's packages of it; those that are newer in the backports have to be so together.
const PACKAGES: [&str; 4] =
    ["qemu-system-x86", "qemu-system-common", "qemu-system-data", "seabios"];

/// One that is new enough and starts.
pub(super) struct Qemu {
    program: PathBuf,
    /// Where it was unpacked, unless it is the system's.
    unpacked: Option<PathBuf>,
    version: String,
}

impl Qemu {
    pub(super) fn find(cache: &Cache, mirror: &Mirror) -> Result<Self> {
        if let Some(program) = workspace::program(PROGRAM)
            && let Ok(qemu) = Self::checked(program, None)
        {
            return Ok(qemu);
        }
        let folder = cache.path("qemu");
        // A library may have left the system since: what it lacks is looked for again.
        if whole(&folder)
            && let Ok(qemu) = Self::in_folder(&folder)
        {
            return Ok(qemu);
        }
        fetch(cache, mirror, &folder)?;
        Self::in_folder(&folder).with_context(|| remedy("the one Debian has for this release"))
    }

    fn in_folder(folder: &Path) -> Result<Self> {
        Self::checked(folder.join("usr/bin").join(PROGRAM), Some(folder.to_owned()))
    }

    fn checked(program: PathBuf, unpacked: Option<PathBuf>) -> Result<Self> {
        let mut qemu = Self { program, unpacked, version: String::new() };
        let told = said(qemu.command().arg("--version"))?;
        qemu.version = told.lines().next().unwrap_or_default().to_owned();
        let major = major(&qemu.version);
        ensure!(major.is_some_and(|major| major >= OLDEST), "{} is too old", qemu.version);
        Ok(qemu)
    }

    /// It, with everything it needs to find its own files; not yet started.
    pub(super) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        if let Some(folder) = &self.unpacked {
            let libraries = ["lib", "usr/lib"].map(|lib| folder.join(lib).join("x86_64-linux-gnu"));
            let path = libraries.each_ref().map(|library| library.display().to_string());
            command.env("LD_LIBRARY_PATH", path.join(":"));
            command.env("QEMU_MODULE_DIR", libraries[1].join("qemu"));
            for data in ["qemu", "seabios"] {
                command.arg("-L").arg(folder.join("usr/share").join(data));
            }
        }
        command
    }

    pub(super) fn version(&self) -> &str {
        &self.version
    }
}

fn remedy(which: &str) -> String {
    format!("{which} does not do: install {PROGRAM} {OLDEST}.0 or later (package qemu-system-x86)")
}

/// The 10 of `QEMU emulator version 10.0.2 (Debian …)`.
fn major(version: &str) -> Option<u32> {
    version.split_once("version ")?.1.split('.').next()?.parse().ok()
}

/// QEMU from this Debian release's backports, or from the release itself, and the libraries this system lacks for it.
fn fetch(cache: &Cache, mirror: &Mirror, folder: &Path) -> Result<()> {
    let release = release(&fs::read_to_string("/etc/os-release").unwrap_or_default());
    let release = release.with_context(|| {
        format!(
            "this is no Debian, whose QEMU could be used: install {PROGRAM} {OLDEST}.0 or later (package qemu-system-x86)"
        )
    })?;
    let backports = format!("{release}-backports");
    let apt = Apt::new(cache, mirror, &[&release, &backports])?;
    let newer = PACKAGES.map(|package| format!("{package}/{backports}"));
    let found = apt.lacking(&newer).or_else(|_| apt.lacking(&PACKAGES.map(str::to_owned)));
    apt.unpack(
        &found.with_context(|| {
            remedy("no QEMU in this release's backports, and what it has itself")
        })?,
        folder,
    )
}

/// The name of the Debian release this system is.
fn release(os_release: &str) -> Option<String> {
    let value = |key: &str| {
        let line = os_release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
        Some(line.trim_matches('"').to_owned())
    };
    value("ID").filter(|id| id == "debian").and_then(|_| value("VERSION_CODENAME"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        assert_eq!(major("QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)"), Some(10));
        assert_eq!(major("QEMU emulator version 7.2.19"), Some(7));
        assert_eq!(major("something else"), None);
    }

    #[test]
    fn only_debian_has_debians_qemu() {
        let debian = "NAME=\"Debian GNU/Linux\"\nVERSION_CODENAME=bookworm\nID=debian\n";
        assert_eq!(release(debian).as_deref(), Some("bookworm"));
        assert_eq!(release("ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n"), None);
    }
}
