//! The compiler and linker of the XDP program.
//!
//! Two things are needed: `core` for the BPF target, and `bpf-linker`, which is built against a system
//! LLVM no older than the compiler's. `core` is had ready-made in a Debian package, or built from the
//! sources that rustup's `rust-src` brings for nightly.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Missing, apt};
use crate::step::Step;
use crate::workspace;

/// Where Debian's packages put their files.
const DEBIAN_CORE: &str = "/usr/lib/rustlib/bpfel-unknown-none/lib";
const LLVM: &str = "/usr/lib/llvm-22";

/// What of the two is not there.
pub(super) fn missing() -> Vec<Missing> {
    let core = (!has_core()).then(core);
    let linker = workspace::program("bpf-linker").is_none().then(linker);
    core.into_iter().chain(linker).collect()
}

fn has_core() -> bool {
    (has_debian_core() && Path::new("/usr/bin/rustc").exists()) || nightly_sources().is_some()
}

fn has_debian_core() -> bool {
    let files = fs::read_dir(DEBIAN_CORE).into_iter().flatten().flatten();
    files.map(|file| file.file_name()).any(|name| name.to_string_lossy().starts_with("libcore-"))
}

/// The standard library's sources of a rustup nightly.
fn nightly_sources() -> Option<PathBuf> {
    let rustup = std::env::var_os("RUSTUP_HOME").map(PathBuf::from);
    let rustup = rustup.or_else(|| Some(std::env::home_dir()?.join(".rustup")))?;
    let all = fs::read_dir(rustup.join("toolchains")).ok()?.flatten();
    let nightly = all.filter(|entry| entry.file_name().to_string_lossy().starts_with("nightly-"));
    nightly
        .map(|entry| entry.path().join("lib/rustlib/src/rust/library/core"))
        .find(|sources| sources.is_dir())
}

/// Debian's packages where apt has them: one source for everything, and no toolchain of nightly's age.
/// Its compiler is /usr/bin/rustc and does not hide rustup's, whose folder comes first in the PATH.
fn core() -> Missing {
    let what = "core for bpfel-unknown-none".to_owned();
    if apt::here()
        && (apt::offers("libstd-rust-web-dev-bpf") || workspace::program("rustup").is_none())
    {
        let packages = vec!["rustc-web", "libstd-rust-web-dev-bpf"];
        return Missing { what, packages, then: Vec::new() };
    }
    let nightly = "rustup toolchain install nightly --profile minimal --component rust-src";
    Missing { what, packages: Vec::new(), then: vec![Step::new(nightly)] }
}

fn linker() -> Missing {
    let install = "cargo install bpf-linker --version 0.13.0 --locked --no-default-features";
    Missing {
        what: "bpf-linker".to_owned(),
        packages: vec!["llvm-22-dev", "libpolly-22-dev"],
        then: vec![Step::new(install).args(["--features", "llvm-22"]).env("LLVM_PREFIX", LLVM)],
    }
}
