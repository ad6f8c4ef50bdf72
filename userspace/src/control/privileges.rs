//! Giving up what is not needed any more, and dying with the supervisor.

use caps::CapSet;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Pid, Uid, getppid, setgroups, setresgid, setresuid};

/// User and group without rights to anything: the kernel's overflow ID, `nobody` on every
/// distribution. A number, so that it works where there is no user database.
const NOBODY: u32 = 65_534;

/// Why the privileges could not be given up.
#[derive(Debug, thiserror::Error)]
pub enum PrivilegesError {
    /// A step was refused.
    #[error("cannot drop privileges: {step}: {source}; `sluice run` wants to be started as root")]
    Refused {
        /// Which step.
        step: &'static str,
        /// What the kernel said.
        source: nix::Error,
    },
    /// A set of capabilities could not be emptied.
    #[error("cannot drop privileges: emptying the {set:?} capabilities: {source}")]
    Capabilities {
        /// Which set.
        set: CapSet,
        /// What the kernel said.
        source: caps::errors::CapsError,
    },
    /// The supervisor is gone already.
    #[error("the supervisor, process {supervisor}, is gone")]
    Orphan {
        /// Its process number.
        supervisor: i32,
    },
}

/// Asks the kernel to kill this process when `supervisor` dies, and finds out whether it has already.
///
/// To be called again after every change of credentials, which clears the request (prctl(2)).
///
/// # Errors
/// The kernel refuses, or the supervisor is gone.
pub fn die_with(supervisor: i32) -> Result<(), PrivilegesError> {
    prctl::set_pdeathsig(Signal::SIGKILL).map_err(refused("death signal"))?;
    // It may have died before the request was made: then this process has another parent.
    if getppid() == Pid::from_raw(supervisor) {
        Ok(())
    } else {
        Err(PrivilegesError::Orphan { supervisor })
    }
}

/// Gives up root, all groups and all capabilities, for good: nothing this process starts gets them back.
///
/// Only the calling thread's capabilities go, so no other thread may have been started.
///
/// # Errors
/// The kernel refuses a step; the process must not go on.
pub fn drop_all() -> Result<(), PrivilegesError> {
    // The bounding set first: emptying it takes a capability that the next steps take away.
    empty(CapSet::Bounding)?;
    empty(CapSet::Ambient)?;
    let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    setgroups(&[]).map_err(refused("groups"))?;
    setresgid(group, group, group).map_err(refused("group"))?;
    setresuid(user, user, user).map_err(refused("user"))?;
    for set in [CapSet::Effective, CapSet::Permitted, CapSet::Inheritable] {
        empty(set)?;
    }
    prctl::set_no_new_privs().map_err(refused("no_new_privs"))
}

fn empty(set: CapSet) -> Result<(), PrivilegesError> {
    caps::clear(None, set).map_err(|source| PrivilegesError::Capabilities { set, source })
}

fn refused(step: &'static str) -> impl Fn(nix::Error) -> PrivilegesError {
    move |source| PrivilegesError::Refused { step, source }
}
