//! Builds the XDP program from source, so that it can be embedded in the library.
//!
//! The program is a crate of its own (`xdp-ebpf`) for another target, which needs a `core` for that
//! target and a BPF linker. Three tool chains may have the first, tried in this order:
//!
//! - a distribution's rustc with a ready `core` (Debian: `rustc-web`, `libstd-rust-web-dev-bpf`);
//! - the one that builds this, if its library source (`rust-src`) is there to make `core` from;
//! - rustup's nightly with `rust-src`.
//!
//! The linker reads what LLVM inside rustc wrote, so its own LLVM must not be older; nightly is often
//! ahead, which is why it comes last.
//!
//! `SLUICE_BPF_RUSTC` names a rustc with a ready `core`, `SLUICE_BPF_LINKER` a `bpf-linker`.

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
    let mut failures = String::new();
    for toolchain in Toolchain::candidates()? {
        match toolchain.build(&crate_dir, &out_dir, &linker) {
            Ok(()) => {
                watch(&linker);
                toolchain.watch();
                return Ok(());
            }
            Err(failure) => failures = failures + &failure + "\n",
        }
    }
    Err(if failures.is_empty() {
        format!(
            "the XDP program needs a core for {TARGET}: a rustc that comes with one, or rust-src; \
             {REMEDY}"
        )
    } else {
        failures
            + "what the compiler said stands below; is the LLVM of bpf-linker older than rustc's?"
    })
}

/// What builds for the BPF target.
#[derive(Debug)]
enum Toolchain {
    /// A rustc with a ready `core`.
    Ready { rustc: PathBuf },
    /// The tool chain of the workspace, which makes `core` from this source.
    Own { rust_src: PathBuf },
    /// rustup's nightly, which makes `core` from this source.
    Nightly { rust_src: PathBuf },
}

impl Toolchain {
    /// Those that are there, the likeliest to work first.
    fn candidates() -> Result<Vec<Self>, String> {
        if let Some(rustc) = env::var_os("SLUICE_BPF_RUSTC") {
            let rustc = PathBuf::from(rustc);
            return if has_core(&rustc) {
                Ok(vec![Self::Ready { rustc }])
            } else {
                Err(format!("SLUICE_BPF_RUSTC={} has no core for {TARGET}", rustc.display()))
            };
        }
        let ready =
            rustc_candidates().find(|rustc| has_core(rustc)).map(|rustc| Self::Ready { rustc });
        let own = clean(env::var_os("RUSTC").unwrap_or("rustc".into()));
        let own = library_source(own).map(|rust_src| Self::Own { rust_src });
        let mut nightly = clean("rustup".into());
        nightly.args(["run", "nightly", "rustc"]);
        let nightly = library_source(nightly).map(|rust_src| Self::Nightly { rust_src });
        Ok([ready, own, nightly].into_iter().flatten().collect())
    }

    fn build(&self, crate_dir: &Path, out_dir: &Path, linker: &Path) -> Result<(), String> {
        // A target folder of its own: the outer cargo holds the lock of the one it uses.
        let target_dir = out_dir.join("xdp-ebpf");
        let status = self
            .cargo()
            .current_dir(crate_dir)
            .args(["build", "--quiet", "--release", "--locked", "--target", TARGET])
            .arg("--target-dir")
            .arg(&target_dir)
            .env("CARGO_ENCODED_RUSTFLAGS", rustflags(linker))
            .status()
            .map_err(|error| format!("the XDP program: cannot start {self:?}: {error}"))?;
        if !status.success() {
            return Err(format!("the XDP program does not build with {self:?} ({status})"));
        }
        let built = target_dir.join(TARGET).join("release/sluice-ebpf");
        fs::copy(&built, out_dir.join("sluice-xdp.o"))
            .map_err(|error| format!("cannot copy {}: {error}", built.display()))?;
        watch_sources(crate_dir, &built.with_extension("d"));
        Ok(())
    }

    /// A cargo that uses this tool chain and nothing of what the outer cargo set for its own. One that is
    /// not nightly is told to accept what only nightly does.
    fn cargo(&self) -> Command {
        match self {
            Self::Ready { rustc } => {
                let mut cargo = own_cargo();
                cargo.env("RUSTC", rustc);
                cargo
            }
            Self::Own { .. } => {
                let mut cargo = own_cargo();
                cargo.args(["-Z", "build-std=core"]);
                if let Some(rustc) = env::var_os("RUSTC") {
                    cargo.env("RUSTC", rustc);
                }
                cargo
            }
            Self::Nightly { .. } => {
                let mut cargo = clean("rustup".into());
                cargo.args(["run", "nightly", "cargo", "-Z", "build-std=core"]);
                cargo
            }
        }
    }

    fn watch(&self) {
        match self {
            Self::Ready { rustc } => watch(rustc),
            Self::Own { rust_src } | Self::Nightly { rust_src } => watch(rust_src),
        }
    }
}

fn own_cargo() -> Command {
    let mut cargo = clean(env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.env("RUSTC_BOOTSTRAP", "1");
    cargo
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

/// Where the library source of a tool chain stands, if it has been installed.
fn library_source(mut rustc: Command) -> Option<PathBuf> {
    let sysroot = printed(rustc.args(["--print", "sysroot"]))?;
    let source = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/core/src/lib.rs");
    source.is_file().then_some(source)
}

/// What a command prints, if it succeeds.
fn printed(command: &mut Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8(output.stdout).ok())?
}

/// A distribution's rustc stands in /usr/bin; the first in the search path is often rustup's.
fn rustc_candidates() -> impl Iterator<Item = PathBuf> {
    ["/usr/bin/rustc".into(), "/usr/local/bin/rustc".into()]
        .into_iter()
        .chain(search_path("rustc"))
        .filter(|rustc| rustc.is_file())
}

fn has_core(rustc: &Path) -> bool {
    let libdir =
        printed(clean(rustc.into()).args(["--print", "target-libdir", "--target", TARGET]));
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
