//! bench/instructions.toml.

use std::collections::BTreeMap;
use std::process::Command;
use std::{fs, io};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use crate::workspace;

/// Where it is, from the top of the checkout.
const FILE: &str = "bench/instructions.toml";

const HEAD: &str = "# Instructions for one operation of each hot function.
# Written by `cargo xtask instructions --record`; the cases are in bench/src/bin/instructions.

";

/// Counts, and where they hold.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Baseline {
    pub(super) holds_for: Conditions,
    /// Instructions an operation, by case.
    pub(super) instructions: BTreeMap<String, f64>,
}

/// What counts depend on besides the source.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Conditions {
    rustc: String,
    /// Its `memcpy` is counted.
    libc: String,
    /// Which `memcpy` the C library takes under valgrind, which shows a program AVX2 where there is AVX2, and never
    /// more.
    cpu: String,
}

impl Baseline {
    /// What was recorded; nothing where nothing was.
    pub(super) fn read() -> Result<Self> {
        match fs::read_to_string(workspace::top().join(FILE)) {
            Ok(text) => toml::from_str(&text).with_context(|| format!("{FILE} is not readable")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).context(FILE),
        }
    }

    pub(super) fn write(&self) -> Result<()> {
        let text = HEAD.to_owned() + &toml::to_string(self)?;
        fs::write(workspace::top().join(FILE), text).context(FILE)
    }
}

impl Conditions {
    pub(super) fn here() -> Result<Self> {
        Ok(Self {
            rustc: said("rustc", &["--version"])?,
            libc: said("getconf", &["GNU_LIBC_VERSION"])?,
            cpu: vector_instructions().to_owned(),
        })
    }

    /// How `here` differs, if it does.
    pub(super) fn other(&self, here: &Self) -> Option<String> {
        let pairs = [(&self.rustc, &here.rustc), (&self.libc, &here.libc), (&self.cpu, &here.cpu)];
        let differ = pairs.iter().filter(|(then, now)| then != now);
        let told: Vec<_> = differ.map(|(then, now)| format!("{now} instead of {then}")).collect();
        (!told.is_empty()).then(|| told.join(", "))
    }
}

/// What a program prints.
fn said(program: &str, args: &[&str]) -> Result<String> {
    let mut ask = Command::new(program);
    // rustc is the one that the checkout asks for.
    let output =
        ask.args(args).current_dir(workspace::top()).output().context(program.to_owned())?;
    ensure!(output.status.success(), "{program} {} failed", args.join(" "));
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

#[cfg(target_arch = "x86_64")]
fn vector_instructions() -> &'static str {
    if std::arch::is_x86_feature_detected!("avx2") { "x86_64 with AVX2" } else { "x86_64" }
}

#[cfg(not(target_arch = "x86_64"))]
fn vector_instructions() -> &'static str {
    std::env::consts::ARCH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_that_differ_are_named() {
        let then = Conditions { rustc: "rustc 1".into(), libc: "a".into(), cpu: "c".into() };
        let now = Conditions { rustc: "rustc 2".into(), libc: "a".into(), cpu: "c".into() };
        assert_eq!(then.other(&now).as_deref(), Some("rustc 2 instead of rustc 1"));
        assert_eq!(then.other(&then), None);
    }

    #[test]
    fn the_recorded_baseline_can_be_read() {
        let baseline = Baseline::read().unwrap();
        assert!(baseline.instructions.len() > 10 && baseline.holds_for != Conditions::default());
    }
}
