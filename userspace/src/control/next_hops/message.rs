//! What client and resolver say to each other.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};
use sluice_common::wire::Addresses;
use tokio::sync::Notify;

use crate::port::LinkHeader;

/// Questions that wait for the resolver. It answers thousands a second; what does not fit is asked
/// again with its next packet.
const QUESTIONS: usize = 256;

/// Answers that wait for a worker that has nothing to send. What does not fit empties its cache, so
/// more would only spare questions.
const ANSWERS: usize = 1024;

/// What is known of a way: source and destination, because policy rules may look at both.
pub(super) type Question = Addresses;

/// What the resolver says of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// This is the link header.
    Header(LinkHeader),
    /// This is the link header, but the next packet is to take the kernel's path, so that the kernel makes
    /// sure of the neighbour.
    Confirm(LinkHeader),
    /// Every packet is to take the kernel's path, until another answer comes.
    KernelPath,
}

/// A worker's end.
#[derive(Debug)]
pub(super) struct ClientEnd {
    questions: Sender<Question>,
    answers: Receiver<(Question, Answer)>,
    epoch: Arc<AtomicU64>,
    seen: u64,
    wake: Arc<Notify>,
}

/// The resolver's end of one worker.
#[derive(Debug)]
pub(super) struct ResolverEnd {
    pub(super) questions: Receiver<Question>,
    answers: Sender<(Question, Answer)>,
    /// Raised when an answer was lost: what the client knows may be wrong.
    epoch: Arc<AtomicU64>,
}

/// A pair of ends; `wake` tells the resolver that there is a question.
pub(super) fn channel(wake: &Arc<Notify>) -> (ClientEnd, ResolverEnd) {
    let (ask, questions) = bounded(QUESTIONS);
    let (answer, answers) = bounded(ANSWERS);
    let epoch = Arc::new(AtomicU64::new(0));
    let client = ClientEnd {
        questions: ask,
        answers,
        epoch: Arc::clone(&epoch),
        seen: 0,
        wake: Arc::clone(wake),
    };
    (client, ResolverEnd { questions, answers: answer, epoch })
}

impl ClientEnd {
    /// Asks; `false` if there was no room for the question.
    pub(super) fn ask(&self, question: Question) -> bool {
        let asked = self.questions.try_send(question).is_ok();
        // Also where it is full: the resolver has something to do.
        self.wake.notify_one();
        asked
    }

    /// Whether an answer was lost since this was asked last. To be asked before
    /// [`answer`](Self::answer): an answer sent before the loss then comes before it is forgotten.
    pub(super) fn lost(&mut self) -> bool {
        let epoch = self.epoch.load(Ordering::Acquire);
        let lost = epoch != self.seen;
        self.seen = epoch;
        lost
    }

    /// The next answer that waits.
    pub(super) fn answer(&self) -> Option<(Question, Answer)> {
        self.answers.try_recv().ok()
    }
}

impl ResolverEnd {
    /// Answers, or has the client forget everything.
    pub(super) fn answer(&self, question: Question, answer: Answer) {
        if let Err(TrySendError::Full(_)) = self.answers.try_send((question, answer)) {
            self.forget();
        }
    }

    /// Has the client forget everything and ask anew.
    pub(super) fn forget(&self) {
        self.epoch.fetch_add(1, Ordering::Release);
    }
}

/// Where a packet goes.
pub(super) fn destination(addresses: &Addresses) -> IpAddr {
    match *addresses {
        Addresses::V4 { dst, .. } => dst.into(),
        Addresses::V6 { dst, .. } => dst.into(),
    }
}

/// Where a packet comes from.
pub(super) fn source(addresses: &Addresses) -> IpAddr {
    match *addresses {
        Addresses::V4 { src, .. } => src.into(),
        Addresses::V6 { src, .. } => src.into(),
    }
}
