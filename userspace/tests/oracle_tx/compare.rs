//! The verdict over super-packets.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;

use anyhow::{Result, ensure};

use crate::case::Case;
use crate::dice::Dice;
use crate::exceptions;
use crate::kernel::Kernel;
use crate::{engine, kernel};

/// How many differences are shown before a run is given up.
const SHOWN: usize = 3;

/// What became of the super-packets of a run.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    cases: usize,
    /// Both sent the same packets; how many.
    same: usize,
    packets: usize,
    /// Both refused.
    refused: usize,
    excused: BTreeMap<&'static str, usize>,
    wrong: Vec<String>,
}

impl Tally {
    /// Gives one super-packet to both; `label` says how to get it again.
    pub(crate) fn judge(&mut self, kernel: &Kernel, case: &Case, label: &str) -> Result<()> {
        self.answered(case, label, &kernel.segment(case)?)
    }

    /// The same where the kernel has answered.
    pub(crate) fn answered(
        &mut self,
        case: &Case,
        label: &str,
        theirs: &kernel::Answer,
    ) -> Result<()> {
        let ours = engine::segment(case);
        self.cases += 1;
        match (theirs, &ours) {
            (Err(_), Err(_)) => self.refused += 1,
            (Ok(theirs), Ok(ours)) if theirs == ours => {
                self.same += 1;
                self.packets += ours.len();
            }
            _ => match exceptions::explaining(case, theirs, &ours) {
                Some(exception) => *self.excused.entry(exception.name).or_default() += 1,
                None => self.wrong.push(report(case, label, theirs, &ours)),
            },
        }
        ensure!(self.wrong.len() < SHOWN, "{}", self.wrong.join("\n"));
        Ok(())
    }

    /// Says what was compared, past the test harness, so that every log of CI has it.
    pub(crate) fn finish(&self, what: &str) -> Result<()> {
        let Self { cases, same, packets, refused, excused, wrong } = self;
        let said = format!(
            "oracle_tx: {what}: {cases} super-packets: {same} cut into the same {packets} packets, \
             {refused} refused by both, exceptions {excused:?}\n"
        );
        std::io::stderr().write_all(said.as_bytes())?;
        ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
        Ok(())
    }

    /// How many of them both cut into the same packets.
    pub(crate) fn same(&self) -> usize {
        self.same
    }
}

/// A run of generated super-packets: as many as are asked for, from the seed of the environment or a new one.
pub(crate) fn generated(
    tally: &mut Tally,
    kernel: &Kernel,
    cases: usize,
    make: impl Fn(&mut Dice) -> Case,
) -> Result<()> {
    rolled(cases, |dice, label| tally.judge(kernel, &make(dice), label))
}

/// As many runs of `body` as are asked for, each with dice of its own and a word on how to get it again.
pub(crate) fn rolled(
    cases: usize,
    mut body: impl FnMut(&mut Dice, &str) -> Result<()>,
) -> Result<()> {
    let (seed, cases) = (seed()?, number("SLUICE_ORACLE_CASES")?.map_or(cases, |n| n as usize));
    std::io::stderr().write_all(format!("oracle_tx: SLUICE_ORACLE_SEED={seed}\n").as_bytes())?;
    for index in 0..cases {
        let label = format!("SLUICE_ORACLE_SEED={seed}, case {index}");
        body(&mut Dice::new(seed, index as u64), &label)?;
    }
    Ok(())
}

fn seed() -> Result<u64> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    Ok(number("SLUICE_ORACLE_SEED")?.unwrap_or(now.as_nanos() as u64 % 1_000_000_007))
}

fn number(variable: &str) -> Result<Option<u64>> {
    Ok(std::env::var(variable).ok().map(|value| value.parse()).transpose()?)
}

fn report(case: &Case, label: &str, kernel: &kernel::Answer, engine: &engine::Answer) -> String {
    let (link, header) = (case.link(), &case.ip[..case.payload_at().min(case.ip.len())]);
    let mut said = format!("\n{label}: {}\n{:?}\n", case.name, case.vnet);
    let _ = writeln!(said, "link header {link:02x?}, then {} bytes: {header:02x?}", case.ip.len());
    let _ = match (kernel, engine) {
        (Ok(theirs), Ok(ours)) => writeln!(said, "{}", first_difference(theirs, ours)),
        (theirs, ours) => writeln!(said, "kernel {}, engine {}", brief(theirs), brief(ours)),
    };
    said
}

fn brief<E: std::fmt::Debug>(answer: &Result<Vec<Vec<u8>>, E>) -> String {
    match answer {
        Ok(packets) => {
            let lens: Vec<_> = packets.iter().map(Vec::len).take(5).collect();
            format!("{} packets, the first of {lens:?} bytes", packets.len())
        }
        Err(error) => format!("{error:?}"),
    }
}

fn first_difference(theirs: &[Vec<u8>], ours: &[Vec<u8>]) -> String {
    let Some(i) = theirs.iter().zip(ours).position(|(theirs, ours)| theirs != ours) else {
        return format!("the kernel made {} packets, the engine {}", theirs.len(), ours.len());
    };
    let (theirs, ours) = (&theirs[i], &ours[i]);
    let at = theirs.iter().zip(ours).position(|(theirs, ours)| theirs != ours);
    let head =
        |packet: &[u8]| format!("{} bytes {:02x?}", packet.len(), &packet[..packet.len().min(120)]);
    format!("packet {i}, byte {at:?}:\n  kernel {}\n  engine {}", head(theirs), head(ours))
}
