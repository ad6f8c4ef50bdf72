//! How many instructions the hot functions take, counted under callgrind.
//!
//! | module | what it holds |
//! |---|---|
//! | `count` | building, running and counting the cases of bench |
//! | `baseline` | bench/instructions.toml: what was counted before, and where that holds |
//! | `report` | now against then |
//!
//! valgrind is run as it is, without a bench framework around it: those that there are want a runner of exactly
//! their own version installed on every machine, and what is left to do here is to read one number.

mod baseline;
mod count;
mod report;

use anyhow::{Result, ensure};

use crate::setup;
use baseline::{Baseline, Conditions};
use report::Report;

/// Counts the instructions of the hot functions, and compares with bench/instructions.toml.
///
/// Counts do not depend on the machine's speed or load, so that a slowdown shows as a number. They do depend on
/// the compiler, the C library and the vector instructions the CPU has: where one of those is another than when the
/// baseline was recorded, differences are shown and are no failure.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask instructions             compare
  cargo xtask instructions --record    make the present counts the baseline")]
pub(crate) struct Instructions {
    /// Write the counts to bench/instructions.toml.
    #[arg(long)]
    record: bool,
}

impl Instructions {
    pub(crate) fn run(self) -> Result<()> {
        setup::ensure()?;
        let now = Baseline { holds_for: Conditions::here()?, instructions: count::all()? };
        let then = Baseline::read()?;
        let report = Report::new(&then, &now);
        println!("{report}");
        if self.record {
            return now.write();
        }
        if let Some(other) = then.holds_for.other(&now.holds_for) {
            eprintln!("xtask: the baseline does not hold here ({other}): nothing is judged");
            return Ok(());
        }
        let complaints = report.complaints();
        ensure!(complaints.is_empty(), "{}", complaints.join("\n"));
        Ok(())
    }
}
