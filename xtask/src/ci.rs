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

fn checks() -> Vec<Step> {
    let mut checks = vec![
        Step::new("cargo fmt --all --check"),
        Step::new("cargo clippy --workspace --all-targets -- -D warnings"),
        Step::new("cargo doc --workspace --no-deps").env("RUSTDOCFLAGS", "-D warnings"),
        Step::new("cargo xtask test --no-setup"),
        Step::new("cargo xtask run --seconds 2 --json"),
        Step::new("cargo xtask instructions"),
        Step::new("cargo xtask api"),
        Step::new("cargo xtask rules --check"),
    ];
    for apart in ["xdp-ebpf", "fuzz"] {
        let manifest = format!("{apart}/Cargo.toml");
        if workspace::top().join(&manifest).exists() {
            checks.insert(1, Step::new("cargo fmt --check --manifest-path").args([manifest]));
        }
    }
    checks
}
