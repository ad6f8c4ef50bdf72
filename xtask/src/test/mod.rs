//! Every test there is.
//!
//! | module | what it holds |
//! |---|---|
//! | `nic` | the tests that need real NIC drivers, in a machine that has them |
//! | `matrix` | the NICs and kernels they are run with |

mod matrix;
mod nic;

use anyhow::Result;
use nix::unistd::Uid;

use crate::setup;
use crate::step::Step;
use matrix::Nics;

/// Runs every test: unit, property, replayed fuzz findings, doc, those that need root; if asked, those that need a NIC.
///
/// The tests that need root make network namespaces of their own and remove them; without root they are run
/// through sudo. Those that need a real NIC's driver run in a machine that `cargo xtask nic-lab` boots, which takes some
/// minutes where it is emulated.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask test                         all that this machine can run by itself
  cargo xtask test -- checksum             those with `checksum` in their name
  cargo xtask test --no-setup              without looking for what is not installed
  cargo xtask test --nic igb               and those that need a NIC, on one
  cargo xtask test --nic all               on every NIC and kernel
  cargo xtask test --nic igb --only-nic    only those that need a NIC
  SLUICE_CYCLES=1000 cargo xtask test -- cycles
                                           start and stop a thousand times instead of thirty")]
pub(crate) struct Test {
    /// Do not look for what is not installed.
    #[arg(long)]
    no_setup: bool,
    /// Which NIC drivers to test on.
    #[arg(long, value_enum, default_value_t = Nics::None)]
    nic: Nics,
    /// Run no other tests than those that need a NIC.
    #[arg(long, requires = "nic")]
    only_nic: bool,
    /// Passed to every test program: a part of a test's name, `--nocapture`, …
    #[arg(last = true)]
    passed: Vec<String>,
}

impl Test {
    pub(crate) fn run(self) -> Result<()> {
        if !self.no_setup {
            setup::ensure()?;
        }
        if !self.only_nic {
            self.workspace()?;
        }
        nic::run(self.nic, &self.passed)
    }

    fn workspace(&self) -> Result<()> {
        // One build of everything: split by package, cargo would unify features anew and build twice.
        let all = through_sudo(Step::new("cargo test --workspace --no-fail-fast"));
        let passed = (!self.passed.is_empty()).then(|| "--".to_owned());
        all.args(passed).args(self.passed.iter().cloned()).run()
    }
}

/// Cargo builds as the user and runs the test programs as root.
fn through_sudo(step: Step) -> Step {
    if Uid::effective().is_root() {
        return step;
    }
    let target = format!("CARGO_TARGET_{}_UNKNOWN_LINUX_GNU_RUNNER", std::env::consts::ARCH);
    step.env(&target.to_uppercase(), "sudo --preserve-env")
}
