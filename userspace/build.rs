//! Builds the XDP program from source, so that it can be embedded in the library.
//!
//! The program is a crate of its own (`xdp-ebpf`) for another target, which needs a `core` for that
//! target and a BPF linker. Two tool chains have them:
//!
//! - rustup's nightly with `rust-src`, which builds `core` on the way;
//! - a distribution's rustc with a ready `core` (Debian: `rustc-web`, `libstd-rust-web-dev-bpf`).
//!
//! `SLUICE_BPF_RUSTC` names a rustc of the second kind, `SLUICE_BPF_LINKER` a `bpf-linker`.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

const TARGET: &str = "bpfel-unknown-none";
const REMEDY: &str = "`cargo xtask setup` installs what is missing";

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            for line in message.lines() {
                println!("cargo::error={line}");
            }
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), String> {
    let crate_dir = env_path("CARGO_MANIFEST_DIR")?.join("../xdp-ebpf");
    let out_dir = env_path("OUT_DIR")?;
    watch_tools();
    let linker = find_linker()?;
    let toolchain = Toolchain::find()?;
    // A target folder of its own: the outer cargo holds the lock of the one it uses.
    let target_dir = out_dir.join("xdp-ebpf");
    let status = toolchain
        .cargo()
        .current_dir(&crate_dir)
        .args(["build", "--quiet", "--release", "--locked", "--target", TARGET, "--target-dir"])
        .arg(&target_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", rustflags(&linker))
        .status()
        .map_err(|error| format!("the XDP program: cannot start {toolchain:?}: {error}"))?;
    if !status.success() {
        return Err(format!("the XDP program does not build with {toolchain:?} ({status})"));
    }
    let built = target_dir.join(TARGET).join("release/sluice-ebpf");
    fs::copy(&built, out_dir.join("sluice-xdp.o"))
        .map_err(|error| format!("cannot copy {}: {error}", built.display()))?;
    watch_sources(&crate_dir, &built.with_extension("d"));
    watch(&linker);
    toolchain.watch();
    Ok(())
}

/// What builds for the BPF target.
#[derive(Debug)]
enum Toolchain {
    /// rustup's nightly, which builds `core` from this source.
    Nightly { rust_src: PathBuf },
    /// A rustc with a ready `core`. It is told to accept unstable features.
    Ready { rustc: PathBuf },
}

impl Toolchain {
    fn find() -> Result<Self, String> {
        if let Some(rustc) = env::var_os("SLUICE_BPF_RUSTC") {
            let rustc = PathBuf::from(rustc);
            return if has_core(&rustc) {
                Ok(Self::Ready { rustc })
            } else {
                Err(format!("SLUICE_BPF_RUSTC={} has no core for {TARGET}", rustc.display()))
            };
        }
        if let Some(rust_src) = nightly_source() {
            return Ok(Self::Nightly { rust_src });
        }
        rustc_candidates().find(|rustc| has_core(rustc)).map(|rustc| Self::Ready { rustc }).ok_or(
            format!(
                "the XDP program needs a Rust tool chain for {TARGET}: rustup's nightly with \
                 rust-src, or a rustc with a core for it; {REMEDY}"
            ),
        )
    }

    /// A cargo that uses this tool chain and nothing of what the outer cargo set for its own.
    fn cargo(&self) -> Command {
        match self {
            Self::Nightly { .. } => {
                let mut cargo = clean("rustup".into());
                cargo.args(["run", "nightly", "cargo", "-Z", "build-std=core"]);
                cargo
            }
            Self::Ready { rustc } => {
                let mut cargo = clean(env::var_os("CARGO").unwrap_or("cargo".into()));
                cargo.env("RUSTC", rustc).env("RUSTC_BOOTSTRAP", "1");
                cargo
            }
        }
    }

    fn watch(&self) {
        match self {
            Self::Nightly { rust_src } => watch(rust_src),
            Self::Ready { rustc } => watch(rustc),
        }
    }
}

/// Starts `program` without the tool chain, wrappers (clippy), flags and target folder that the outer
/// cargo or its caller chose for the host.
fn clean(program: OsString) -> Command {
    let mut command = Command::new(program);
    for (key, _) in env::vars_os() {
        let name = key.to_string_lossy();
        let is_outer = name.starts_with("RUSTC")
            || name.starts_with("RUSTDOC")
            || name.starts_with("CARGO_BUILD_")
            || name.starts_with("CARGO_PROFILE_")
            || name.starts_with("CARGO_TARGET_")
            || name.starts_with("CARGO_ENCODED_")
            || name.starts_with("CARGO_FEATURE_")
            || name.starts_with("CARGO_CFG_")
            || name.starts_with("CLIPPY_")
            || matches!(
                &*name,
                "RUSTFLAGS" | "RUSTUP_TOOLCHAIN" | "CARGO_MAKEFLAGS" | "CARGO_UNSTABLE"
            );
        if is_outer {
            command.env_remove(&key);
        }
    }
    command
}

/// BTF describes the program to the kernel and to whoever asks for it there.
fn rustflags(linker: &Path) -> OsString {
    let mut flags = OsString::from("-C\x1flinker=");
    flags.push(linker);
    flags.push("\x1f-C\x1flink-arg=--btf");
    flags
}

/// The library source of rustup's nightly, if that has been installed.
fn nightly_source() -> Option<PathBuf> {
    let sysroot = clean("rustup".into())
        .args(["run", "nightly", "rustc", "--print", "sysroot"])
        .stderr(Stdio::null())
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let sysroot = PathBuf::from(String::from_utf8(sysroot.stdout).ok()?.trim());
    let source = sysroot.join("lib/rustlib/src/rust/library/core/src/lib.rs");
    source.is_file().then_some(source)
}

/// A distribution's rustc stands in /usr/bin; the first in the search path is often rustup's.
fn rustc_candidates() -> impl Iterator<Item = PathBuf> {
    ["/usr/bin/rustc".into(), "/usr/local/bin/rustc".into()]
        .into_iter()
        .chain(search_path("rustc"))
        .filter(|rustc| rustc.is_file())
}

fn has_core(rustc: &Path) -> bool {
    let libdir = clean(rustc.into())
        .args(["--print", "target-libdir", "--target", TARGET])
        .stderr(Stdio::null())
        .output()
        .ok()
        .filter(|output| output.status.success())
        .and_then(|output| String::from_utf8(output.stdout).ok());
    libdir.and_then(|libdir| fs::read_dir(libdir.trim()).ok()).is_some_and(|entries| {
        entries
            .filter_map(Result::ok)
            .any(|entry| entry.file_name().to_string_lossy().starts_with("libcore-"))
    })
}

fn find_linker() -> Result<PathBuf, String> {
    if let Some(linker) = env::var_os("SLUICE_BPF_LINKER") {
        return Ok(linker.into());
    }
    // `cargo install` puts it where a root shell's search path may not lead.
    let in_cargo_home = env::home_dir().map(|home| home.join(".cargo/bin/bpf-linker"));
    search_path("bpf-linker")
        .chain(in_cargo_home)
        .find(|linker| linker.is_file())
        .ok_or(format!("the XDP program needs bpf-linker; {REMEDY}"))
}

fn search_path(program: &'static str) -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).map(|folder| folder.join(program)).collect::<Vec<_>>().into_iter()
}

fn watch_tools() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=SLUICE_BPF_RUSTC");
    println!("cargo::rerun-if-env-changed=SLUICE_BPF_LINKER");
}

/// The files the program was made from, of which the compiler has left a list.
fn watch_sources(crate_dir: &Path, dep_info: &Path) {
    for name in ["Cargo.toml", "Cargo.lock", "../common/Cargo.toml"] {
        watch(&crate_dir.join(name));
    }
    match fs::read_to_string(dep_info) {
        Ok(list) => list.split_whitespace().skip(1).map(Path::new).for_each(watch),
        // No list, no saving: all of both crates.
        Err(_) => ["src", "../common/src"].iter().for_each(|dir| watch(&crate_dir.join(dir))),
    }
}

fn watch(path: &Path) {
    println!("cargo::rerun-if-changed={}", path.display());
}

fn env_path(name: &str) -> Result<PathBuf, String> {
    env::var_os(name).map(PathBuf::from).ok_or(format!("{name} is not set: run this with cargo"))
}
