//! Every test there is.

use anyhow::Result;
use nix::unistd::Uid;

use crate::setup;
use crate::step::Step;
use crate::workspace;

/// Runs every test: unit, property, replayed fuzz findings, doc, and those that need root.
///
/// The tests that need root make network namespaces of their own and remove them; without root they are run
/// through sudo.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask test                  all of them
  cargo xtask test -- checksum      those with `checksum` in their name
  cargo xtask test --no-setup       without looking for what is not installed
  SLUICE_CYCLES=1000 cargo xtask test -- cycles
                                    start and stop a thousand times instead of thirty")]
pub(crate) struct Test {
    /// Do not look for what is not installed.
    #[arg(long)]
    no_setup: bool,
    /// Passed to every test program: a part of a test's name, `--nocapture`, …
    #[arg(last = true)]
    passed: Vec<String>,
}

/// The packages whose tests need root.
const ROOT: [&str; 2] = ["sluice", "sluice-lab"];

impl Test {
    pub(crate) fn run(self) -> Result<()> {
        if !self.no_setup {
            setup::ensure()?;
        }
        let others =
            ROOT.iter().fold(cargo("--workspace"), |step, name| step.args(["--exclude", name]));
        let root =
            ROOT.iter().fold(cargo("--no-fail-fast"), |step, name| step.args(["--package", name]));
        let fuzz = replay().map(|step| self.passed_to(step));
        let steps = [self.passed_to(others), self.passed_to(through_sudo(root))];
        steps.into_iter().chain(fuzz).try_for_each(|step| step.run())
    }

    fn passed_to(&self, step: Step) -> Step {
        if self.passed.is_empty() { step } else { step.args(["--"]).args(self.passed.clone()) }
    }
}

fn cargo(arguments: &str) -> Step {
    Step::new("cargo test").args(arguments.split_whitespace())
}

/// The tests of the fuzz workspace replay its corpus; a build without sanitizers is enough.
fn replay() -> Option<Step> {
    let manifest = workspace::top().join("fuzz/Cargo.toml");
    manifest.exists().then(|| cargo("--manifest-path fuzz/Cargo.toml"))
}

/// Cargo builds as the user and runs the test programs as root.
fn through_sudo(step: Step) -> Step {
    if Uid::effective().is_root() {
        return step;
    }
    let target = format!("CARGO_TARGET_{}_UNKNOWN_LINUX_GNU_RUNNER", std::env::consts::ARCH);
    step.env(&target.to_uppercase(), "sudo --preserve-env")
}
