//! What scenarios are made with.

use std::cell::OnceCell;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};

use super::pin;
use crate::run::program;
use crate::step::Step;
use crate::workspace;

/// Programs, CPUs, haste.
pub(super) struct Context {
    /// Whether only to see that it runs.
    pub(super) quick: bool,
    cpus: Vec<usize>,
    built: OnceCell<()>,
    sluice: OnceCell<PathBuf>,
}

impl Context {
    pub(super) fn new(quick: bool) -> Result<Self> {
        let (built, sluice) = (OnceCell::new(), OnceCell::new());
        Ok(Self { quick, cpus: pin::allowed()?, built, sluice })
    }

    /// A CPU to pin something to. 0 is the one that least else is likely to run on; there may be fewer than are asked
    /// for, and then one is given twice.
    pub(super) fn cpu(&self, number: usize) -> usize {
        self.cpus[self.cpus.len() - 1 - number % self.cpus.len()]
    }

    /// One for what is measured, and another one for all else.
    pub(super) fn two_cpus(&self) -> Result<[usize; 2]> {
        let [one, other] = [0, 1].map(|number| self.cpu(number));
        ensure!(
            one != other,
            "one CPU only: what is measured is to have one, and all else another"
        );
        Ok([one, other])
    }

    /// How long a program is to measure once: long enough for a dozen passes, and so short that the states take
    /// turns while whatever else happens on the machine stays the same.
    pub(super) const fn millis(&self) -> u64 {
        if self.quick { 5 } else { 60 }
    }

    /// How long traffic is to be measured once.
    pub(super) const fn seconds(&self) -> u64 {
        if self.quick { 1 } else { 3 }
    }

    /// `sluice` itself, as users get it.
    pub(super) fn sluice(&self) -> Result<PathBuf> {
        if self.sluice.get().is_none() {
            let _ = self.sluice.set(program::build()?);
        }
        self.sluice.get().cloned().context("it was built just now")
    }

    /// A program of the bench crate, optimised as users get the engine.
    pub(super) fn program(&self, name: &str) -> Result<PathBuf> {
        if self.built.get().is_none() {
            Step::new("cargo build --release --package sluice-bench --bins").run()?;
            let _ = self.built.set(());
        }
        Ok(workspace::target().join("release").join(name))
    }
}
