//! Measures, each thing against what does the same.
//!
//! | module | what it holds |
//! |---|---|
//! | `scenario` | what is measured, in which states, and how |
//! | `engine` | the engine in memory |
//! | `scale` | what grows with flows, rules and workers, and what does not |
//! | `raw` | the bare AF_XDP path |
//! | `wire` | wire mode between two hosts |
//! | `small` | small packets through it |
//! | `latency` | round trips between them |
//! | `host` | host mode against the kernel's own stack |
//! | `offloads` | the kernel's offloads one by one beside it |
//! | `hosts` | the two hosts of both |
//! | `iperf` | what both measure with |
//! | `cpu` | what work cost the CPUs |
//! | `receive` | on which of them the kernel receives |
//! | `between` | what may stand between them |
//! | `testpmd` | of it, DPDK's |
//! | `held` | what Sluice tells of its waiting |
//! | `context` | what scenarios are made with: programs, CPUs, haste |
//! | `program` | measuring programs: started on one CPU, and understood |
//! | `spoken` | programs that go on: until they say that they are ready |
//! | `dpdk` | the programs that need DPDK's libraries |
//! | `pin` | on which CPU |
//! | `rounds` | A B A B: the order in which states are measured |
//! | `figures` | medians, spreads, ratios |
//! | `distribution` | how many times are below which |
//! | `beside` | what else tables show |
//! | `results` | what is written to bench/results |
//! | `machine` | where it was measured |
//! | `table` | what is printed |
//! | `page` | what is written into docs/PERFORMANCE.md |
//! | `plot` | the same as pictures |
//!
//! A scenario is added by adding a function that makes it to [`GROUPS`]; all else follows.

mod beside;
mod between;
mod context;
mod cpu;
mod distribution;
mod dpdk;
mod engine;
mod figures;
mod held;
mod host;
mod hosts;
mod iperf;
mod latency;
mod machine;
mod offloads;
mod page;
mod pin;
mod plot;
mod program;
mod raw;
mod receive;
mod results;
mod rounds;
mod scale;
mod scenario;
mod small;
mod spoken;
mod table;
mod testpmd;
mod wire;

use anyhow::{Result, ensure};

use crate::setup;
use context::Context;
use results::Results;
use scenario::Scenario;

/// Measures Sluice against what does the same, and against what nothing can beat.
///
/// All states of a scenario are measured by turns, A B A B, each pinned to a CPU, so that what else happens on the
/// machine meets all of them; what counts is their ratio within a round. Results go to bench/results, or with --quick,
/// which is too hasty to be kept, to target/bench. A state that cannot be measured here is listed with the reason.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask bench                        everything
  cargo xtask bench engine-coalesce        scenarios whose names begin so
  cargo xtask bench --list                 their names, and what they measure
  cargo xtask bench --quick engine         two short rounds: does it run at all?
  cargo xtask bench --record engine        and write the tables into docs/PERFORMANCE.md
  cargo xtask bench --page                 write them anew from what is in bench/results")]
pub(crate) struct Bench {
    /// Two short rounds of few points.
    #[arg(long, conflicts_with = "record")]
    quick: bool,
    /// Write tables and plots of all results there are into docs.
    #[arg(long)]
    record: bool,
    /// Measure nothing, and do that.
    #[arg(long, conflicts_with_all = ["quick", "record", "names"])]
    page: bool,
    /// Only tell what there is to measure.
    #[arg(long)]
    list: bool,
    /// How often each state is measured.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// Beginnings of the names of scenarios; all if there is none.
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

/// Rounds that medians are taken from: with fewer than five one that was disturbed shows.
const ROUNDS: u32 = 7;
const QUICK_ROUNDS: u32 = 2;

/// What makes the scenarios. Cheap: what takes time is done when a state is about to be measured.
const GROUPS: &[fn(&Context) -> Vec<Scenario>] = &[
    engine::scenarios,
    scale::scenarios,
    raw::scenarios,
    wire::scenarios,
    small::scenarios,
    latency::scenarios,
    host::scenarios,
    offloads::scenarios,
];

impl Bench {
    pub(crate) fn run(self) -> Result<()> {
        if self.page {
            return page::write();
        }
        let context = Context::new(self.quick)?;
        let scenarios = self.chosen(&context)?;
        if self.list {
            scenarios.iter().for_each(|one| println!("{:28} {}", one.name, one.what));
            return Ok(());
        }
        setup::ensure()?;
        let rounds = self.rounds.unwrap_or(if self.quick { QUICK_ROUNDS } else { ROUNDS });
        let mut results = Results::new(machine::Machine::here()?)?;
        results.scenarios = rounds::measure(scenarios, &context, rounds)?;
        let file = results.write(self.quick)?;
        results.scenarios.iter().for_each(|one| println!("{}\n", table::of(one)));
        eprintln!("xtask: written to {}", file.display());
        if self.record {
            page::write()?;
        }
        let failed = results.failures();
        ensure!(failed.is_empty(), "not everything could be measured:\n{}", failed.join("\n"));
        Ok(())
    }

    fn chosen(&self, context: &Context) -> Result<Vec<Scenario>> {
        let mut all: Vec<_> = GROUPS.iter().flat_map(|group| group(context)).collect();
        let known: Vec<_> = all.iter().map(|one| one.name.clone()).collect();
        for name in &self.names {
            let fits = known.iter().any(|one| one.starts_with(name));
            ensure!(fits, "no scenario begins with {name}; there are {}", known.join(", "));
        }
        all.retain(|one| {
            self.names.is_empty() || self.names.iter().any(|name| one.name.starts_with(name))
        });
        Ok(all)
    }
}
