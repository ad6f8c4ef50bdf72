//! The side of the wire, without a kernel.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};

use super::MemHost;
use super::bell::Bell;
use super::record::Record;
use crate::port::{FramePort, Liveness, Rings, Statistics, Taken, fitting};
use crate::xsk::{Frame, Free, Gather, Gathered, Packet, Pool, RingSize};

/// A [`FramePort`] whose kernel side is in the hands of the test.
///
/// The frames the kernel has are kept as values in the four rings, so that nothing of it needs
/// `unsafe`, and a frame that is dropped instead of moved is counted as lost like any other.
///
/// The fields are the faults. All rings have the same size.
#[derive(Debug)]
pub struct MemPort<'u> {
    /// The kernel sends, but does not give frames back.
    pub withhold_completions: bool,
    /// The kernel takes nothing from the transmit ring: the interface is down, or its queue is full.
    pub stalled: bool,
    /// The interface has vanished.
    pub gone: bool,
    /// Packets may span several frames (`XDP_USE_SG`). Without, what does not fit one is lost.
    pub multi_buffer: bool,
    /// Frames the worker finds in the receive ring at one look: fewer than a packet has cut it in two.
    pub taken_at_once: usize,
    /// Packets sent at one doorbell; the kernel does 32 in copy mode.
    pub sent_at_once: usize,
    /// What goes out is not kept in [`wire`](Self::wire): for who measures, and wants no copy of it.
    pub unrecorded: bool,
    /// The way out beside the transmit ring, if it is to have one.
    pub socket: Option<MemHost>,
    /// What went out on the wire by the ring, oldest first.
    pub wire: Record,
    slots: usize,
    fill: VecDeque<Frame<'u, Free>>,
    receive: VecDeque<Descriptor<'u>>,
    gather: Gather<'u>,
    transmit: VecDeque<Descriptor<'u>>,
    withheld: VecDeque<Frame<'u, Free>>,
    completion: VecDeque<Frame<'u, Free>>,
    statistics: Statistics,
    doorbells: u64,
    bell: Bell,
}

/// A slot of a receive or transmit ring.
#[derive(Debug)]
struct Descriptor<'u> {
    piece: Frame<'u, Packet>,
    /// The next one has more of the same packet.
    continued: bool,
}

impl<'u> MemPort<'u> {
    /// A port with four rings of `ring` slots, all empty.
    #[must_use]
    pub fn new(ring: RingSize) -> Self {
        let slots = ring.get() as usize;
        Self {
            withhold_completions: false,
            stalled: false,
            gone: false,
            multi_buffer: false,
            taken_at_once: usize::MAX,
            sent_at_once: usize::MAX,
            unrecorded: false,
            socket: None,
            wire: Record::default(),
            slots,
            fill: VecDeque::with_capacity(slots),
            receive: VecDeque::with_capacity(slots),
            gather: Gather::default(),
            transmit: VecDeque::with_capacity(slots),
            withheld: VecDeque::with_capacity(slots),
            completion: VecDeque::with_capacity(slots),
            statistics: Statistics::default(),
            doorbells: 0,
            bell: Bell::default(),
        }
    }

    /// A packet arrives, in as many frames as it takes. `false`: it is lost, and counted as the kernel
    /// would, because there are not so many in the fill ring, or because only one would do.
    pub fn deliver(&mut self, packet: &[u8]) -> bool {
        let mut pieces: Vec<_> = packet.chunks(Frame::<Free>::CAPACITY).collect();
        if pieces.is_empty() {
            pieces.push(packet);
        }
        if pieces.len() > 1 && !self.multi_buffer {
            self.statistics.rx_dropped += 1;
            return false;
        }
        self.deliver_pieces(&pieces, true)
    }

    /// Pieces arrive, each in a frame of its own and no longer than that: a packet, or with `finished`
    /// false the beginning of one.
    pub fn deliver_pieces(&mut self, pieces: &[&[u8]], finished: bool) -> bool {
        if self.fill.len() < pieces.len() {
            self.statistics.rx_fill_empty += 1;
            return false;
        }
        for (frame, (index, bytes)) in
            self.fill.drain(..pieces.len()).zip(pieces.iter().enumerate())
        {
            let continued = index + 1 < pieces.len() || !finished;
            self.receive.push_back(Descriptor { piece: frame.copy_from(bytes), continued });
        }
        self.bell.ring();
        true
    }

    /// Gives back the frames that were withheld, as the completion ring has room for.
    pub fn give_back(&mut self) {
        let room = self.slots - self.completion.len();
        let back = self.withheld.len().min(room);
        self.completion.extend(self.withheld.drain(..back));
    }

    /// How often the worker rang.
    #[must_use]
    pub const fn doorbells(&self) -> u64 {
        self.doorbells
    }

    /// The kernel's share of a doorbell: sends what it may, each packet whole.
    fn send(&mut self) {
        for _ in 0..self.sent_at_once {
            let room = self.slots - self.completion.len() - self.withheld.len();
            let end = self.transmit.iter().position(|descriptor| !descriptor.continued);
            let Some(frames) = end.map(|end| end + 1).filter(|&frames| frames <= room) else {
                break;
            };
            if !self.unrecorded {
                self.wire.push(self.transmit.iter().take(frames).map(|one| one.piece.as_ref()));
            }
            let sent = self.transmit.drain(..frames).flat_map(|one| one.piece.release());
            self.withheld.extend(sent);
        }
        if !self.withhold_completions {
            self.give_back();
        }
    }
}

