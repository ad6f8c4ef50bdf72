//! The tests that need real NIC drivers, in a machine that has them.

use std::ffi::OsString;
use std::io::{IsTerminal, stdout};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use comfy_table::{Table, presets};
use serde_json::Value;

use super::matrix::{Case, Nics};
use crate::nic_lab::Ended;
use crate::run::{interrupt, program};
use crate::workspace;

/// Bounds a hang. On two quiet cores that emulate the machine the tests take two minutes; a build beside them makes
/// that several times as long.
const LIMIT: u32 = 1_800;

/// Runs those whose names `passed` allows on these NICs.
pub(super) fn run(nics: Nics, passed: &[String]) -> Result<()> {
    if nics.cases().is_empty() {
        return Ok(());
    }
    let tests = build()?;
    if !any(&tests, passed)? {
        return Ok(());
    }
    let sluice = program::build()?;
    interrupt::watch()?;
    let mut outcomes = Vec::new();
    for case in nics.cases() {
        eprintln!("xtask: tests on {case}");
        let start = Instant::now();
        let ended = one(case, &tests, &sluice, passed);
        interrupt::check()?;
        outcomes.push((case, ended, start.elapsed().as_secs()));
    }
    if outcomes.len() > 1 {
        eprintln!("{}", table(&outcomes));
    }
    let failed = outcomes.iter().filter(|(_, ended, _)| !passed_all(ended));
    let failed: Vec<_> =
        failed.map(|(case, ended, _)| format!("{case}: {}", told(ended))).collect();
    ensure!(failed.is_empty(), "tests on NICs: {}", failed.join("; "));
    Ok(())
}

fn one(case: Case, tests: &Path, sluice: &Path, passed: &[String]) -> Result<Ended> {
    let mut lab = case.lab();
    lab.time_limit = LIMIT;
    let mut program = OsString::from("SLUICE_NIC_PROGRAM=");
    program.push(sluice);
    // One after the other: there is one pair of NICs.
    lab.command = vec!["env".into(), program, tests.into(), "--test-threads=1".into()];
    // What they print to is a terminal in any case.
    let color = if stdout().is_terminal() { "--color=always" } else { "--color=never" };
    lab.command.push(color.into());
    lab.command.extend(passed.iter().map(OsString::from));
    lab.execute()
}

fn passed_all(ended: &Result<Ended>) -> bool {
    matches!(ended, Ok(Ended::Exited(0)))
}

fn told(ended: &Result<Ended>) -> String {
    match ended {
        Ok(Ended::Exited(0)) => "passed".to_owned(),
        Ok(Ended::Exited(status)) => format!("failed (exit status {status})"),
        Ok(Ended::TimeLimit) => format!("not ended after {LIMIT} s"),
        Err(error) => format!("{error:#}"),
    }
}

fn table(outcomes: &[(Case, Result<Ended>, u64)]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(["tests on", "", "seconds"]);
    for (case, ended, seconds) in outcomes {
        // The rest of what was said of a machine that died stands above.
        let told = told(ended).lines().next().unwrap_or_default().to_owned();
        table.add_row([case.to_string(), told, seconds.to_string()]);
    }
    table
}

/// Builds the test program; where it is. Of the whole workspace, for with other features everything would be built anew.
fn build() -> Result<PathBuf> {
    const LINE: &str =
        "cargo test --workspace --test nic --no-run --message-format=json-render-diagnostics";
    eprintln!("xtask: {LINE}");
    let mut words = LINE.split(' ');
    let mut cargo = Command::new(words.next().context("the line has words")?);
    let cargo = cargo.args(words).current_dir(workspace::top()).stderr(Stdio::inherit());
    let output = cargo.output().context("cannot start cargo")?;
    ensure!(output.status.success(), "`{LINE}` failed: {}", output.status);
    executable(&String::from_utf8_lossy(&output.stdout)).context("cargo tells no test program nic")
}

/// The test program among cargo's messages, one JSON document a line.
fn executable(messages: &str) -> Option<PathBuf> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut built = messages.filter(|message| message["target"]["name"] == "nic");
    built.find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

/// Whether there is a test that is asked for: no machine is booted for none.
fn any(tests: &Path, passed: &[String]) -> Result<bool> {
    let list = Command::new(tests).args(passed).args(["--list", "--format", "terse"]).output()?;
    // What is not understood here is the test program's to complain of.
    Ok(!list.status.success() || !list.stdout.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_program_is_found_among_cargos_messages() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"sluice"},"executable":"/t/sluice"}
{"reason":"compiler-artifact","target":{"name":"nic"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"nic"},"executable":"/t/nic-1"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(executable(messages), Some("/t/nic-1".into()));
        assert_eq!(executable("no JSON"), None);
    }

    #[test]
    fn only_a_success_is_one() {
        assert!(passed_all(&Ok(Ended::Exited(0))));
        for ended in [Ok(Ended::Exited(101)), Ok(Ended::TimeLimit), Err(anyhow::anyhow!("no"))] {
            assert!(!passed_all(&ended));
            assert_ne!(told(&ended), "passed");
        }
    }
}
