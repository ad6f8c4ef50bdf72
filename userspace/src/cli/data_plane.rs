//! `sluice data-plane`: the child of `sluice run`.

use super::{Failure, run, runtime};
use crate::control::data_plane;

pub(super) fn execute() -> Result<(), Failure> {
    run::log_to_stderr();
    // The supervisor has been told, and says it with what it means; here it would be said twice.
    data_plane::run(&runtime()?).map_err(|error| match error {
        data_plane::DataPlaneError::NotStartedBySupervisor(_) => {
            Failure::usage(&format!("error: {error}"))
        }
        _ => Failure { code: 1, message: String::new() },
    })
}