impl<'u> FramePort<'u> for MemPort<'u> {
    type Socket = MemHost;

    fn socket(&mut self) -> Option<&mut MemHost> {
        self.socket.as_mut()
    }

    fn receive(
        &mut self,
        pool: &mut Pool<'u>,
        burst: &mut Vec<Frame<'u, Packet>>,
        now: u64,
    ) -> Taken {
        let room = (burst.capacity() - burst.len()).min(self.taken_at_once);
        let count = self.receive.len().min(room);
        let mut taken = Taken::default();
        for Descriptor { piece, continued } in self.receive.drain(..count) {
            match self.gather.add(piece, continued, pool) {
                Gathered::Packet(packet) => {
                    burst.push(packet.stamped(now));
                    taken.packets += 1;
                }
                Gathered::TooLong => taken.too_long += 1,
                Gathered::Nothing => {}
            }
        }
        if self.receive.is_empty() {
            self.bell.silence();
        }
        taken
    }

    fn transmit_room(&mut self) -> usize {
        self.slots - self.transmit.len()
    }

    fn transmit_slots(&self) -> usize {
        self.slots
    }

    fn transmit(&mut self, packets: &mut Vec<Frame<'u, Packet>>) -> usize {
        let total = fitting(packets, self.transmit_room());
        for packet in packets.drain(..total) {
            let mut left = Some(packet);
            while let Some((piece, rest)) = left.take().map(Frame::split_first) {
                self.transmit.push_back(Descriptor { piece, continued: rest.is_some() });
                left = rest;
            }
        }
        total
    }

    fn outbound(&self) -> usize {
        self.transmit.len() + self.withheld.len() + self.completion.len()
    }

    fn fill(&mut self, pool: &mut Pool<'u>, most: usize) -> usize {
        let inbound = self.fill.len() + self.receive.len() + self.gather.frames();
        let room = most.min(self.slots).saturating_sub(inbound);
        let before = self.fill.len();
        self.fill.extend(std::iter::from_fn(|| pool.take()).take(room));
        self.fill.len() - before
    }

    fn complete(&mut self, pool: &mut Pool<'u>) -> usize {
        let count = self.completion.len();
        pool.extend(self.completion.drain(..));
        count
    }

    fn doorbell(&mut self) -> Liveness {
        self.doorbells += 1;
        if self.gone {
            return Liveness::Gone;
        }
        if !self.stalled {
            self.send();
        }
        Liveness::Alive
    }

    fn rings(&mut self) -> Rings {
        Rings {
            fill: self.fill.len() as u32,
            receive: (self.receive.len() + self.gather.frames()) as u32,
            transmit: self.transmit.len() as u32,
            completion: (self.withheld.len() + self.completion.len()) as u32,
        }
    }

    fn statistics(&mut self) -> Statistics {
        self.statistics
    }
}

impl AsFd for MemPort<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xsk::{FrameCount, Umem};

    fn sizes(frames: u32, ring: u32) -> (Umem, RingSize) {
        (Umem::heap(FrameCount::new(frames).unwrap()), RingSize::new(ring).unwrap())
    }

    #[test]
    fn without_a_frame_to_receive_into_a_packet_is_lost_and_counted() {
        let (umem, ring) = sizes(4, 2);
        let (mut pool, mut port) = (umem.pool(), MemPort::new(ring));
        assert!(!port.deliver(b"early"));
        assert_eq!(port.fill(&mut pool, 9), 2, "no more than the ring has slots");
        assert!(port.deliver(b"one") && port.deliver(b"two") && !port.deliver(b"three"));
        assert_eq!(port.fill(&mut pool, 9), 0, "what is received takes a slot too");
        assert_eq!(port.statistics().rx_fill_empty, 2);
    }

    #[test]
    fn packets_keep_their_order_and_carry_their_time() {
        let (umem, ring) = sizes(4, 4);
        let (mut pool, mut port) = (umem.pool(), MemPort::new(ring));
        port.fill(&mut pool, 4);
        for packet in [&b"one"[..], b"two", b"three"] {
            assert!(port.deliver(packet));
        }
        let mut burst = Vec::with_capacity(2);
        assert_eq!(
            port.receive(&mut pool, &mut burst, 7).packets,
            2,
            "no more than the burst has room for"
        );
        assert_eq!(burst[0].as_ref(), b"one");
        assert_eq!((burst[1].as_ref(), burst[1].received()), (&b"two"[..], 7));
        assert_eq!(port.transmit(&mut burst), 2);
        assert_eq!(port.doorbell(), Liveness::Alive);
        assert_eq!(port.wire.iter().collect::<Vec<_>>(), [&b"one"[..], b"two"]);
        assert_eq!(port.complete(&mut pool), 2);
        assert_eq!((pool.len(), umem.lost()), (2, 0));
    }

    #[test]
    fn withheld_completions_stop_the_sending_when_the_ring_is_full() {
        let (umem, ring) = sizes(8, 2);
        let (mut pool, mut port) = (umem.pool(), MemPort::new(ring));
        port.withhold_completions = true;
        for _ in 0..2 {
            let mut packets: Vec<_> =
                (0..2).map(|_| pool.take().unwrap().copy_from(b"x")).collect();
            assert_eq!(port.transmit(&mut packets), 2);
            port.doorbell();
        }
        assert_eq!(port.rings(), Rings { transmit: 2, completion: 2, ..Rings::default() });
        assert_eq!(port.complete(&mut pool), 0);
        port.give_back();
        assert_eq!(port.complete(&mut pool), 2);
    }
}
