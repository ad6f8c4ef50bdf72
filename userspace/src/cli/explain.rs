//! `sluice explain`: a capture through the engine.

use std::io::{self, BufWriter, IsTerminal};
use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};

use super::Failure;
use crate::config::ConfigError;
use crate::explain::{
    Bursts, ExplainError, Explanation, FlowFilter, JsonLines, Reporter, Settings, Table,
};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sluice explain --pcap capture.pcap
  sluice explain --pcap capture.pcap --flow 10.0.0.2:5001 --profile linux-6.12
  sluice explain --pcap capture.pcap --config /etc/sluice.toml --summary
  sluice explain --pcap capture.pcap --write merged.pcapng
  sluice explain --pcap capture.pcap --json | jq 'select(.type == \"train\")'

Reads pcap and pcapng. Needs no root and touches nothing; the same capture and settings give the same
output, so it can be sent along with a question. docs/OPERATIONS.md says how to read it.
Exit codes: 0 told, 1 the capture could not be read to its end, 2 wrong usage or configuration.")]
pub(super) struct Args {
    /// The capture.
    #[arg(long, value_name = "FILE")]
    pcap: PathBuf,
    /// Write the super-packets to this pcapng file.
    #[arg(long, value_name = "OUT.pcapng")]
    write: Option<PathBuf>,
    /// Take [offload] from this configuration file; the options below change it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// offload.profile: which coalescing rules.
    #[arg(long, value_name = "PROFILE")]
    profile: Option<String>,
    /// offload.max_size: largest super-packet, in bytes.
    #[arg(long, value_name = "BYTES")]
    max_size: Option<String>,
    /// offload.flush_timeout_us: how long a train may be held; `adaptive`, 0 (to the end of a burst), or
    /// microseconds.
    #[arg(long, value_name = "TIME")]
    flush_timeout_us: Option<String>,
    /// offload.rx_checksum: `verify`, `trust`, or `partial` for captures of senders on this machine.
    #[arg(long, value_name = "MODE")]
    rx_checksum: Option<String>,
    /// Any other key of [offload].
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_and_value)]
    others: Vec<(String, String)>,
    /// Packets that follow each other within so many microseconds are one burst, as a worker finds them;
    /// 64 at most.
    #[arg(long, value_name = "MICROSECONDS", default_value_t = Bursts::default().gap / 1_000,
          value_parser = clap::value_parser!(u64).range(..=1_000_000))]
    burst_us: u64,
    /// Show only packets from or to this end: ADDRESS, ADDRESS:PORT or :PORT. Twice: between the two.
    #[arg(long = "flow", value_name = "END")]
    flows: Vec<FlowFilter>,
    /// Show only the summary.
    #[arg(long)]
    summary: bool,
    /// Print JSON lines: packets, trains and a summary.
    #[arg(long)]
    json: bool,
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    let explanation = Explanation {
        capture: args.pcap.clone(),
        settings: settings(args).map_err(|error| Failure::usage(&error))?,
        keep_rx_checksum: args.rx_checksum.is_some(),
        bursts: Bursts { gap: args.burst_us * 1_000, ..Bursts::default() },
        write: args.write.clone(),
    };
    let out = BufWriter::new(io::stdout().lock());
    let mut reporter: Box<dyn Reporter> = match args.json {
        true => Box::new(JsonLines::new(out, args.flows.clone(), !args.summary)),
        false => Box::new(Table::new(out, args.flows.clone(), !args.summary)),
    };
    let bar = progress(args);
    let told = explanation.tell(&mut *reporter, &mut |bytes| bar.set_position(bytes));
    bar.finish_and_clear();
    match told {
        Err(ExplainError::Report(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failure::failed(error)),
        Ok(_) => Ok(()),
    }
}

fn settings(args: &Args) -> Result<Settings, ConfigError> {
    let mut settings = args.config.as_deref().map_or_else(Settings::new, Settings::load)?;
    let named = [
        ("profile", &args.profile),
        ("max_size", &args.max_size),
        ("flush_timeout_us", &args.flush_timeout_us),
        ("rx_checksum", &args.rx_checksum),
    ];
    for (key, value) in named.iter().filter_map(|(key, value)| Some((key, value.as_deref()?))) {
        settings = settings.with(key, value)?;
    }
    for (key, value) in &args.others {
        settings = settings.with(key, value)?;
    }
    Ok(settings)
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("not KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

/// A bar where somebody waits: not for programs, and not where the lines themselves show it goes on.
fn progress(args: &Args) -> ProgressBar {
    let lines_show = io::stdout().is_terminal() && !args.summary;
    if args.json || lines_show || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let size = std::fs::metadata(&args.pcap).map_or(0, |metadata| metadata.len());
    let style =
        ProgressStyle::with_template("{bar:40} {percent:>3} % of {total_bytes}, {eta} to go");
    // It is read twice.
    let bar = ProgressBar::new(2 * size);
    style.map(|style| bar.clone().with_style(style)).unwrap_or(bar)
}
