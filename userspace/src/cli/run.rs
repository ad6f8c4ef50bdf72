//! `sluice run`: the service.

use std::io::IsTerminal;
use std::path::PathBuf;

use super::{Failure, runtime, ssh};
use crate::config::Mode;
use crate::control::supervisor::{self, Configured};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sluice run --config /etc/sluice.toml
  SLUICE_LOG=debug sluice run --config sluice.toml

Needs root. Stops on SIGINT and SIGTERM, and leaves nothing behind: running connections go on through
the kernel. SIGHUP has the file read anew, as `sluice reload` does. What it says goes to standard error; SLUICE_LOG chooses how much (error, warn, info, debug).
Exit codes: 0 stopped when told to, 1 failed, 2 wrong usage or configuration.")]
pub(super) struct Args {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    let configured = Configured::read(&args.config).map_err(|error| Failure::usage(&error))?;
    refuse_other_modes(args, configured.config.mode)?;
    log_to_stderr();
    for warning in ssh::warnings(&configured.config.rules) {
        tracing::warn!("{}: {warning}", args.config.display());
    }
    runtime()?.block_on(supervisor::run(configured)).map_err(Failure::failed)
}

/// This version serves host mode and wire mode.
fn refuse_other_modes(args: &Args, mode: Mode) -> Result<(), Failure> {
    if matches!(mode, Mode::Host | Mode::Wire) {
        return Ok(());
    }
    Err(Failure::usage(&format_args!(
        "{}: mode = {:?}: this version runs \"host\" and \"wire\"",
        args.config.display(),
        mode.word()
    )))
}

/// Messages to standard error, as many as `SLUICE_LOG` asks for.
pub(super) fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("SLUICE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
}
