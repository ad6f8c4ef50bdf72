//! What is written to bench/results.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::figures::Figures;
use super::machine::Machine;
use super::scenario::Better;
use crate::workspace;

/// What was measured of one commit on one day.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Results {
    pub(super) date: String,
    /// When, in seconds of Unix time: which of two of a day is the later one.
    pub(super) written: i64,
    pub(super) commit: String,
    /// Whether there were changes that are not in the commit.
    pub(super) changed: bool,
    pub(super) machine: Machine,
    pub(super) scenarios: Vec<Measured>,
}

/// A scenario that was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Measured {
    pub(super) name: String,
    pub(super) what: String,
    pub(super) unit: String,
    pub(super) better: Better,
    pub(super) varies: String,
    pub(super) states: Vec<Told>,
    pub(super) points: Vec<Point>,
    /// Of what was measured beside the values, what tables show.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) beside: Vec<String>,
}

/// A state, and why there is nothing of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Told {
    pub(super) name: String,
    pub(super) what: String,
    /// What is missing here, and how to get it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) missing: Option<String>,
    /// What went wrong while it was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) failed: Option<String>,
}

/// All states at one point, by name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Point {
    pub(super) at: u64,
    pub(super) values: BTreeMap<String, Figures>,
    /// How many times as good the first state is as each other.
    pub(super) ratios: BTreeMap<String, Figures>,
    /// Medians of what was measured beside it.
    pub(super) also: BTreeMap<String, BTreeMap<String, f64>>,
}

/// Where results are kept, from the top of the checkout.
const FOLDER: &str = "bench/results";

impl Results {
    /// Nothing yet, of today and this checkout.
    pub(super) fn new(machine: Machine) -> Result<Self> {
        let now = OffsetDateTime::now_utc();
        Ok(Self {
            date: now.date().to_string(),
            written: now.unix_timestamp(),
            commit: git(&["rev-parse", "--short=10", "HEAD"])?,
            changed: !git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty(),
            machine,
            scenarios: Vec::new(),
        })
    }

    /// Writes them, beside what was measured of other scenarios of the same commit on the same day. Returns where.
    pub(super) fn write(&self, quick: bool) -> Result<PathBuf> {
        let folder = match quick {
            true => workspace::target().join("bench"),
            false => workspace::top().join(FOLDER),
        };
        fs::create_dir_all(&folder)?;
        let file = folder.join(format!("{}-{}.json", self.date, self.commit));
        let earlier = if file.exists() { read(&file)?.scenarios } else { Vec::new() };
        let is_old = |one: &Measured| self.scenarios.iter().all(|new| new.name != one.name);
        let scenarios = earlier.into_iter().filter(is_old).chain(self.scenarios.iter().cloned());
        let all = Self {
            date: self.date.clone(),
            commit: self.commit.clone(),
            machine: self.machine.clone(),
            scenarios: scenarios.collect(),
            ..*self
        };
        fs::write(&file, serde_json::to_string_pretty(&all)? + "\n")
            .with_context(|| format!("cannot write {}", file.display()))?;
        Ok(file)
    }

    /// All that are kept, oldest first.
    pub(super) fn kept() -> Result<Vec<Self>> {
        let folder = workspace::top().join(FOLDER);
        let entries = fs::read_dir(&folder).with_context(|| format!("nothing in {FOLDER}"))?;
        let files = entries.flatten().map(|entry| entry.path());
        let files = files.filter(|file| file.extension().is_some_and(|one| one == "json"));
        let mut all: Vec<Self> = files.map(|file| read(&file)).collect::<Result<_>>()?;
        ensure!(!all.is_empty(), "nothing in {FOLDER}: `cargo xtask bench` measures");
        all.sort_by_key(|results| results.written);
        Ok(all)
    }

    /// What went wrong, of what there was.
    pub(super) fn failures(&self) -> Vec<String> {
        let states = self.scenarios.iter().flat_map(|one| one.states.iter().map(move |s| (one, s)));
        let failed = states.filter_map(|(one, state)| {
            let why = state.failed.as_ref()?;
            Some(format!("{}, {}: {why}", one.name, state.name))
        });
        failed.collect()
    }
}

fn read(file: &Path) -> Result<Results> {
    let text = fs::read_to_string(file)?;
    serde_json::from_str(&text).with_context(|| format!("{} is not readable", file.display()))
}

fn git(args: &[&str]) -> Result<String> {
    let output = Command::new("git").args(args).current_dir(workspace::top()).output();
    let output = output.context("git")?;
    ensure!(output.status.success(), "git {} failed", args.join(" "));
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_can_be_read() {
        for results in Results::kept().unwrap() {
            assert!(!results.scenarios.is_empty(), "{} {}", results.date, results.commit);
            assert_eq!(results.failures(), [""; 0]);
        }
    }
}
