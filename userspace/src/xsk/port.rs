//! The real port: an AF_XDP socket and its four rings.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use arrayvec::ArrayVec;
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, recv};
use xsk_rs::{CompQueue, FillQueue, FrameDesc, RxQueue, TxQueue};

use super::frame::{Frame, Packet};
use super::gather::{Gather, Gathered};
use super::open::QueueConfig;
use super::packet_socket::PacketSocket;
use super::pool::Pool;
use super::size::RingSize;
use super::umem::{MOST_PIECES, Umem};
use crate::port::{FramePort, Liveness, Rings, Statistics, Taken, fitting};

/// Descriptors moved at once. Two cache lines of a ring hold eight; 64 amortise the ring's shared
/// positions, and more would only use more stack.
const BATCH: usize = 64;
const _: () = assert!(MOST_PIECES <= BATCH, "a packet's descriptors are given at once");

/// Option of a descriptor: the next one has more of the same packet (`include/uapi/linux/if_xdp.h`).
const XDP_PKT_CONTD: u32 = 1;

/// Most wake-ups for one [`doorbell`](FramePort::doorbell). In copy mode one wake-up sends at most
/// 32 packets (`TX_BATCH_SIZE`, `net/xdp/xsk.c`); what is left after these waits for the next turn, so
/// that a long transmit ring cannot keep a worker from receiving.
const MOST_WAKEUPS: usize = 8;

/// The queues of one socket.
pub(super) struct Queues {
    pub(super) tx: TxQueue,
    pub(super) rx: RxQueue,
    pub(super) fill: FillQueue,
    pub(super) completion: CompQueue,
}

/// One AF_XDP socket bound to one queue of one interface; [`open_queue`](super::open_queue) makes it.
pub struct XskPort<'u> {
    umem: &'u Umem,
    queues: Queues,
    ring: RingSize,
    busy_poll: bool,
    /// What has begun to be received, and has no end yet.
    gather: Gather<'u>,
    /// Frames the kernel has for receiving, the receive ring's and those of `gather` included.
    inbound: u32,
    /// The most of them that it can make use of.
    most_inbound: u32,
    /// Frames the kernel has for sending, the completion ring's included.
    outbound: u32,
    /// The way out instead of the transmit ring.
    pub(super) socket: Option<PacketSocket>,
}

impl<'u> XskPort<'u> {
    pub(super) fn new(
        umem: &'u Umem,
        queues: Queues,
        config: &QueueConfig,
        zero_copy: bool,
    ) -> Self {
        let QueueConfig { ring, busy_poll, .. } = config;
        Self {
            umem,
            queues,
            ring: *ring,
            busy_poll: busy_poll.is_some(),
            gather: Gather::default(),
            inbound: 0,
            most_inbound: most_inbound(*ring, zero_copy),
            outbound: 0,
            socket: None,
        }
    }

    fn assert_own<S>(&self, frame: &Frame<'u, S>) {
        assert!(std::ptr::eq(frame.umem(), self.umem), "a frame of another UMEM");
    }

    /// Frames in the transmit ring the kernel has not looked at.
    fn unsent(&mut self) -> u32 {
        self.ring.get().saturating_sub(self.queues.tx.nb_free_exact())
    }

    /// Gives the kernel these descriptors of frames that were surrendered.
    fn send(&mut self, descriptors: &mut ArrayVec<FrameDesc, BATCH>) {
        // SAFETY: each frame is of this UMEM and was surrendered just now.
        let sent = unsafe { self.queues.tx.produce(descriptors) };
        debug_assert_eq!(sent, descriptors.len(), "the room was asked for before");
        self.outbound += descriptors.len() as u32;
        descriptors.clear();
    }

    /// The descriptors of a packet: all but the last say that another follows.
    fn describe(&self, packet: Frame<'u, Packet>, descriptors: &mut ArrayVec<FrameDesc, BATCH>) {
        self.assert_own(&packet);
        let mut left = Some(packet);
        while let Some((mut piece, rest)) = left.take().map(Frame::split_first) {
            piece.align();
            let len = piece.as_ref().len();
            let mut descriptor = self.umem.descriptor(piece.surrender(), len);
            descriptor.set_options(if rest.is_some() { XDP_PKT_CONTD } else { 0 });
            descriptors.push(descriptor);
            left = rest;
        }
    }

