//! What the network refused is asked for again.

use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;

use crate::run::interrupt;

/// How long is waited before each further attempt. A mirror that is busy or just being updated is there again after some
/// seconds; one that is away for longer than all of them is not waited for.
const PAUSES: [Duration; 3] =
    [Duration::from_secs(2), Duration::from_secs(10), Duration::from_secs(30)];

/// Does it, several times if need be, and says so.
pub(super) fn persistently<T>(attempt: impl FnMut() -> Result<T>) -> Result<T> {
    after(&PAUSES, attempt)
}

fn after<T>(pauses: &[Duration], mut attempt: impl FnMut() -> Result<T>) -> Result<T> {
    for pause in pauses {
        match attempt() {
            Ok(made) => return Ok(made),
            Err(error) => eprintln!("xtask: nic-lab: {error:#}; again in {pause:?}"),
        }
        // Ctrl-C ends what was started here too, and is no failure of the network.
        interrupt::check()?;
        sleep(*pause);
    }
    attempt()
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    /// One that succeeds after so many failures, given three pauses; and how often it was tried.
    fn fails(times: u32) -> (Result<u32>, u32) {
        let mut tried = 0;
        let outcome = after(&[Duration::ZERO; 3], || {
            tried += 1;
            if tried <= times { bail!("attempt {tried}") } else { Ok(tried) }
        });
        (outcome, tried)
    }

    #[test]
    fn the_first_success_ends_it() {
        for times in 0..=3 {
            let (outcome, tried) = fails(times);
            assert_eq!((outcome.unwrap(), tried), (times + 1, times + 1));
        }
    }

    #[test]
    fn the_last_failure_is_told() {
        let (outcome, tried) = fails(9);
        assert_eq!((outcome.unwrap_err().to_string().as_str(), tried), ("attempt 4", 4));
    }
}
