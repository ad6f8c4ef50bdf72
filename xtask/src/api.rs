//! The public surface of `sluice-common`, and what became of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::step::Step;
use crate::workspace;

/// What is recorded, from the top of the checkout.
const FILE: &str = "common/public-api.txt";

/// Compares the public surface of sluice-common with common/public-api.txt.
///
/// Every public item is a line there, with its whole signature. A line that is gone or changed breaks who builds on
/// the crate, and so does a new variant of an enum that is not `#[non_exhaustive]`, or a new method that a trait
/// requires: these want a new minor version (a new major one from 1.0 on). Other lines that are added want nothing but
/// to be recorded. Features `abi` and `testing` are left out, and promise nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask api             fail if anything public was added, changed or removed
  cargo xtask api --record    make the present surface the recorded one")]
pub(crate) struct Api {
    /// Write the surface to common/public-api.txt.
    #[arg(long)]
    record: bool,
}

impl Api {
    pub(crate) fn run(self) -> Result<()> {
        let (path, now) = (workspace::top().join(FILE), surface()?);
        if self.record {
            return fs::write(path, now).context(FILE);
        }
        let then = fs::read_to_string(path).context(FILE)?;
        let changes = changes(&then, &now);
        ensure!(
            changes.is_empty(),
            "the public surface of sluice-common is not the recorded one:\n{}\n`cargo xtask api --record` records it; \
             what begins with `-` breaks users of the crate: is it meant, and does CHANGELOG.md say so?",
            changes.join("\n")
        );
        eprintln!("xtask: {FILE} has all of the {} public items", now.lines().count());
        Ok(())
    }
}

/// One line a public item.
fn surface() -> Result<String> {
    let api = public_api::Builder::from_rustdoc_json(rustdoc()?)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .build()
        .context(
            "rustdoc's output is of a format that public-api does not read: another version of it?",
        )?;
    Ok(api.to_string())
}

/// rustdoc's description of the crate. Only its unstable output can be read by a program, which a stable rustdoc
/// writes too where it is told to; in a target folder of its own, for build scripts that look at that variable too
/// would be run anew each time.
fn rustdoc() -> Result<PathBuf> {
    let target = workspace::target().join("api");
    let build = Step::new("cargo rustdoc --quiet --package sluice-common --lib --target-dir");
    let build = build.args([target.display().to_string()]).env("RUSTC_BOOTSTRAP", "1");
    build.args(["--", "-Zunstable-options", "--output-format", "json"]).run()?;
    Ok(target.join("doc/sluice_common.json"))
}

/// Lines that went, with `-`, and lines that came, with `+`.
fn changes(then: &str, now: &str) -> Vec<String> {
    let lines = |text: &'_ str| -> BTreeSet<String> { text.lines().map(str::to_owned).collect() };
    let (then, now) = (lines(then), lines(now));
    let went = then.difference(&now).map(|line| format!("-{line}"));
    let came = now.difference(&then).map(|line| format!("+{line}"));
    went.chain(came).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_and_what_came_is_told() {
        let changes = changes("pub fn a()\npub fn b()\n", "pub fn b()\npub fn a(u8)\n");
        assert_eq!(changes, ["-pub fn a()", "+pub fn a(u8)"]);
    }
}
