//! Everything that has to be right before a change lands.

use anyhow::Result;

use crate::setup;
use crate::step::Step;
use crate::workspace;

/// Checks everything that has to be right before a change lands; `.ci/run` is this.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask ci")]
pub(crate) struct Ci {}

impl Ci {
    pub(crate) fn run(self) -> Result<()> {
        setup::ensure()?;
        checks().iter().try_for_each(Step::run)
    }
}

/// A target that has no standard library.
const NO_STD: &str = "x86_64-unknown-none";

fn checks() -> Vec<Step> {
    let mut checks = vec![
        Step::new("cargo fmt --all --check"),
        Step::new("cargo clippy --workspace --all-targets -- -D warnings"),
        // Left out of `all targets`, for it needs NICs that hardly a machine has.
        Step::new("cargo clippy --workspace --test nic -- -D warnings"),
        Step::new("cargo doc --workspace --no-deps").env("RUSTDOCFLAGS", "-D warnings"),
        Step::new("cargo xtask test --no-setup"),
        Step::new("cargo xtask run --seconds 2 --json"),
        Step::new("cargo xtask run --mode wire --mtu 9000,1500 --seconds 2 --json"),
        Step::new("cargo xtask instructions"),
        // Whether everything still measures, no matter what: fifteen seconds.
        Step::new("cargo xtask bench --quick engine scale"),
        Step::new("cargo xtask api"),
        // The engine without a standard library: no dependency of it may bring one in.
        Step::new("rustup target add").args([NO_STD]),
        Step::new("cargo check --package sluice-common --lib --target").args([NO_STD]),
        Step::new("cargo check --package sluice-common --lib --no-default-features --target")
            .args([NO_STD]),
        Step::new("cargo xtask rules --check"),
        // Last: it takes the longest, emulated as the machine mostly is, and it alone may have to download a kernel. What
        // fails sooner is told sooner. One NIC, for the others take as long again each: `--nic all` is for by hand.
        Step::new("cargo xtask test --no-setup --nic igb --only-nic"),
    ];
    // Built for another target, it is no member of the workspace.
    let apart = "xdp-ebpf/Cargo.toml";
    if workspace::top().join(apart).exists() {
        checks.insert(1, Step::new("cargo fmt --check --manifest-path").args([apart]));
    }
    checks
}