    /// Wakes the kernel until the transmit ring is empty or it stops taking from it.
    fn wake_transmit(&mut self) -> Liveness {
        let mut unsent = self.unsent();
        for _ in 0..MOST_WAKEUPS {
            if unsent == 0 || !self.queues.tx.needs_wakeup() {
                break;
            }
            // EAGAIN, EBUSY, ENOBUFS and ENETDOWN are none to `xsk-rs` either: the next turn asks again.
            if let Err(error) = self.queues.tx.wakeup() {
                return liveness(&error);
            }
            let left = self.unsent();
            if left >= unsent {
                break;
            }
            unsent = left;
        }
        Liveness::Alive
    }

    /// Wakes the driver for receiving; with busy polling this is what runs it.
    fn wake_receive(&mut self) -> Liveness {
        if !self.busy_poll && !self.queues.fill.needs_wakeup() {
            return Liveness::Alive;
        }
        match recv(self.as_fd().as_raw_fd(), &mut [], MsgFlags::MSG_DONTWAIT) {
            Ok(_) => Liveness::Alive,
            Err(errno) => liveness(&errno.into()),
        }
    }
}

/// Of how many frames for receiving the kernel can make use.
///
/// In copy mode, of as many as the receive ring has slots: given more, it would copy packets into them that it then
/// drops for want of a slot. A zero-copy driver puts what is in the fill ring into a ring of the NIC's own, of up to
/// a few thousand, and asks to be woken for each packet where the fill ring stays empty.
fn most_inbound(ring: RingSize, zero_copy: bool) -> u32 {
    if zero_copy { 2 * ring.get() } else { ring.get() }
}

/// Whether an error of a wake-up says that the interface is gone.
///
/// The kernel unbinds the socket of an interface that is unregistered (`xsk_notifier`), and answers
/// ENXIO from then on. Anything else passes: the interface is down (ENETDOWN), or busy.
fn liveness(error: &io::Error) -> Liveness {
    let gone = [Errno::ENXIO, Errno::ENODEV, Errno::EBADF].map(|errno| errno as i32);
    match error.raw_os_error() {
        Some(errno) if gone.contains(&errno) => Liveness::Gone,
        _ => Liveness::Alive,
    }
}

