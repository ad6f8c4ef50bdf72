//! Installs what building and running need.
//!
//! | module | what it holds |
//! |---|---|
//! | `need` | programs and headers, and the packages they come in |
//! | `bpf` | the compiler and linker of the XDP program |
//! | `apt` | Debian's and Ubuntu's packages |

mod apt;
mod bpf;
mod need;

use anyhow::{Result, bail};

use crate::step::Step;

/// Installs what building and running Sluice need, where it is missing.
///
/// Looks first, says what it is going to run, and runs it: apt on Debian and Ubuntu (as root, or through
/// sudo), cargo for the BPF linker. `run` and `test` begin with it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask setup           install what is missing
  cargo xtask setup --check   only tell what is missing (exit code 1 if something is)")]
pub(crate) struct Setup {
    /// Only tell what is missing and how to get it.
    #[arg(long)]
    check: bool,
}

impl Setup {
    pub(crate) fn run(self) -> Result<()> {
        let missing = missing();
        if self.check && !missing.is_empty() {
            bail!("{}", advice(&missing));
        }
        install(&missing)?;
        eprintln!("xtask: everything that building and running need is there");
        Ok(())
    }
}

/// Installs what is missing; silent where nothing is.
pub(crate) fn ensure() -> Result<()> {
    install(&missing())
}

/// Something that is not there.
struct Missing {
    what: String,
    /// How to get it, in order; empty where this machine offers no way we know.
    packages: Vec<&'static str>,
    then: Vec<Step>,
}

fn missing() -> Vec<Missing> {
    let mut missing: Vec<Missing> = need::missing().collect();
    missing.extend(bpf::missing());
    missing
}

fn install(missing: &[Missing]) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    if !apt::here() || !apt::update().possible() {
        bail!("{}\nxtask does this itself where it is root or has sudo, and apt", advice(missing));
    }
    eprintln!("xtask: missing: {}; installing", names(missing));
    // A mirror that does not answer is told by apt; what the old lists know may still be had.
    let _ = apt::update().run();
    // Fresh lists can offer what the old ones did not.
    let missing = self::missing();
    steps(&missing).iter().try_for_each(Step::run)?;
    verify()
}

/// A package may have installed and still not hold what is needed.
fn verify() -> Result<()> {
    let left = missing();
    if !left.is_empty() {
        bail!("after the installation {}", advice(&left));
    }
    Ok(())
}

fn steps(missing: &[Missing]) -> Vec<Step> {
    let packages = missing.iter().flat_map(|one| one.packages.iter().copied()).collect();
    let then = missing.iter().flat_map(|one| one.then.iter().cloned());
    apt::install(packages).into_iter().chain(then).collect()
}

fn advice(missing: &[Missing]) -> String {
    let steps = [apt::update()].into_iter().chain(steps(missing));
    let steps: Vec<_> = steps.map(|step| format!("\n    {step}")).collect();
    let offer = if apt::here() { "To install" } else { "On Debian or Ubuntu, to install" };
    format!("missing: {}. {offer}:{}", names(missing), steps.concat())
}

fn names(missing: &[Missing]) -> String {
    missing.iter().map(|one| one.what.as_str()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advice_names_what_is_missing_and_the_commands() {
        let then = vec![Step::new("cargo install bpf-linker")];
        let missing =
            [Missing { what: "the BPF linker".into(), packages: vec!["m4", "gcc"], then }];
        let advice = advice(&missing);
        for part in
            ["the BPF linker", "apt-get install", "gcc m4", "\n    cargo install bpf-linker"]
        {
            assert!(advice.contains(part), "{advice}");
        }
    }

    #[test]
    fn nothing_missing_is_nothing_to_do() {
        assert!(steps(&[]).is_empty());
        install(&[]).unwrap();
    }
}
