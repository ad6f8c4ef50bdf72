//! The workers' threads, and the talk with the supervisor meanwhile.

use std::any::Any;
use std::convert::Infallible;
use std::future::pending;
use std::path::PathBuf;
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::Duration;

use core_affinity::CoreId;
use sluice_common::offload::features::FeatureSet;
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::super::next_hops::Resolver;
use super::super::protocol::{Answer, Line, Order, Switched};
use super::open::Ready;
use super::settle::Settling;
use super::switches::Switches;
use super::workers::AnyWorker;
use super::{DataPlaneError, count};
use crate::config::Config;
use crate::observe::report::WorkerReport;
use crate::observe::{Counts, Latency, Times};
use crate::pipeline::{End, Handle, Report};

/// How long to wait for a worker's histogram. It looks at its mailbox within microseconds when it is
/// woken; one that is busy with something else for this long answers the next time.
const PATIENCE: Duration = Duration::from_millis(20);

/// A worker as the control thread sees it.
struct Watched {
    handle: Handle,
    /// Whether it has no queue of its own, but only a number.
    helper: bool,
    core: Option<usize>,
    times: Box<Times>,
}

/// Tells the control thread that a worker has ended, however it did.
struct Farewell {
    index: usize,
    ended: UnboundedSender<usize>,
}

impl Drop for Farewell {
    fn drop(&mut self) {
        // Nobody listens any more when all are told to end.
        let _ = self.ended.send(self.index);
    }
}

/// What may change while the workers work.
struct Changing {
    /// How messages call the configuration file.
    file: PathBuf,
    switches: Switches,
    settling: Settling,
}

impl Changing {
    /// Goes by the configuration `text`. The supervisor has read it before, and found that nothing else in it has
    /// changed.
    fn settle(&mut self, text: &str, active: FeatureSet, watched: &[Watched]) -> Switched {
        let config = match Config::parse(text, &self.file) {
            Ok(config) => config,
            Err(error) => return Switched::Refused(error.to_string()),
        };
        self.switches.configure(config.offload.clone());
        match self.switch(active, watched) {
            refused @ Switched::Refused(_) => refused,
            switched => switched.and(self.settling.apply(&config)),
        }
    }

    fn switch(&self, active: FeatureSet, watched: &[Watched]) -> Switched {
        self.switches.apply(active, watched.iter().map(|worker| &worker.handle))
    }
}

/// Why the talk with the supervisor is over.
enum Over {
    /// It says stop.
    Stop,
    /// It is gone.
    SupervisorGone,
    /// A worker has ended without being told to.
    Worker(usize),
}

/// Runs the workers until the supervisor says stop or one of them ends.
pub(super) fn work(
    runtime: &Runtime,
    line: &mut Line,
    ready: Ready<'_>,
    file: PathBuf,
) -> Result<(), DataPlaneError> {
    let Ready { workers, handles, settlers, cores, resolver, switches, .. } = ready;
    let workers_of = handles.iter().map(Handle::queue).zip(settlers).collect();
    let mut changing = Changing { file, switches, settling: Settling { workers: workers_of } };
    let helpers = workers.iter().map(AnyWorker::is_helper);
    let mut watched: Vec<_> = handles.into_iter().zip(helpers).zip(&cores).map(watch).collect();
    let (farewell, mut ended) = unbounded_channel();
    thread::scope(|scope| {
        let mut threads = Vec::with_capacity(workers.len());
        for (index, (worker, core)) in workers.into_iter().zip(cores).enumerate() {
            let farewell = Farewell { index, ended: farewell.clone() };
            let queue = watched[index].handle.queue();
            threads.push(Some(start(scope, worker, core, queue, farewell)?));
        }
        let over = runtime.block_on(async {
            tokio::select! {
                over = talk(line, &mut watched, &mut changing, &mut ended) => over,
                never = keep_current(resolver) => match never {},
            }
        });
        for worker in &watched {
            // One that has ended already needs no telling.
            let _ = worker.handle.stop();
        }
        match over? {
            Over::Worker(index) => {
                let queue = watched[index].handle.queue();
                Err(unexpected(queue, threads[index].take().map(ScopedJoinHandle::join)))
            }
            Over::SupervisorGone => Err(DataPlaneError::SupervisorGone),
            Over::Stop => {
                let reports = join(threads, &mut watched)?;
                Ok(runtime.block_on(line.say(&Answer::Stopped(reports)))?)
            }
        }
    })
}

fn watch(((handle, helper), core): ((Handle, bool), &Option<CoreId>)) -> Watched {
    Watched { handle, helper, core: core.map(|core| core.id), times: Latency::empty() }
}

