//! One burst through both, and what to say where they differ.

use anyhow::Result;
use sluice_common::reason::FlushReason;

use crate::bed::Bed;
use crate::burst::Sent;
use crate::engine::{self, Handling};
use crate::exceptions::EXCEPTIONS;
use crate::offer::Offer;
use crate::outcome::Outcome;
use crate::seen::Burst;

/// What came of a burst.
pub(crate) enum Verdict {
    /// Both did the same, but for these exceptions (indices).
    Agree(Vec<usize>),
    /// They differ.
    Differ(Difference),
}

/// What both did.
pub(crate) struct Difference {
    pub(crate) kernel: Vec<Outcome>,
    pub(crate) engine: Vec<(Outcome, Option<FlushReason>)>,
}

/// A difference counts if it is there so often: should the kernel's thread have run before the burst was
/// complete, what it did says nothing.
const TIMES: usize = 3;

/// Gives `burst` to both.
pub(crate) fn trial(bed: &mut Bed, burst: &[Sent], offer: Offer) -> Result<Verdict> {
    let bytes: Vec<_> = burst.iter().map(Sent::bytes).collect();
    let mut difference = None;
    for _ in 0..TIMES {
        let kernel = bed.run(&bytes)?;
        match explain(&bytes, &kernel, offer) {
            Ok(met) => return Ok(Verdict::Agree(met)),
            Err(engine) => difference = Some(Difference { kernel, engine }),
        }
    }
    Ok(Verdict::Differ(difference.expect("it was tried")))
}

/// Which exceptions make the engine do what the kernel did; what it did if none do.
fn explain(
    bytes: &[Vec<u8>],
    kernel: &[Outcome],
    offer: Offer,
) -> Result<Vec<usize>, Vec<(Outcome, Option<FlushReason>)>> {
    let agrees = |exceptions: &[usize]| {
        let out = engine::run(bytes, &handling(bytes, exceptions, offer).0, offer);
        (kernel.iter().eq(out.iter().map(|(outcome, _)| outcome)), out)
    };
    if agrees(&[]).0 {
        return Ok(Vec::new());
    }
    let all: Vec<usize> = (0..EXCEPTIONS.len()).collect();
    let (_, applied) = handling(bytes, &all, offer);
    let (agree, engine) = agrees(&applied);
    if !agree {
        return Err(engine);
    }
    let burst = Burst::new(bytes, offer);
    if engine::mixes(bytes, offer, |number| burst.lane(number)) {
        return Err(agrees(&[]).1);
    }
    // One counts as met if it does not go without.
    let without =
        |one: &usize| applied.iter().copied().filter(|other| other != one).collect::<Vec<_>>();
    let needed = applied.iter().copied().filter(|one| !agrees(&without(one)).0).collect();
    Ok(needed)
}

/// How the packets are given to the engine with these exceptions, and which of them apply.
fn handling(bytes: &[Vec<u8>], exceptions: &[usize], offer: Offer) -> (Vec<Handling>, Vec<usize>) {
    let burst = Burst::new(bytes, offer);
    let mut all: Vec<Handling> = Vec::new();
    let mut applied = Vec::new();
    for number in 0..bytes.len() {
        let seen = burst.packet(number, &all);
        let mut one = Handling { past: seen.is_tagged() && !offer.vlan, ..Handling::default() };
        let met = exceptions.iter().filter(|index| EXCEPTIONS[**index].apply(&seen, &mut one));
        applied.extend(met);
        all.push(one);
    }
    applied.sort_unstable();
    applied.dedup();
    (all, applied)
}
