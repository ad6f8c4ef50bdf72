//! Which tests prove which rule of the offload engine.
//!
//! | module | what it holds |
//! |---|---|
//! | `statement` | what the rules say |
//! | `scan` | the tests that name a rule |
//! | `page` | docs/RULES.md |

mod page;
mod scan;
mod statement;

use std::fs;

use anyhow::{Context, Result, ensure};

use crate::workspace;

/// Where the page is, from the top of the checkout.
const PAGE: &str = "docs/RULES.md";

/// Writes docs/RULES.md: the rules of the offload engine, and the tests that prove them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask rules            write the page anew
  cargo xtask rules --check    fail if it is not what would be written, or if a rule has no test")]
pub(crate) struct Rules {
    /// Write nothing; fail where the page is out of date or a rule has no test.
    #[arg(long)]
    check: bool,
}

impl Rules {
    pub(crate) fn run(self) -> Result<()> {
        let tests = scan::tests(workspace::top())?;
        let proofs = page::Proofs::of(&tests)?;
        let (page, path) = (proofs.page(), workspace::top().join(PAGE));
        if self.check {
            let written =
                fs::read_to_string(&path).with_context(|| format!("cannot read {PAGE}"))?;
            ensure!(
                written == page,
                "{PAGE} is out of date: run `cargo xtask rules` and commit it"
            );
        } else {
            fs::write(&path, page).with_context(|| format!("cannot write {PAGE}"))?;
        }
        let missing = proofs.missing().join(", ");
        ensure!(missing.is_empty(), "no test names {missing}: call one `g12_…` for G12");
        eprintln!("xtask: {PAGE} names {} tests, and every rule has one", tests.len());
        Ok(())
    }
}