impl<'u> FramePort<'u> for XskPort<'u> {
    type Socket = PacketSocket;

    fn socket(&mut self) -> Option<&mut PacketSocket> {
        self.socket.as_mut()
    }

    fn receive(
        &mut self,
        pool: &mut Pool<'u>,
        burst: &mut Vec<Frame<'u, Packet>>,
        now: u64,
    ) -> Taken {
        let room = (burst.capacity() - burst.len()).min(BATCH);
        let mut descriptors = [FrameDesc::default(); BATCH];
        // SAFETY: the descriptors are blank, and the ring is of this port's UMEM.
        let count = unsafe { self.queues.rx.consume(&mut descriptors[..room]) };
        let waited = self.gather.frames();
        let mut taken = Taken::default();
        for descriptor in &descriptors[..count] {
            let (at, len) = (descriptor.addr() as u32, descriptor.lengths().data() as u16);
            // SAFETY: the receive ring returned it: the kernel is done with this frame, has put `len`
            // bytes at `at` inside it, and no value of it was kept when it was surrendered.
            let piece = unsafe { Frame::mint_packet(self.umem, at, len, now) };
            match self.gather.add(piece, descriptor.has_more_frames(), pool) {
                Gathered::Packet(packet) => {
                    burst.push(packet.stamped(now));
                    taken.packets += 1;
                }
                Gathered::TooLong => taken.too_long += 1,
                Gathered::Nothing => {}
            }
        }
        self.inbound -= (waited + count - self.gather.frames()) as u32;
        taken
    }

    fn transmit_room(&mut self) -> usize {
        let wanted = self.ring.get();
        self.queues.tx.nb_free(wanted) as usize
    }

    fn transmit_slots(&self) -> usize {
        self.ring.get() as usize
    }

    fn transmit(&mut self, packets: &mut Vec<Frame<'u, Packet>>) -> usize {
        let total = fitting(packets, self.transmit_room());
        let mut descriptors = ArrayVec::new();
        for packet in packets.drain(..total) {
            if descriptors.remaining_capacity() < packet.frames() {
                self.send(&mut descriptors);
            }
            self.describe(packet, &mut descriptors);
        }
        self.send(&mut descriptors);
        total
    }

    fn outbound(&self) -> usize {
        self.outbound as usize
    }

    fn fill(&mut self, pool: &mut Pool<'u>, most: usize) -> usize {
        let most = most.min(self.most_inbound as usize);
        let wanted = most.saturating_sub(self.inbound as usize).min(pool.len());
        // The kernel's position is looked up only where the room known of does not do.
        let total = wanted.min(self.queues.fill.nb_free(wanted as u32) as usize);
        let mut left = total;
        while left > 0 {
            let mut descriptors = [FrameDesc::default(); BATCH];
            let count = left.min(BATCH);
            for slot in &mut descriptors[..count] {
                let Some(frame) = pool.take() else { unreachable!("counted above") };
                self.assert_own(&frame);
                *slot = self.umem.descriptor(frame.surrender(), 0);
            }
            // SAFETY: each frame is of this UMEM and was surrendered just now.
            let given = unsafe { self.queues.fill.produce(&descriptors[..count]) };
            debug_assert_eq!(given, count, "the room was asked for before");
            left -= count;
        }
        self.inbound += total as u32;
        total
    }

    fn complete(&mut self, pool: &mut Pool<'u>) -> usize {
        let mut total = 0;
        loop {
            let mut descriptors = [FrameDesc::default(); BATCH];
            // SAFETY: the descriptors are blank, and the ring is of this port's UMEM.
            let count = unsafe { self.queues.completion.consume(&mut descriptors) };
            for descriptor in &descriptors[..count] {
                // SAFETY: the completion ring returned it: the kernel is done with this frame, and no
                // value of it was kept when it was surrendered.
                pool.give(unsafe { Frame::mint(self.umem, descriptor.addr() as u32) });
            }
            total += count;
            if count < BATCH {
                break;
            }
        }
        self.outbound -= total as u32;
        total
    }

    fn doorbell(&mut self) -> Liveness {
        match self.wake_transmit() {
            Liveness::Alive => self.wake_receive(),
            gone @ Liveness::Gone => gone,
        }
    }

    fn rings(&mut self) -> Rings {
        let receive = self.queues.rx.nb_avail_exact() + self.gather.frames() as u32;
        let completion = self.queues.completion.nb_avail_exact();
        Rings {
            fill: self.inbound - receive,
            receive,
            transmit: self.outbound - completion,
            completion,
        }
    }

    fn statistics(&mut self) -> Statistics {
        let Ok(counted) = self.queues.rx.fd().xdp_statistics() else {
            return Statistics::default();
        };
        Statistics {
            rx_dropped: counted.rx_dropped(),
            rx_invalid: counted.rx_invalid_descs(),
            rx_ring_full: counted.rx_ring_full(),
            rx_fill_empty: counted.rx_fill_ring_empty_descs(),
            tx_invalid: counted.tx_invalid_descs(),
            tx_ring_empty: counted.tx_ring_empty_descs(),
        }
    }
}

impl AsFd for XskPort<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the queues keep the socket, and with it the descriptor, open as long as `self`.
        unsafe { BorrowedFd::borrow_raw(self.queues.rx.fd().as_raw_fd()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_vanished_interface_ends_a_port() {
        for errno in [Errno::EAGAIN, Errno::EBUSY, Errno::ENOBUFS, Errno::ENETDOWN] {
            assert_eq!(liveness(&errno.into()), Liveness::Alive, "{errno}");
        }
        assert_eq!(liveness(&Errno::ENXIO.into()), Liveness::Gone);
    }
}
