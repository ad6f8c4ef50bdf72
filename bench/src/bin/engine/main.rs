//! The engine in memory, measured once: `cargo xtask bench engine` runs this by turns with what it is compared with.
//!
//! | module | what it measures |
//! |---|---|
//! | `parse` | headers |
//! | `classify` | which rule a packet matches |
//! | `checksum` | sums, and copies that sum |
//! | `coalesce` | packets that become trains |
//! | `segment` | super-packets that become packets |
//! | `turn` | a whole worker in wire mode |
//! | `xdp` | the XDP program |

mod checksum;
mod classify;
mod coalesce;
mod parse;
mod segment;
mod turn;
mod xdp;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use sluice_bench::meter::Meter;
use sluice_bench::stream::Stream;

/// Measures one part of the engine once, and prints the result as one line of JSON.
#[derive(Parser)]
struct Engine {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    Parse(parse::Parse),
    Classify(classify::Classify),
    Checksum(checksum::Checksum),
    Coalesce(coalesce::Coalesce),
    Segment(segment::Segment),
    Turn(turn::Turn),
    Xdp(xdp::Xdp),
    /// Writes the headers of the packets, for a program in another language.
    Headers {
        /// Interleaved flows.
        #[arg(long)]
        flows: usize,
        /// Where to.
        file: PathBuf,
    },
}

/// What every measurement is told.
#[derive(Debug, clap::Args)]
struct Load {
    /// Interleaved flows.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    flows: u32,
    /// Packets of a burst.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4096))]
    burst: u32,
    /// How long to measure, in milliseconds.
    #[arg(long, default_value_t = 50)]
    millis: u64,
}

impl Load {
    const fn flows(&self) -> usize {
        self.flows as usize
    }

    const fn burst(&self) -> usize {
        self.burst as usize
    }

    const fn meter(&self) -> Meter {
        Meter { lasts: Duration::from_millis(self.millis) }
    }
}

fn main() -> Result<()> {
    let said = match Engine::parse().what {
        What::Parse(parse) => parse.measure(),
        What::Classify(classify) => classify.measure(),
        What::Checksum(checksum) => checksum.measure(),
        What::Coalesce(coalesce) => coalesce.measure(),
        What::Segment(segment) => segment.measure(),
        What::Turn(turn) => turn.measure()?,
        What::Xdp(xdp) => xdp.measure()?,
        What::Headers { flows, file } => return written(flows, &file),
    };
    println!("{}", said.line());
    Ok(())
}

fn written(flows: usize, file: &Path) -> Result<()> {
    let write = || -> io::Result<()> {
        let mut out = BufWriter::new(File::create(file)?);
        Stream::of(flows).write_to(&mut out)?;
        out.flush()
    };
    write().with_context(|| format!("cannot write {}", file.display()))
}
