//! What `cargo xtask instructions` counts under callgrind: one case a run, of which only
//! [`meter::measured`] is counted.
//!
//! ```text
//! instructions               names of all cases, one a line
//! instructions CASE          runs it, and says how many operations it measured
//! ```
//!
//! | module | what it measures |
//! |---|---|
//! | `parse` | headers, and nothing else |
//! | `checksum` | sums, with and without a copy |
//! | `coalesce` | a packet that joins; a full train that is released |
//! | `segment` | a 64 KB super-packet |
//! | `cut` | a 64 KB train for another MTU |

mod checksum;
mod coalesce;
mod cut;
mod meter;
mod parse;
mod segment;

use std::process::ExitCode;

/// A case's name, and the function that sets it up, measures it and returns how many operations that were.
type Case = (&'static str, fn() -> usize);

const CASES: &[&[Case]] =
    &[parse::CASES, checksum::CASES, coalesce::CASES, segment::CASES, cut::CASES];

fn main() -> ExitCode {
    let mut cases = CASES.iter().copied().flatten();
    let Some(wanted) = std::env::args().nth(1) else {
        cases.for_each(|(name, _)| println!("{name}"));
        return ExitCode::SUCCESS;
    };
    let Some((_, run)) = cases.find(|(name, _)| *name == wanted) else {
        eprintln!("instructions: {wanted} is no case");
        return ExitCode::FAILURE;
    };
    println!("{}", run());
    ExitCode::SUCCESS
}
