//! `cargo xtask`: sets up, runs, tests and measures Sluice.
//!
//! | module | what it does |
//! |---|---|
//! | `setup` | installs what building and running need |
//! | `run` | real traffic through Sluice, and what became of it |
//! | `lab` | hosts on wires, to try things in |
//! | `nic_lab` | a machine with real NIC drivers |
//! | `test` | every test there is |
//! | `rules` | which tests prove which rule |
//! | `bench` | how fast it is, against what does the same |
//! | `instructions` | how many instructions the hot functions take |
//! | `api` | the public surface of `sluice-common` |
//! | `ci` | everything that has to be right before a change lands |
//! | `step` | a command, said before it is run |
//! | `workspace` | where things are |

mod api;
mod bench;
mod ci;
mod instructions;
mod lab;
mod nic_lab;
mod rules;
mod run;
mod setup;
mod step;
mod test;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Sets up, runs, tests and measures Sluice.
#[derive(Parser)]
#[command(bin_name = "cargo xtask", version)]
struct Xtask {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    Setup(setup::Setup),
    Run(run::Run),
    Test(test::Test),
    Lab(lab::Lab),
    NicLab(nic_lab::NicLab),
    Rules(rules::Rules),
    Bench(bench::Bench),
    Instructions(instructions::Instructions),
    Api(api::Api),
    Ci(ci::Ci),
}

fn main() -> ExitCode {
    let outcome = match Xtask::parse().task {
        Task::Setup(task) => task.run(),
        Task::Run(task) => task.run(),
        Task::Test(task) => task.run(),
        Task::Lab(task) => task.run(),
        // It ends as the command it runs.
        Task::NicLab(task) => return task.run(),
        Task::Rules(task) => task.run(),
        Task::Bench(task) => task.run(),
        Task::Instructions(task) => task.run(),
        Task::Api(task) => task.run(),
        Task::Ci(task) => task.run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Xtask::command().debug_assert();
    }

    #[test]
    fn every_documented_task_is_one() {
        let documented = sluice_lab::documented();
        let ours = documented.iter().filter_map(|one| one.command.strip_prefix("cargo xtask "));
        assert!(ours.clone().count() > 3);
        ours.for_each(parse);
    }

    #[test]
    fn every_example_of_the_help_is_a_task() {
        use clap::CommandFactory;
        let command = Xtask::command();
        for task in command.get_subcommands() {
            let help = task.get_after_help().map(ToString::to_string).unwrap_or_default();
            let examples = help.lines().filter_map(|line| line.trim().strip_prefix("cargo xtask "));
            let tasks =
                examples.map(|line| line.split("  ").next().expect("there is a first part"));
            assert!(tasks.clone().count() > 0, "{} has no examples", task.get_name());
            tasks.for_each(parse);
        }
    }

    fn parse(line: &str) {
        let words = ["xtask"].into_iter().chain(line.split_whitespace());
        if let Err(error) = Xtask::try_parse_from(words) {
            panic!("cargo xtask {line}: {error}");
        }
    }
}
