//! Measuring programs: started on one CPU, and understood.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::pin;
use super::scenario::{Numbers, VALUE};

/// Runs a program that prints its result as one line of JSON (what is in it, the documentation of the bench crate says).
pub(super) fn measure(program: &Path, args: &[String], cpu: usize) -> Result<Numbers> {
    let output = pin::to(cpu, || Command::new(program).args(args).output())?;
    let output = output.with_context(|| format!("cannot start {}", program.display()))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    let name = program.file_name().unwrap_or_default().display();
    ensure!(
        output.status.success(),
        "{name} {} failed: {}; {}",
        args.join(" "),
        output.status,
        complaint.trim()
    );
    understood(&String::from_utf8_lossy(&output.stdout))
}

/// The numbers of the last line.
fn understood(text: &str) -> Result<Numbers> {
    let line = text.lines().last().context("it printed nothing")?;
    let numbers: Numbers =
        serde_json::from_str(line).with_context(|| format!("not numbers by name: {line}"))?;
    let value = numbers.get(VALUE).with_context(|| format!("no {VALUE} in {line}"))?;
    ensure!(value.is_finite() && *value > 0.0, "{value} is no result");
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_needs_its_value() {
        let numbers = understood("noise\n{\"value\": 2.5, \"trains\": 3}\n").unwrap();
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
