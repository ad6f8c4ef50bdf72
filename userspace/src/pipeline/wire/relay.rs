//! Between a worker that owns ports and one that only helps it: packets there, packets and frames back.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::{io, iter};

use crossbeam::queue::ArrayQueue;
use nix::sys::eventfd::{EfdFlags, EventFd};
use sluice_common::Side;

use crate::xsk::{Frame, Free, Packet};

/// Free frames that are lent to a helper at the most, to cut packets into: half of them lie ready in the queue. A train
/// of 64 KiB takes 46 for an MTU of 1,500: a few of them, and the next come with the next turn.
pub(super) const LENT: usize = 256;

/// Those it keeps.
pub(super) const KEPT: usize = LENT / 2;

/// What a helper gives back.
#[derive(Debug)]
pub(super) enum Home<'u> {
    /// A packet that is to leave through this side.
    Leaves(Side, Frame<'u, Packet>),
    /// A frame it has no use for any more.
    Free(Frame<'u, Free>),
}

/// The queues between a worker and one helper. They hold all frames there can be in them, so that only a helper
/// that is behind can refuse a packet, and nothing on its way home ever waits.
#[derive(Debug)]
pub(super) struct Relay<'u> {
    /// Packets, with the side they came in by.
    there: ArrayQueue<(Side, Frame<'u, Packet>)>,
    lent: ArrayQueue<Frame<'u, Free>>,
    home: ArrayQueue<Home<'u>>,
    pub(super) helper: Waker,
    /// Nothing is handed over any more.
    closed: AtomicBool,
}

impl<'u> Relay<'u> {
    /// For up to `packets` packets at a time.
    pub(super) fn new(packets: usize) -> io::Result<Self> {
        Ok(Self {
            there: ArrayQueue::new(packets),
            lent: ArrayQueue::new(LENT - KEPT),
            // A helper holds what it was handed and lent, and hands home what it cuts of either.
            home: ArrayQueue::new(packets + LENT),
            helper: Waker::new()?,
            closed: AtomicBool::new(false),
        })
    }

    /// Hands a packet over that came in by `side`; it comes back where the helper is behind.
    pub(super) fn hand(&self, side: Side, packet: Frame<'u, Packet>) -> Option<Frame<'u, Packet>> {
        self.there.push((side, packet)).err().map(|(_, packet)| packet)
    }

    /// Lends a frame; it comes back where enough are lent.
    pub(super) fn lend(&self, frame: Frame<'u, Free>) -> Option<Frame<'u, Free>> {
        self.lent.push(frame).err()
    }

    /// What has come home.
    pub(super) fn homecoming(&self) -> impl Iterator<Item = Home<'u>> {
        iter::from_fn(|| self.home.pop())
    }

    /// Nothing is handed over any more.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.helper.wake();
    }

    /// Whether everything that was handed over has been taken, and nothing more will be.
    pub(super) fn is_over(&self) -> bool {
        self.closed.load(Ordering::Acquire) && self.there.is_empty() && self.lent.is_empty()
    }

    /// The packets that are there, oldest first, up to `most`.
    pub(super) fn take(&self, most: usize) -> impl Iterator<Item = (Side, Frame<'u, Packet>)> {
        iter::from_fn(|| self.there.pop()).take(most)
    }

    /// The frames that are lent.
    pub(super) fn borrow(&self) -> impl Iterator<Item = Frame<'u, Free>> {
        iter::from_fn(|| self.lent.pop())
    }

    /// Whether there is nothing for the helper to do.
    pub(super) fn is_empty(&self) -> bool {
        self.there.is_empty()
    }

    /// Whether there is nothing for the owner to take.
    pub(super) fn is_home_empty(&self) -> bool {
        self.home.is_empty()
    }

    /// Gives something back.
    pub(super) fn send_home(&self, home: Home<'u>) {
        let refused = self.home.push(home);
        debug_assert!(refused.is_ok(), "there is room for all frames there are");
    }
}

/// Wakes a worker that sleeps, and costs one that does not a look at a flag.
#[derive(Debug)]
pub(super) struct Waker {
    event: EventFd,
    asleep: AtomicBool,
}

impl Waker {
    pub(super) fn new() -> io::Result<Self> {
        let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
        Ok(Self { event: EventFd::from_flags(flags)?, asleep: AtomicBool::new(false) })
    }

    /// The one who is to be woken is about to sleep. He looks once more whether there is something to do after
    /// this, for what came before is not announced.
    pub(super) fn announce_sleep(&self) {
        self.asleep.store(true, Ordering::Relaxed);
        // Not to be read before the flag is seen: either he sees what is there, or it sees the flag.
        fence(Ordering::SeqCst);
    }

    /// He is awake.
    pub(super) fn awake(&self) {
        if self.asleep.swap(false, Ordering::Relaxed) {
            let _ = self.event.read();
        }
    }

    /// Something is there for him.
    pub(super) fn wake(&self) {
        fence(Ordering::SeqCst);
        if self.asleep.load(Ordering::Relaxed) {
            // It fails only when it has been written 2^64 - 2 times and never read: he is awake.
            let _ = self.event.write(1);
        }
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}
