//! Wire → host: each train in one vectored write, nothing copied but its header.

use std::collections::VecDeque;

use sluice_common::offload::{Coalescer, Sink, Train};
use sluice_common::reason::{DropReason, FlushReason};
use sluice_common::wire::Link;

use super::burst::Outlet;
use super::give::{self, Head};
use super::worker::BURST;
use crate::observe::{Counts, Latency};
use crate::port::{HostPort, Sent};
use crate::xsk::{Frame, Packet, Pool};

/// Most trains that wait for the host. It takes them at the speed of a memory copy; when so many
/// wait it is not slow, it is stuck, and older packets are of less use than newer ones.
const MOST_WAITING: usize = BURST;

/// What is between the coalescer and the host: the trains that the host has no room for now.
#[derive(Debug)]
pub(super) struct Backlog<'u> {
    waiting: VecDeque<Passage<'u>>,
    frames: usize,
    limit: usize,
    /// Storage of trains that have gone, on its way back to the coalescer.
    spent: Vec<Vec<Frame<'u, Packet>>>,
    /// Where headers are made.
    head: Head,
}

impl<'u> Backlog<'u> {
    /// An empty one, for the trains of a coalescer that holds up to `flows`, and no more than `frames`
    /// frames.
    pub(super) fn new(flows: usize, frames: u32) -> Self {
        Self {
            waiting: VecDeque::with_capacity(MOST_WAITING),
            frames: 0,
            limit: frames as usize,
            // All flows at once, one train more for a packet that goes alone, and the backlog's.
            spent: Vec::with_capacity(flows + 2 + MOST_WAITING),
            head: Head::default(),
        }
    }

    /// How many frames wait.
    pub(super) const fn frames(&self) -> usize {
        self.frames
    }

    /// How many frames may wait.
    pub(super) const fn limit(&self) -> usize {
        self.limit
    }

    /// How many packets wait.
    pub(super) fn packets(&self) -> usize {
        self.waiting.iter().map(Passage::left).sum()
    }

    /// Storage of trains that have gone.
    pub(super) fn spent(&mut self) -> impl Iterator<Item = Vec<Frame<'u, Packet>>> {
        self.spent.drain(..)
    }

    fn has_room_for(&self, passage: &Passage<'u>) -> bool {
        let frames = self.frames + passage.frames();
        self.waiting.len() < MOST_WAITING && frames <= self.limit
    }
}

/// A train on its way to the host. One of a type that the host does not take goes packet by packet.
#[derive(Debug)]
struct Passage<'u> {
    train: Train<Frame<'u, Packet>>,
    /// How many of its packets the host has.
    given: usize,
}

impl<'u> Passage<'u> {
    const fn new(train: Train<Frame<'u, Packet>>) -> Self {
        Self { train, given: 0 }
    }

    /// How many of its packets the host has not.
    fn left(&self) -> usize {
        self.train.packets().len() - self.given
    }

    /// How many frames it keeps until it is through.
    fn frames(&self) -> usize {
        self.train.packets().iter().map(Frame::frames).sum()
    }
}

/// The way to the host: what the coalescer releases its trains into.
pub(super) struct ToHost<'w, 'u, T> {
    pub(super) host: &'w mut T,
    pub(super) pool: &'w mut Pool<'u>,
    pub(super) backlog: &'w mut Backlog<'u>,
    pub(super) counts: &'w mut Counts,
    pub(super) latency: &'w mut Latency,
}

impl<'u, T: HostPort> Sink<Frame<'u, Packet>> for ToHost<'_, 'u, T> {
    fn train(&mut self, train: Train<Frame<'u, Packet>>, reason: FlushReason) {
        self.counts.released[reason.index()] += 1;
        if let Some(first) = train.packets().first() {
            self.latency.released(first.received());
        }
        self.hand(train);
    }
}

impl<'u, T: HostPort> Outlet<'u> for ToHost<'_, 'u, T> {
    fn recycle(&mut self, coalescer: &mut Coalescer<Frame<'u, Packet>>) {
        self.backlog.spent().for_each(|storage| coalescer.recycle(storage));
    }
}

