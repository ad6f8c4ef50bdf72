//! `sluice check`: the configuration alone, no interface touched.

use std::path::PathBuf;

use serde::Serialize;

use super::{Failure, nat, print, print_json, ssh};
use crate::config::{Config, ConfigError, Mode, Problem};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sluice check /etc/sluice.toml
  sluice check --json /etc/sluice.toml | jq '.problems[].message'

Warns when a rule would take the connections of an SSH server that listens on this machine.
Exit codes: 0 right (warnings included), 2 wrong.")]
pub(super) struct Args {
    /// The configuration file.
    file: PathBuf,
    /// Print one JSON document: file, valid, problems, warnings.
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report<'a> {
    file: String,
    valid: bool,
    problems: Vec<ProblemReport<'a>>,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct ProblemReport<'a> {
    line: usize,
    key: &'a str,
    value: Option<&'a str>,
    message: String,
}

impl<'a> From<&'a Problem> for ProblemReport<'a> {
    fn from(problem: &'a Problem) -> Self {
        Self {
            line: problem.line,
            key: &problem.key,
            value: problem.value.as_deref(),
            message: problem.message.clone(),
        }
    }
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    let loaded = Config::load(&args.file);
    let warnings = loaded.as_ref().map(warnings).unwrap_or_default();
    if args.json {
        print_json(&report(args, &loaded, warnings))?;
        return loaded.map(|_| ()).map_err(|_| Failure::usage(&""));
    }
    for warning in &warnings {
        eprintln!("warning: {}: {warning}", args.file.display());
    }
    let config = loaded.map_err(|error| Failure::usage(&error))?;
    let rules = config.rules.len();
    print(format_args!("{}: right, {rules} rule{}", args.file.display(), plural(rules)))
}

/// What is right and may still not be meant.
fn warnings(config: &Config) -> Vec<String> {
    // Through the ports of a wire nobody reaches this host, whatever its rules say.
    let ssh = if config.mode == Mode::Wire { Vec::new() } else { ssh::warnings(&config.rules) };
    ssh.into_iter().chain(nat::warnings(config)).collect()
}

fn report<'a>(
    args: &Args,
    loaded: &'a Result<Config, ConfigError>,
    warnings: Vec<String>,
) -> Report<'a> {
    let problems = match loaded {
        Ok(_) => Vec::new(),
        Err(ConfigError::Invalid { problems, .. }) => problems.iter().map(Into::into).collect(),
        Err(error @ ConfigError::Read { .. }) => {
            vec![ProblemReport { line: 0, key: "", value: None, message: error.to_string() }]
        }
    };
    Report { file: args.file.display().to_string(), valid: loaded.is_ok(), problems, warnings }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