fn start<'scope, 'u: 'scope>(
    scope: &'scope Scope<'scope, '_>,
    worker: AnyWorker<'u>,
    core: Option<CoreId>,
    queue: u32,
    farewell: Farewell,
) -> Result<ScopedJoinHandle<'scope, Report>, DataPlaneError> {
    let thread = thread::Builder::new().name(format!("sluice-q{queue}"));
    let run = move || {
        let _farewell = farewell;
        if core.is_some_and(|core| !core_affinity::set_for_current(core)) {
            tracing::warn!("queue {queue}: its worker cannot be pinned to {core:?}");
        }
        worker.run()
    };
    Ok(thread.spawn_scoped(scope, run)?)
}

/// Keeps next hops current for as long as it can, where there are any; without, packets take the kernel's path.
async fn keep_current(resolver: Option<Resolver>) -> Infallible {
    if let Some(resolver) = resolver {
        let Err(error) = resolver.run().await;
        tracing::error!("next hops are no longer kept current: {error}");
    }
    pending().await
}

/// Answers the supervisor until there is nothing more to say.
async fn talk(
    line: &mut Line,
    watched: &mut [Watched],
    changing: &mut Changing,
    ended: &mut UnboundedReceiver<usize>,
) -> Result<Over, DataPlaneError> {
    loop {
        tokio::select! {
            Some(index) = ended.recv() => return Ok(Over::Worker(index)),
            order = line.hear() => match order? {
                Some(Order::Report) => line.say(&Answer::Report(report(watched))).await?,
                Some(Order::Switch(active)) => {
                    line.say(&Answer::Switched(changing.switch(active, watched))).await?;
                }
                Some(Order::Settle { config, features }) => {
                    let settled = changing.settle(&config, features, watched);
                    line.say(&Answer::Settled(settled)).await?;
                }
                Some(Order::Stop) => return Ok(Over::Stop),
                Some(order) => {
                    return Err(DataPlaneError::OutOfTurn { heard: format!("{order:?}") });
                }
                None => return Ok(Over::SupervisorGone),
            },
        }
    }
}

fn report(watched: &mut [Watched]) -> Vec<WorkerReport> {
    let report = |worker: &mut Watched| {
        if let Some(recent) = worker.handle.times(PATIENCE) {
            worker.times.add(&recent);
        }
        worker_report(worker, &worker.handle.counters())
    };
    watched.iter_mut().map(report).collect()
}

fn worker_report(worker: &Watched, counts: &Counts) -> WorkerReport {
    let Watched { handle, helper, core, times } = worker;
    WorkerReport { helper: *helper, ..count::worker_report(handle.queue(), *core, counts, times) }
}

/// Waits for all workers, which have been told to stop.
fn join(
    threads: Vec<Option<ScopedJoinHandle<'_, Report>>>,
    watched: &mut [Watched],
) -> Result<Vec<WorkerReport>, DataPlaneError> {
    let mut reports = Vec::with_capacity(watched.len());
    for (thread, worker) in threads.into_iter().flatten().zip(watched) {
        let queue = worker.handle.queue();
        let last = thread.join().map_err(|panic| panicked(queue, &*panic))?;
        worker.times.add(&last.times);
        reports.push(worker_report(worker, &last.counts));
    }
    Ok(reports)
}

/// What to say of a worker that has ended without being told to.
fn unexpected(queue: u32, ended: Option<thread::Result<Report>>) -> DataPlaneError {
    match ended {
        Some(Err(panic)) => panicked(queue, &*panic),
        Some(Ok(report)) => DataPlaneError::WorkerEnded { queue, end: report.end },
        None => DataPlaneError::WorkerEnded { queue, end: End::Stopped },
    }
}

fn panicked(queue: u32, panic: &(dyn Any + Send)) -> DataPlaneError {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    let message = text.unwrap_or_else(|| "it did not say why".to_owned());
    DataPlaneError::WorkerPanicked { queue, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told_in_its_own_words() {
        let ended = thread::spawn(|| -> Report { panic!("frame {} is lost", 7) }).join();
        let error = unexpected(3, Some(ended));
        assert_eq!(error.to_string(), "the worker of queue 3 panicked: frame 7 is lost");
    }

    #[tokio::test]
    async fn a_worker_that_ends_is_noticed_even_when_it_panics() {
        let (ended, mut ends) = unbounded_channel();
        let farewell = Farewell { index: 1, ended };
        let thread = thread::spawn(move || {
            let _farewell = farewell;
            panic!("a bug");
        });
        assert_eq!(ends.recv().await, Some(1));
        assert!(thread.join().is_err());
    }
}
