//! Where things are.

use std::env;
use std::path::{Path, PathBuf};

/// The top of the checkout this was built from.
pub(crate) fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is a folder of the workspace")
}

/// Where cargo puts what it builds.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| top().join("target"), |set| top().join(set))
}

/// Where `cargo install` puts programs.
pub(crate) fn cargo_bin() -> Option<PathBuf> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    Some(home.or_else(|| Some(env::home_dir()?.join(".cargo")))?.join("bin"))
}

/// The full path of a program, from PATH, cargo's own folder, or where the system's programs are
/// (which an ordinary user's PATH leaves out on Debian).
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let named = env::split_paths(&path).collect::<Vec<_>>().into_iter();
    let others = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    named.chain(cargo_bin()).chain(others).map(|dir| dir.join(name)).find(|file| file.is_file())
}
