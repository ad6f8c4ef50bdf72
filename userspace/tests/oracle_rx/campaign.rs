//! Many bursts: which agree, which exceptions are met, and the smallest burst that does not agree.

use std::env;
use std::hash::{BuildHasher, RandomState};
use std::thread::panicking;

use anyhow::{Context, Result, bail, ensure};

use crate::bed::{Bed, Setup};
use crate::burst::{Family, Sent, generate};
use crate::exceptions::{EXCEPTIONS, Exception};
use crate::offer::{Cwr, Offer};
use crate::trial::{Difference, Verdict, trial};

/// At least so many bursts have to agree without any exception.
const ENOUGH: usize = 2000;
/// So many are tried: with those that meet an exception there are enough, and each is met often enough that
/// no seed misses one.
const BURSTS: u64 = 4000;

/// Gives many bursts of `family` to both.
pub(crate) fn run(family: Family) -> Result<()> {
    let mut bed = Bed::new(Setup::of(family))?;
    let offer = Offer::of(&mut bed)?;
    let setup = Setup::of(family);
    ensure!(offer.udp == setup.udp, "{setup:?}, but this kernel offers {offer:?}");
    ensure!(offer.vxlan == setup.tunnels, "{setup:?}, but this kernel offers {offer:?}");
    let seed = variable("SEED")?.unwrap_or_else(|| RandomState::new().hash_one(family));
    println!("{family:?}: SLUICE_ORACLE_SEED={seed}; this kernel offers {offer:?}");
    let only = variable("BURST")?;
    let count = variable("BURSTS")?.unwrap_or(BURSTS);
    let indices = only.map_or(0..count, |burst| burst..burst + 1);
    let mut tally = Tally::default();
    for index in indices {
        let _named = NamedOnPanic { index };
        let burst = generate(family, seed, index);
        match trial(&mut bed, &burst, offer)? {
            Verdict::Agree(met) => tally.note(&met),
            Verdict::Differ(_) => bail!(complaint(&mut bed, offer, seed, index, &burst)?),
        }
    }
    tally.show();
    if only.is_none() && count >= BURSTS { tally.check(family, offer) } else { Ok(()) }
}

/// Says which burst it was that the engine panicked over.
struct NamedOnPanic {
    index: u64,
}

impl Drop for NamedOnPanic {
    fn drop(&mut self) {
        if panicking() {
            println!("this was SLUICE_ORACLE_BURST={}", self.index);
        }
    }
}

/// `SLUICE_ORACLE_` and `name`.
fn variable(name: &str) -> Result<Option<u64>> {
    let name = format!("SLUICE_ORACLE_{name}");
    let Some(value) = env::var_os(&name) else { return Ok(None) };
    let number = value.to_str().and_then(|value| value.parse().ok());
    Ok(Some(number.with_context(|| format!("{name} is a number"))?))
}

/// What the bursts came to.
#[derive(Debug, Default)]
struct Tally {
    plain: usize,
    excepted: usize,
    met: [usize; EXCEPTIONS.len()],
}

impl Tally {
    fn note(&mut self, met: &[usize]) {
        *if met.is_empty() { &mut self.plain } else { &mut self.excepted } += 1;
        met.iter().for_each(|index| self.met[*index] += 1);
    }

    fn show(&self) {
        println!("{} bursts agree, and {} but for exceptions:", self.plain, self.excepted);
        for (exception, met) in EXCEPTIONS.iter().zip(self.met) {
            println!("{met:6} {} ({})", exception.name, exception.rule);
        }
    }

    fn check(&self, family: Family, offer: Offer) -> Result<()> {
        ensure!(self.plain >= ENOUGH, "only {} bursts agree without exceptions", self.plain);
        let unmet = EXCEPTIONS.iter().zip(self.met);
        // Without a kernel that lets CWR go alone there is no such exception.
        let is_due = |one: &Exception| {
            one.family == family && (one.name != "cwr_alone" || offer.cwr == Cwr::Alone)
        };
        let unmet = unmet.filter(|(one, _)| is_due(one)).find(|(_, met)| *met == 0);
        unmet.map_or(Ok(()), |(one, _)| bail!("no burst met {}: is it one still?", one.name))
    }
}

/// All there is to say about a burst that does not agree.
fn complaint(bed: &mut Bed, offer: Offer, seed: u64, index: u64, burst: &[Sent]) -> Result<String> {
    let (small, difference) = shrink(bed, offer, burst)?;
    let Difference { kernel, engine } = difference;
    let at = kernel.iter().zip(&engine).take_while(|(one, (other, _))| *one == other).count();
    let mut text = format!(
        "kernel and engine differ: SLUICE_ORACLE_SEED={seed} SLUICE_ORACLE_BURST={index}\n"
    );
    text += "the burst:\n";
    burst.iter().for_each(|sent| text += &format!("  {sent}\n"));
    text += "as small as it gets:\n";
    small.iter().for_each(|sent| text += &format!("  {sent}\n"));
    text += "the kernel makes of that:\n";
    kernel.iter().for_each(|outcome| text += &format!("  {outcome:?}\n"));
    text += "the engine makes of it (exceptions applied):\n";
    engine.iter().for_each(|(outcome, reason)| text += &format!("  {outcome:?} {reason:?}\n"));
    Ok(text + &format!("the first to differ is number {at}, from 0"))
}

/// Leaves packets out for as long as the rest still differs: halves, quarters, … and in the end every single
/// one until none can go.
fn shrink(bed: &mut Bed, offer: Offer, burst: &[Sent]) -> Result<(Vec<Sent>, Difference)> {
    let found = differs(bed, offer, burst)?;
    let mut small = (burst.to_vec(), found.context("the burst does not differ when repeated")?);
    let mut chunk = burst.len() / 2;
    while chunk > 0 {
        let before = small.0.len();
        let mut at = 0;
        while at < small.0.len() {
            match without(bed, offer, &small.0, at, chunk)? {
                Some(less) => small = less,
                None => at += chunk,
            }
        }
        let is_done = chunk > 1 || small.0.len() == before;
        chunk = if is_done { chunk / 2 } else { chunk };
    }
    Ok(small)
}

/// `burst` without `chunk` packets from `at` on, if that differs.
fn without(
    bed: &mut Bed,
    offer: Offer,
    burst: &[Sent],
    at: usize,
    chunk: usize,
) -> Result<Option<(Vec<Sent>, Difference)>> {
    let mut less = burst.to_vec();
    less.drain(at..(at + chunk).min(burst.len()));
    if less.is_empty() {
        return Ok(None);
    }
    Ok(differs(bed, offer, &less)?.map(|difference| (less, difference)))
}

fn differs(bed: &mut Bed, offer: Offer, burst: &[Sent]) -> Result<Option<Difference>> {
    match trial(bed, burst, offer)? {
        Verdict::Differ(difference) => Ok(Some(difference)),
        Verdict::Agree(_) => Ok(None),
    }
}
