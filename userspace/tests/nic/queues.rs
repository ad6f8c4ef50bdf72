//! Any number of queues carries, and one that Sluice has set is put back.

use anyhow::{Result, ensure};
use sluice_lab::Sluice;

use crate::bed::{Bed, NIC};
use crate::carries::{V4, both_ways};
use crate::driver::offers;

#[test]
fn every_number_of_queues_carries() -> Result<()> {
    for queues in [1, 2, 8].into_iter().filter(can_be_set()?) {
        let bed = Bed::with_queues(queues)?;
        bed.with_sluice(|sluice| all_carry(&bed, sluice, queues))?;
    }
    Ok(())
}

/// What the NIC is like afterwards is compared wherever Sluice stops.
#[test]
fn a_number_of_queues_that_sluice_has_set_is_put_back() -> Result<()> {
    let can_be_set = can_be_set()?;
    for (found, wanted) in [(1, 2), (2, 1)] {
        if [found, wanted].iter().all(&can_be_set) {
            let bed = Bed::with_queues(found)?;
            bed.with_managed(wanted, |sluice| all_carry(&bed, sluice, wanted))?;
        }
    }
    Ok(())
}

/// Whether the NIC can have so many. Where there is one number for good, the other tests are with it.
fn can_be_set() -> Result<impl Fn(&u64) -> bool> {
    let bed = Bed::new()?;
    let sets = offers(&bed.lab.dut, NIC)?.sets_queues;
    let most = bed.features()?["queues_max"].as_u64().filter(|_| sets).unwrap_or(0);
    Ok(move |queues: &u64| *queues <= most)
}

/// Several connections, so that receive-side scaling has something to spread.
fn all_carry(bed: &Bed, sluice: &Sluice, queues: u64) -> Result<()> {
    let stats = sluice.stats()?.0;
    let served = stats["ports"][0]["queues"].as_array().map_or(0, Vec::len);
    ensure!(served as u64 == queues, "{served} queues are served, and {queues} were to be");
    (0..queues.min(4)).try_for_each(|_| both_ways(&bed.lab, sluice, V4))
}
