//! The data plane: opens everything with the supervisor's rights, gives them up, runs the workers.
//!
//! | file | what it holds |
//! |---|---|
//! | `open` | what every mode opens |
//! | `host` | what host mode opens: one socket a queue, TUN queues, next hops |
//! | `wire` | what wire mode opens: a pair of sockets a worker |
//! | `workers` | a worker of any mode |
//! | `cores` | which worker runs where |
//! | `work` | the workers' threads, and the talk with the supervisor meanwhile |
//! | `settle` | stage and answers that change while they work |
//! | `switches` | features that change while they work |
//! | `count` | what a worker has counted, as the supervisor hears it |
//!
//! Everything is opened on the main thread, before any other is started: capabilities belong to
//! threads, and none may keep them.

mod cores;
mod count;
mod error;
mod host;
mod open;
mod settle;
mod switches;
mod wire;
mod work;
mod workers;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream as Pair;

use tokio::net::UnixStream;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

pub use self::error::DataPlaneError;
use self::open::{Maps, Ready};
use super::descriptors::MAPS;
use super::protocol::{Answer, Line, Order, Setup};
use super::{descriptors, privileges};
use crate::config::Config;

/// The whole life of a data plane: its standard input is the line to the supervisor.
///
/// # Errors
/// What kept it from running; the supervisor has been told.
pub fn run(runtime: &Runtime) -> Result<(), DataPlaneError> {
    let stream = Pair::from(io::stdin().as_fd().try_clone_to_owned()?);
    let maps = descriptors::receive(&stream).map_err(DataPlaneError::NotStartedBySupervisor)?;
    stream.set_nonblocking(true)?;
    let _within = runtime.enter();
    // Who stops the service stops all of its processes; this one stops when the supervisor says so.
    let stops = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
    let _ignored = stops.into_iter().map(signal).collect::<Result<Vec<_>, _>>()?;
    let mut line = Line::new(UnixStream::from_std(stream)?);
    let outcome = live(runtime, &mut line, maps);
    if let Err(error) = &outcome {
        let told = Answer::Failed { message: error.to_string() };
        // A supervisor that is gone needs no telling.
        let _ = runtime.block_on(line.say(&told));
    }
    outcome
}

fn live(
    runtime: &Runtime,
    line: &mut Line,
    maps: Vec<[OwnedFd; MAPS]>,
) -> Result<(), DataPlaneError> {
    let setup = runtime.block_on(hear_setup(line))?;
    privileges::die_with(setup.supervisor)?;
    let config = Config::parse(&setup.config, &setup.file)?;
    let maps: Vec<_> = maps.into_iter().map(Maps::from).collect();
    let mut copy = None;
    loop {
        let memory = open::memory(&config, &setup)?;
        let opening = open::everything(&config, &setup, &memory, &maps, copy.clone());
        match runtime.block_on(opening) {
            Ok(ready) => {
                drop(maps);
                return serve(runtime, line, setup, ready);
            }
            // A socket stays bound to its memory, in the mode it has: once more from the beginning.
            Err(error @ DataPlaneError::NoSharedZeroCopy { .. }) if copy.is_none() => {
                copy = Some(error.to_string());
            }
            Err(error) => return Err(error),
        }
    }
}

/// Gives the rights up, says that everything is open, and works when told to.
fn serve(
    runtime: &Runtime,
    line: &mut Line,
    setup: Setup,
    ready: Ready<'_>,
) -> Result<(), DataPlaneError> {
    privileges::drop_all()?;
    // The change of user has cleared the request.
    privileges::die_with(setup.supervisor)?;
    let opened = Answer::Opened(ready.opened.clone());
    runtime.block_on(line.say(&opened))?;
    match runtime.block_on(line.hear())? {
        Some(Order::Go) => work::work(runtime, line, ready, setup.file),
        Some(Order::Stop) => Ok(runtime.block_on(line.say(&Answer::Stopped(Vec::new())))?),
        other => Err(DataPlaneError::OutOfTurn { heard: format!("{other:?}") }),
    }
}

async fn hear_setup(line: &mut Line) -> Result<Setup, DataPlaneError> {
    match line.hear().await? {
        Some(Order::Open(setup)) => Ok(setup),
        other => Err(DataPlaneError::OutOfTurn { heard: format!("{other:?}") }),
    }
}
