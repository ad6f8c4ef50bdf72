//! The command line: one file a command, each thin over the module that does the work.
//!
//! Exit codes: 0 done, 1 failed, 2 wrong usage or a wrong configuration. Data goes to standard output,
//! as a table for people or with `--json` as one document; messages go to standard error.

mod check;
mod data_plane;
mod explain;
mod features;
mod nat;
mod reload;
mod run;
mod running;
mod ssh;
mod stats;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The exit code of wrong usage and of a wrong configuration; clap's own.
const USAGE: u8 = 2;

/// AF_XDP fast path: steers chosen flows to user space, coalesces what arrives and segments what leaves.
#[derive(Debug, Parser)]
#[command(name = "sluice", version, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  sluice check /etc/sluice.toml            is the configuration right?
  sluice features eth1                     what can this interface do?
  sluice run --config /etc/sluice.toml     start; stop with Ctrl-C or SIGTERM
  sluice features eth1 --set generic-receive-offload=off
                                           switch a feature of the running process
  sluice reload                            take over what has changed in the file
  sluice stats --json                      what is the running process doing?
  sluice explain --pcap capture.pcap       why did these packets not merge?

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the flows the configuration names, until told to stop.
    Run(run::Args),
    /// Say what is wrong with a configuration, and change nothing.
    Check(check::Args),
    /// Say what an interface can do, and what Sluice does for it.
    Features(features::Args),
    /// Have the running process read its configuration anew, while packets flow.
    Reload(reload::Args),
    /// Show the counters of the running process.
    Stats(stats::Args),
    /// Tell what the coalescer does with the packets of a capture, packet by packet, and why.
    Explain(explain::Args),
    /// The part that moves packets; started by `run`.
    #[command(hide = true)]
    DataPlane,
}

/// A command that did not succeed.
#[derive(Debug)]
struct Failure {
    code: u8,
    /// Said on standard error; empty when everything has been said.
    message: String,
}

impl Failure {
    /// Wrong usage or configuration: exit code 2.
    fn usage(message: &impl ToString) -> Self {
        Self { code: USAGE, message: message.to_string() }
    }

    /// It could not be done: exit code 1. Shows the whole chain of causes.
    fn failed(error: impl Into<anyhow::Error>) -> Self {
        Self { code: 1, message: format!("error: {:#}", error.into()) }
    }
}

/// The program: reads the command line, runs the command, makes the exit code.
#[must_use]
pub fn main() -> ExitCode {
    execute(std::env::args_os())
}

fn execute(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are errors to clap, with exit code 0. A closed pipe is nobody's loss.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(USAGE));
        }
    };
    let outcome = match cli.command {
        Command::Run(args) => run::execute(&args),
        Command::Check(args) => check::execute(&args),
        Command::Features(args) => features::execute(&args),
        Command::Reload(args) => reload::execute(&args),
        Command::Stats(args) => stats::execute(&args),
        Command::Explain(args) => explain::execute(&args),
        Command::DataPlane => data_plane::execute(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { code, message }) => {
            if !message.is_empty() {
                eprintln!("{message}");
            }
            ExitCode::from(code)
        }
    }
}

/// Prints one line of data; a reader that has gone away (`| head`) is no failure.
fn print(text: impl std::fmt::Display) -> Result<(), Failure> {
    use std::io::Write;
    match writeln!(std::io::stdout().lock(), "{text}") {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::failed(error)),
        _ => Ok(()),
    }
}

/// Prints a document as JSON.
fn print_json(document: &impl serde::Serialize) -> Result<(), Failure> {
    print(serde_json::to_string_pretty(document).map_err(Failure::failed)?)
}

/// A tokio runtime on this thread.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::failed)
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
    fn every_command_shows_examples() {
        for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
            let help = command.clone().render_long_help().to_string();
            assert!(help.contains("Examples:"), "{}: {help}", command.get_name());
        }
    }
}
