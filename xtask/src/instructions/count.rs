//! Building, running and counting the cases of bench.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use anyhow::{Context, Result, ensure};

use crate::step::Step;
use crate::workspace;

/// The function whose instructions are counted, those of what it calls included.
const MEASURED: &str = "*instructions::meter::measured*";

/// Instructions for one operation of each case.
pub(super) fn all() -> Result<BTreeMap<String, f64>> {
    // Optimised as users get it, and nothing but the engine.
    Step::new("cargo build --release --package sluice-bench --bin instructions").run()?;
    let program = workspace::target().join("release/instructions");
    let cases = text(Command::new(&program))?;
    ensure!(!cases.is_empty(), "{} knows no case", program.display());
    cases.lines().map(|case| Ok((case.to_owned(), one(&program, case)?))).collect()
}

/// Runs one case. Each has a process of its own, so that a new one does not change where the others' memory lies.
fn one(program: &Path, case: &str) -> Result<f64> {
    let profile = profile(case).with_context(|| format!("no place for the profile of {case}"))?;
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--quiet", "--tool=callgrind", "--collect-atstart=no"]);
    valgrind.arg(format!("--toggle-collect={MEASURED}"));
    valgrind.arg(format!("--callgrind-out-file={}", profile.display()));
    valgrind.arg(program).arg(case);
    let operations: u64 = text(valgrind)?.trim().parse().context("operations")?;
    let counted = total(&fs::read_to_string(&profile)?);
    let counted = counted.filter(|counted| *counted > 0).with_context(|| {
        format!("callgrind did not meet {MEASURED} in {case}: was it renamed, or inlined?")
    })?;
    // One decimal says enough.
    Ok((counted as f64 / operations as f64 * 10.0).round() / 10.0)
}

/// Where the profile of a case is written, for `callgrind_annotate`.
pub(super) fn profile(case: &str) -> io::Result<PathBuf> {
    let folder = workspace::target().join("instructions");
    fs::create_dir_all(&folder)?;
    Ok(folder.join(format!("{case}.out")))
}

/// What a command prints.
fn text(mut command: Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} failed: {}\n{complaint}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}

/// The instructions of a whole profile: its line `totals: 128016`.
fn total(profile: &str) -> Option<u64> {
    profile.lines().find_map(|line| line.strip_prefix("totals: ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_of_a_profile_is_found() {
        assert_eq!(total("events: Ir\nfn=(1) a\n0 7\n\ntotals: 128016\n"), Some(128_016));
        assert_eq!(total("events: Ir\n"), None);
    }
}
