//! `sluice-bench`: generates load, counts what arrives of it, and measures round trips and the bare AF_XDP path.
//!
//! Exit codes as those of `sluice`: 0 done, 1 failed, 2 wrong usage. It sets up nothing but its own sockets and
//! program on the interface it is given, and takes them away at the end.

mod echo;
mod generate;
mod interface;
mod ping;
mod raw;
mod sink;
mod span;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use serde::Serialize;

/// Generates load, counts what arrives of it, and measures round trips and the bare AF_XDP path.
#[derive(Debug, Parser)]
#[command(name = "sluice-bench", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  sluice-bench sink --iface eth1 --seconds 10                count what comes
  sluice-bench gen --iface eth2 --rate 100000 --seconds 5    send it
  sluice-bench raw receive --iface eth1 --with sluice        measure the bare path
  sluice-bench ping 10.0.0.7:5002 --count 10000              measure round trips

Exit codes: 0 done, 1 failed, 2 wrong usage.";

#[derive(Debug, Subcommand)]
enum Command {
    Gen(generate::Args),
    Sink(sink::Args),
    Raw(raw::Args),
    Ping(ping::Args),
    Echo(echo::Args),
}

fn main() -> ExitCode {
    match execute(&Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sluice-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(command: &Command) -> Result<()> {
    sluice_bench::until::heed_signals()?;
    match command {
        Command::Gen(args) => generate::execute(args),
        Command::Sink(args) => sink::execute(args),
        Command::Raw(args) => raw::execute(args),
        Command::Ping(args) => ping::execute(args),
        Command::Echo(args) => echo::execute(args),
    }
}

/// Prints a report: one line of JSON, or tables.
fn print(report: &(impl Serialize + ToString), json: bool) -> Result<()> {
    let text = if json { serde_json::to_string(report)? } else { report.to_string() };
    match writeln!(io::stdout().lock(), "{text}") {
        // A reader that has gone away (`| head`) is no failure.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_example_of_the_help_is_a_command() {
        let command = Cli::command();
        let parts = command.get_subcommands().chain([&command]);
        for part in parts {
            let help = part.get_after_help().map(ToString::to_string).unwrap_or_default();
            let lines = help.lines().filter_map(|line| line.trim().strip_prefix("sluice-bench "));
            let examples: Vec<_> = lines.filter_map(|line| line.split("  ").next()).collect();
            assert!(!examples.is_empty(), "{} has no examples", part.get_name());
            examples.into_iter().for_each(parse);
        }
    }

    #[test]
    fn every_documented_command_is_one() {
        let documented = sluice_lab::documented();
        let program = "target/release/sluice-bench ";
        let ours = documented.iter().filter_map(|one| one.command.strip_prefix(program));
        assert!(ours.clone().count() >= 3);
        ours.for_each(parse);
    }

    fn parse(line: &str) {
        let words = ["sluice-bench"].into_iter().chain(line.split_whitespace());
        if let Err(error) = Cli::try_parse_from(words) {
            panic!("sluice-bench {line}: {error}");
        }
    }
}
