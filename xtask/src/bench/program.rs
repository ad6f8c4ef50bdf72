//! Measuring programs: started on one CPU, and understood.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value};

use super::pin;
use super::scenario::{Numbers, VALUE};

/// Runs a program that prints its result as one line of JSON (what is in it, the documentation of the bench crate says).
pub(super) fn measure(program: &Path, args: &[String], cpu: usize) -> Result<Numbers> {
    pin::to(cpu, || told(Command::new(program).args(args)))?
}

/// The same of a program that sees to its CPUs itself.
pub(super) fn told(command: &mut Command) -> Result<Numbers> {
    let output = command.output().with_context(|| format!("cannot start {command:?}"))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} failed: {}; {}", output.status, complaint.trim());
    understood(&String::from_utf8_lossy(&output.stdout))
}

/// The numbers of the last line; what else it says is for people.
fn understood(text: &str) -> Result<Numbers> {
    let line = text.lines().last().context("it printed nothing")?;
    let told: Map<String, Value> =
        serde_json::from_str(line).with_context(|| format!("not an object: {line}"))?;
    let numbers = told.into_iter().filter_map(|(name, told)| Some((name, told.as_f64()?)));
    let numbers: Numbers = numbers.collect();
    let value = numbers.get(VALUE).with_context(|| format!("no {VALUE} in {line}"))?;
    ensure!(value.is_finite() && *value > 0.0, "{value} is no result");
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_needs_its_value() {
        let numbers =
            understood("noise\n{\"value\": 2.5, \"trains\": 3, \"by\": \"us\"}\n").unwrap();
        assert_eq!((numbers[VALUE], numbers["trains"]), (2.5, 3.0));
        for bad in ["", "{}", "nothing", "{\"value\": 0}", "{\"value\": \"x\"}"] {
            assert!(understood(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_program_that_fails_is_told_with_its_complaint() {
        let cpu = pin::allowed().unwrap()[0];
        let args = ["-c", "echo no luck >&2; exit 3"].map(str::to_owned);
        let error = measure(Path::new("sh"), &args, cpu).unwrap_err().to_string();
        assert!(error.contains("no luck") && error.contains('3'), "{error}");
    }
}
