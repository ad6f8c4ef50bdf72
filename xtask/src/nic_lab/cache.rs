//! The folder that keeps what was downloaded.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// `nic-lab` in the user's cache folder.
///
/// | in it | is |
/// |---|---|
/// | `apt/SUITES` | apt's state: configuration, package lists |
/// | `qemu`, `busybox`, `kernel/RELEASE` | unpacked packages; whole once there is a file `ok` |
/// | `kernel/RELEASE/initrd-…` | what a machine with this kernel boots into |
/// | `current-SUITE` | which kernel was the newest when that was asked first |
/// | `accel` | whether KVM worked, since this machine was started |
pub(super) struct Cache(PathBuf);

impl Cache {
    pub(super) fn open() -> Result<Self> {
        let folder = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let folder = folder.or_else(|| Some(env::home_dir()?.join(".cache")));
        let folder = folder.context("no home folder: set XDG_CACHE_HOME")?.join("nic-lab");
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self(folder))
    }

    pub(super) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.0.join(name)
    }

    /// Waits for whoever else changes the folder; ends with the value.
    pub(super) fn lock(&self) -> Result<File> {
        let file = File::create(self.path("lock")).context("cannot write the cache")?;
        if file.try_lock().is_err() {
            eprintln!("xtask: nic-lab: waiting for another one that prepares a machine");
            file.lock()?;
        }
        Ok(file)
    }

    /// A note of an earlier run, if there is one.
    pub(super) fn noted(&self, name: &str) -> Option<String> {
        let text = fs::read_to_string(self.path(name)).ok()?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    pub(super) fn note(&self, name: &str, text: &str) -> Result<()> {
        Ok(fs::write(self.path(name), format!("{text}\n"))?)
    }
}

/// Whether a folder of unpacked packages is whole.
pub(super) fn whole(folder: &Path) -> bool {
    folder.join("ok").exists()
}
