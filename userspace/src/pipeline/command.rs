//! How a worker is talked to.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, bounded};
use nix::sys::eventfd::{EfdFlags, EventFd};
use sluice_common::offload::GroConfig;

use crate::observe::{Counts, Latency, Times, WorkerCounters};

/// Questions that may wait. A worker looks every few milliseconds, and people ask.
const WAITING: usize = 8;

/// What a worker can be told.
#[derive(Debug)]
pub(super) enum Command {
    /// Finish, and end.
    Stop,
    /// Give the times, and go on with these empty ones.
    Times(Box<Times>),
    /// Coalesce by these rules from now on.
    Switch(GroConfig),
}

/// How a worker is talked to while it runs. It may be shared, and outlives the worker.
#[derive(Debug)]
pub struct Handle {
    queue: u32,
    counters: Arc<WorkerCounters>,
    /// Not a message, which might find the mailbox full.
    stop: Arc<AtomicBool>,
    questions: Sender<Box<Times>>,
    answers: Receiver<Box<Times>>,
    switches: Sender<GroConfig>,
    switched: Receiver<()>,
    wake: Arc<EventFd>,
}

/// The worker's end of it.
#[derive(Debug)]
pub(super) struct Mailbox {
    pub(super) counters: Arc<WorkerCounters>,
    pub(super) wake: Arc<EventFd>,
    stop: Arc<AtomicBool>,
    questions: Receiver<Box<Times>>,
    answers: Sender<Box<Times>>,
    switches: Receiver<GroConfig>,
    switched: Sender<()>,
}

impl Handle {
    pub(super) fn new(queue: u32, counters: Arc<WorkerCounters>) -> io::Result<(Self, Mailbox)> {
        let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
        let wake = Arc::new(EventFd::from_flags(flags)?);
        let stop = Arc::new(AtomicBool::new(false));
        let (questions, asked) = bounded(WAITING);
        let (answered, answers) = bounded(WAITING);
        let (switches, to_switch) = bounded(WAITING);
        let (has_switched, switched) = bounded(WAITING);
        let mailbox = Mailbox {
            counters: Arc::clone(&counters),
            wake: Arc::clone(&wake),
            stop: Arc::clone(&stop),
            questions: asked,
            answers: answered,
            switches: to_switch,
            switched: has_switched,
        };
        let handle = Self { queue, counters, stop, questions, answers, switches, switched, wake };
        Ok((handle, mailbox))
    }

    /// The worker's queue.
    #[must_use]
    pub const fn queue(&self) -> u32 {
        self.queue
    }

    /// What the worker has counted, a few milliseconds ago.
    #[must_use]
    pub fn counters(&self) -> Counts {
        self.counters.read()
    }

    /// Tells the worker to finish and end; it does within a quarter of a second. `false`: it has
    /// ended already.
    pub fn stop(&self) -> bool {
        // The worker has the other one; asked first, for it may end before this returns.
        let is_there = Arc::strong_count(&self.stop) > 1;
        self.stop.store(true, Ordering::Release);
        self.wake();
        is_there
    }

    /// The times since the last call, or `None` when the worker does not answer in time.
    #[must_use]
    pub fn times(&self, patience: Duration) -> Option<Box<Times>> {
        // The answer to a question that was given up.
        while self.answers.try_recv().is_ok() {}
        self.questions.try_send(Latency::empty()).ok()?;
        self.wake();
        self.answers.recv_timeout(patience).ok()
    }

    /// Tells the worker to coalesce by `gro` from now on; it does at the end of its turn, once what it holds
    /// has gone. `false`: it has not done what it was told before, and takes no more.
    ///
    /// What may change in mid-work is said at [`Coalescer::switch`](sluice_common::offload::Coalescer::switch).
    pub fn switch(&self, gro: GroConfig) -> bool {
        // The answer to an order that was given up.
        while self.switched.try_recv().is_ok() {}
        let told = self.switches.try_send(gro).is_ok();
        self.wake();
        told
    }

    /// Waits until the worker has done what [`switch`](Self::switch) told it; `false`: not in time. It will,
    /// if it lives.
    #[must_use]
    pub fn await_switch(&self, patience: Duration) -> bool {
        self.switched.recv_timeout(patience).is_ok()
    }

    fn wake(&self) {
        // It fails only when it has been written 2^64 - 2 times and never read: the worker is awake.
        let _ = self.wake.write(1);
    }
}

impl Mailbox {
    /// The next command.
    pub(super) fn take(&self) -> Option<Command> {
        if self.stop.swap(false, Ordering::Acquire) {
            return Some(Command::Stop);
        }
        let switch = self.switches.try_recv().map(Command::Switch);
        switch.or_else(|_| self.questions.try_recv().map(Command::Times)).ok()
    }

    /// Says that an order was carried out; when nobody listens, not.
    pub(super) fn has_switched(&self) {
        let _ = self.switched.try_send(());
    }

    /// Answers a question; when nobody fetches answers, not.
    pub(super) fn answer(&self, times: Box<Times>) {
        drop(self.answers.try_send(times));
    }
}
