//! Which worker runs where.

use core_affinity::CoreId;

use super::DataPlaneError;
use crate::config::Cores;

/// A core for each of `workers` workers; none where the machine does not tell its cores.
pub(super) fn assign(cores: &Cores, workers: usize) -> Result<Vec<Option<CoreId>>, DataPlaneError> {
    let usable = core_affinity::get_core_ids().unwrap_or_default();
    let usable: Vec<_> = usable.into_iter().map(|core| core.id).collect();
    let assigned = choose(cores, workers, &usable)?;
    Ok(assigned.into_iter().map(|core| core.map(|id| CoreId { id })).collect())
}

fn choose(
    cores: &Cores,
    workers: usize,
    usable: &[usize],
) -> Result<Vec<Option<usize>>, DataPlaneError> {
    match cores {
        // More workers than cores: they share.
        Cores::Auto => {
            Ok((0..workers).map(|w| usable.get(w % usable.len().max(1)).copied()).collect())
        }
        Cores::List(list) if list.len() < workers => {
            Err(DataPlaneError::TooFewCores { listed: list.len(), workers })
        }
        Cores::List(list) => match list[..workers].iter().find(|core| !usable.contains(core)) {
            Some(&core) => Err(DataPlaneError::NoCore { core, usable: usable.to_vec() }),
            None => Ok(list[..workers].iter().copied().map(Some).collect()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_take_the_usable_cores_in_turn() {
        assert_eq!(choose(&Cores::Auto, 3, &[2, 5]).unwrap(), [Some(2), Some(5), Some(2)]);
        assert_eq!(choose(&Cores::Auto, 1, &[]).unwrap(), [None]);
    }

    #[test]
    fn a_list_is_one_core_a_worker_in_order() {
        let list = |cores: &[usize]| Cores::List(cores.to_vec());
        assert_eq!(choose(&list(&[3, 1]), 2, &[0, 1, 2, 3]).unwrap(), [Some(3), Some(1)]);
        let few = choose(&list(&[3]), 2, &[0, 1, 2, 3]).unwrap_err();
        assert!(few.to_string().contains("lists 1 and there are 2 workers"), "{few}");
        let absent = choose(&list(&[9]), 1, &[0, 1]).unwrap_err();
        assert!(absent.to_string().contains("core 9 is not there"), "{absent}");
    }
}