impl<'u, T: HostPort> ToHost<'_, 'u, T> {
    /// Gives the host a train, or keeps it until it is taken.
    pub(super) fn hand(&mut self, train: Train<Frame<'u, Packet>>) {
        if !train.is_ip() {
            self.discard(Passage::new(train), DropReason::NotIp);
        } else if self.backlog.waiting.is_empty() {
            self.offer(Passage::new(train));
        } else {
            // What waits goes first, or a flow's packets would change places.
            self.keep(Passage::new(train));
        }
    }

    /// Gives the host what waits, in order, as long as it takes it.
    pub(super) fn retry(&mut self) {
        while let Some(mut passage) = self.backlog.waiting.pop_front() {
            match self.give(&mut passage) {
                Sent::Full => return self.backlog.waiting.push_front(passage),
                sent => {
                    self.backlog.frames -= passage.frames();
                    self.settle(passage, sent);
                }
            }
        }
    }

    fn offer(&mut self, mut passage: Passage<'u>) {
        match self.give(&mut passage) {
            Sent::Full => self.keep(passage),
            sent => self.settle(passage, sent),
        }
    }

    fn settle(&mut self, passage: Passage<'u>, sent: Sent) {
        match sent {
            Sent::Done => {
                if let Some(first) = passage.train.packets().first() {
                    self.latency.note(first.received());
                }
                self.release(passage.train);
            }
            Sent::Refused | Sent::Dropped => self.discard(passage, DropReason::TunRefused),
            Sent::Gone => self.discard(passage, DropReason::TunGone),
            Sent::Full => self.discard(passage, DropReason::BacklogFull),
        }
    }

    fn keep(&mut self, passage: Passage<'u>) {
        if self.backlog.has_room_for(&passage) {
            self.backlog.frames += passage.frames();
            self.backlog.waiting.push_back(passage);
        } else {
            self.discard(passage, DropReason::BacklogFull);
        }
    }

    /// One write for the whole of it, or one for each packet that the host does not have yet.
    fn give(&mut self, passage: &mut Passage<'u>) -> Sent {
        let train = &passage.train;
        if train.is_super() && !self.host.takes(train.gso_type()) {
            return self.give_apart(passage);
        }
        let sent = give::whole(self.host, &mut self.backlog.head, train, Link::None);
        if sent == Sent::Done {
            passage.given = train.packets().len();
            self.count(passage.given);
        }
        sent
    }

    fn give_apart(&mut self, passage: &mut Passage<'u>) -> Sent {
        while passage.left() > 0 {
            match give::one(self.host, &passage.train, passage.given, Link::None) {
                Sent::Done => self.count(1),
                Sent::Refused | Sent::Dropped => {
                    self.counts.dropped_inbound[DropReason::TunRefused.index()] += 1;
                }
                sent => return sent,
            }
            passage.given += 1;
        }
        Sent::Done
    }

    /// The host has taken a train of so many packets.
    fn count(&mut self, packets: usize) {
        self.counts.to_host_trains += 1;
        self.counts.to_host_packets += packets as u64;
        if packets > 1 {
            self.counts.to_host_supers += 1;
            self.counts.to_host_super_packets += packets as u64;
        }
    }

    fn discard(&mut self, passage: Passage<'u>, reason: DropReason) {
        self.counts.dropped_inbound[reason.index()] += passage.left() as u64;
        self.release(passage.train);
    }

    /// Drops what waits: the worker ends.
    pub(super) fn abandon(&mut self) {
        while let Some(passage) = self.backlog.waiting.pop_front() {
            self.backlog.frames -= passage.frames();
            self.discard(passage, DropReason::Shutdown);
        }
    }

    /// Frames to the pool, storage on its way back.
    fn release(&mut self, train: Train<Frame<'u, Packet>>) {
        let mut packets = train.into_packets();
        self.pool.extend(packets.drain(..).flat_map(Frame::release));
        self.backlog.spent.push(packets);
    }
}
