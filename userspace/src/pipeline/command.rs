//! How a worker is talked to.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crossbeam::channel::{Receiver, Sender, bounded};
use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::observe::{Counts, Histogram, Latency, WorkerCounters};

/// Commands that may wait. A worker looks every few milliseconds, and people ask.
const WAITING: usize = 8;

/// What a worker can be told.
#[derive(Debug)]
pub enum Command {
    /// Finish, and end.
    Stop,
    /// Give the latency histogram, and go on with this empty one.
    Latency(Box<Histogram>),
}

/// How a worker is talked to while it runs. It may be shared, and outlives the worker.
#[derive(Debug)]
pub struct Handle {
    queue: u32,
    counters: Arc<WorkerCounters>,
    commands: Sender<Command>,
    answers: Receiver<Box<Histogram>>,
    wake: Arc<EventFd>,
}

/// The worker's end of it.
#[derive(Debug)]
pub(super) struct Mailbox {
    pub(super) counters: Arc<WorkerCounters>,
    pub(super) wake: Arc<EventFd>,
    commands: Receiver<Command>,
    answers: Sender<Box<Histogram>>,
}

impl Handle {
    pub(super) fn new(queue: u32, counters: Arc<WorkerCounters>) -> io::Result<(Self, Mailbox)> {
        let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
        let wake = Arc::new(EventFd::from_flags(flags)?);
        let (commands, inbox) = bounded(WAITING);
        let (outbox, answers) = bounded(WAITING);
        let mailbox = Mailbox {
            counters: Arc::clone(&counters),
            wake: Arc::clone(&wake),
            commands: inbox,
            answers: outbox,
        };
        Ok((Self { queue, counters, commands, answers, wake }, mailbox))
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
    /// ended already, or does not listen.
    pub fn stop(&self) -> bool {
        self.tell(Command::Stop)
    }

    /// The latency histogram since the last call, or `None` when the worker does not answer in time.
    #[must_use]
    pub fn latency(&self, patience: Duration) -> Option<Box<Histogram>> {
        // The answer to a question that was given up.
        while self.answers.try_recv().is_ok() {}
        if !self.tell(Command::Latency(Latency::empty())) {
            return None;
        }
        self.answers.recv_timeout(patience).ok()
    }

    /// Never blocks: a worker that does not listen has a full mailbox.
    fn tell(&self, command: Command) -> bool {
        let told = self.commands.try_send(command).is_ok();
        // It fails only when the event has been written 2^64 - 2 times and not read.
        told && self.wake.write(1).is_ok()
    }
}

impl Mailbox {
    /// The next command.
    pub(super) fn take(&self) -> Option<Command> {
        self.commands.try_recv().ok()
    }

    /// Answers a question; when nobody fetches answers, not.
    pub(super) fn answer(&self, histogram: Box<Histogram>) {
        drop(self.answers.try_send(histogram));
    }
}
