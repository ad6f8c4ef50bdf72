//! What waits to leave through a packet socket: super-packets and single packets, in order.

use std::collections::VecDeque;

use sluice_common::offload::{Buffer, Train, VnetHeader};
use sluice_common::wire::{Link, ethernet, ipv4, ipv6, tcp};

use super::desk::Spent;
use crate::observe::SideCounts;
use crate::pipeline::give::{self, Head, SLICES};
use crate::pipeline::worker::BURST;
use crate::port::{Sent, SuperPort};
use crate::xsk::{Frame, Packet, Pool};

/// Most trains that wait whole. When so many do, the interface is down or slow: what else comes waits packet by
/// packet, so that the coalescer gets the storage of its trains back.
const MOST_TRAINS: usize = BURST;

/// Nothing, or a train that comes back.
pub(super) type Kept<'u> = Result<(), Train<Frame<'u, Packet>>>;

/// What waits, oldest first.
#[derive(Debug)]
pub(super) struct Parcels<'u> {
    waiting: VecDeque<Parcel<'u>>,
    /// How many packets they are.
    packets: usize,
    /// How many of them are trains.
    trains: usize,
    head: Head,
    /// Storage of trains that have gone.
    spent: Spent<'u>,
}

/// What leaves by one system call, if the socket takes it.
#[derive(Debug)]
enum Parcel<'u> {
    Packet(Frame<'u, Packet>),
    Train {
        train: Train<Frame<'u, Packet>>,
        /// It goes packet by packet, and so many have gone.
        apart: Option<usize>,
    },
    /// A train to be cut to another size by whoever takes it.
    Uncut(Train<Frame<'u, Packet>>, Segments),
}

/// What a train becomes that somebody else cuts.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segments {
    /// Payload bytes of each, but of the last.
    pub(super) size: u16,
    /// How many.
    pub(super) count: usize,
    /// Their bytes, link headers included.
    pub(super) bytes: usize,
}

impl<'u> Parcels<'u> {
    /// Nothing yet; up to `most` packets.
    pub(super) fn new(most: usize) -> Self {
        Self {
            waiting: VecDeque::with_capacity(most),
            packets: 0,
            trains: 0,
            head: Head::default(),
            spent: Vec::with_capacity(MOST_TRAINS),
        }
    }

    /// How many packets wait.
    pub(super) const fn packets(&self) -> usize {
        self.packets
    }

    pub(super) fn push(&mut self, packet: Frame<'u, Packet>) {
        self.packets += 1;
        self.waiting.push_back(Parcel::Packet(packet));
    }

    /// Adds a train that is to leave as one. It comes back where its packets are to leave as they came.
    pub(super) fn push_train(&mut self, mut train: Train<Frame<'u, Packet>>) -> Kept<'u> {
        if self.trains == MOST_TRAINS || !may_leave_whole(&mut train) {
            return Err(train);
        }
        let last = ends_at_once(&train).then(|| {
            train.complete_checksums();
            train.pop()
        });
        self.packets += train.packets().len();
        self.trains += 1;
        self.waiting.push_back(Parcel::Train { train, apart: None });
        if let Some(last) = last.flatten() {
            self.push(last);
        }
        Ok(())
    }

    /// Adds a train that may be cut, which is to leave as one and become `segments`. It comes back where it has to be
    /// cut here.
    pub(super) fn push_uncut(
        &mut self,
        mut train: Train<Frame<'u, Packet>>,
        segments: Segments,
    ) -> Kept<'u> {
        if self.trains == MOST_TRAINS || !is_plain(&mut train) {
            return Err(train);
        }
        self.packets += segments.count;
        self.trains += 1;
        self.waiting.push_back(Parcel::Uncut(train, segments));
        Ok(())
    }

    /// Gives the socket what it takes; frames that are through go to the pool. Returns how many frames.
    pub(super) fn leave(
        &mut self,
        socket: &mut impl SuperPort,
        pool: &mut Pool<'u>,
        counts: &mut SideCounts,
    ) -> usize {
        let free = pool.len();
        while let Some(mut parcel) = self.waiting.pop_front() {
            let before = parcel.packets();
            if !parcel.give(socket, &mut self.head, counts) {
                self.packets -= before - parcel.packets();
                self.waiting.push_front(parcel);
                break;
            }
            self.packets -= before;
            self.release(parcel, pool);
        }
        pool.len() - free
    }

    /// Storage of trains that have gone.
    pub(super) fn spent(&mut self) -> impl Iterator<Item = Vec<Frame<'u, Packet>>> {
        self.spent.drain(..)
    }

    /// Drops what waits.
    pub(super) fn abandon(&mut self, pool: &mut Pool<'u>) {
        self.packets = 0;
        while let Some(parcel) = self.waiting.pop_front() {
            self.release(parcel, pool);
        }
    }

    fn release(&mut self, parcel: Parcel<'u>, pool: &mut Pool<'u>) {
        match parcel {
            Parcel::Packet(packet) => pool.extend(packet.release()),
            Parcel::Train { train, .. } | Parcel::Uncut(train, _) => {
                let mut packets = train.into_packets();
                pool.extend(packets.drain(..).flat_map(Frame::release));
                self.trains -= 1;
                self.spent.push(packets);
            }
        }
    }
}

impl Parcel<'_> {
    /// How many packets of it have not gone.
    fn packets(&self) -> usize {
        match self {
            Self::Packet(_) => 1,
            Self::Train { train, apart } => train.packets().len() - apart.unwrap_or(0),
            Self::Uncut(_, segments) => segments.count,
        }
    }

    /// Gives it to the socket. `false`: it, or the rest of it, has to wait.
    fn give(
        &mut self,
        socket: &mut impl SuperPort,
        head: &mut Head,
        counts: &mut SideCounts,
    ) -> bool {
        match self {
            Self::Packet(packet) => {
                let sent = give::packet(socket, VnetHeader::default(), packet);
                count(counts, sent, std::slice::from_ref(packet))
            }
            Self::Train { train, apart: apart @ None }
                if train.is_super() && socket.takes(train.gso_type()) =>
            {
                match give::whole(socket, head, train, Link::Ethernet) {
                    Sent::Refused => give_apart(socket, train, apart, counts),
                    sent => {
                        counts.sent_supers += u64::from(sent == Sent::Done);
                        count(counts, sent, train.packets())
                    }
                }
            }
            Self::Train { train, apart } => give_apart(socket, train, apart, counts),
            Self::Uncut(train, Segments { size, count, bytes }) => {
                let sent = give::uncut(socket, head, train, *size);
                counts.sent_supers += u64::from(sent == Sent::Done && *count > 1);
                note(counts, sent, *count, *bytes)
            }
        }
    }
}

fn give_apart(
    socket: &mut impl SuperPort,
    train: &Train<Frame<'_, Packet>>,
    apart: &mut Option<usize>,
    counts: &mut SideCounts,
) -> bool {
    let given = apart.get_or_insert(0);
    while let Some(packet) = train.packets().get(*given) {
        let sent = give::one(socket, train, *given, Link::Ethernet);
        if !count(counts, sent, std::slice::from_ref(packet)) {
            return false;
        }
        *given += 1;
    }
    true
}

/// Counts what became of packets; whether they are through.
fn count(counts: &mut SideCounts, sent: Sent, packets: &[Frame<'_, Packet>]) -> bool {
    note(counts, sent, packets.len(), packets.iter().map(Frame::total_len).sum())
}

/// The same for so many packets of so many bytes together.
fn note(counts: &mut SideCounts, sent: Sent, packets: usize, bytes: usize) -> bool {
    match sent {
        Sent::Done => {
            counts.sent_packets += packets as u64;
            counts.sent_bytes += bytes as u64;
        }
        Sent::Dropped | Sent::Refused => counts.refused_packets += packets as u64,
        // Of a device that is gone the doorbell tells.
        Sent::Full | Sent::Gone => return false,
    }
    true
}

/// Whether segmentation by somebody else gives the train's packets back.
fn may_leave_whole(train: &mut Train<Frame<'_, Packet>>) -> bool {
    train.is_super() && train.is_segmented() && is_plain(train)
}

/// Whether the last packet of the train has PSH or FIN, which no GRO holds back.
///
/// Of a super-packet that a socket sends, the kernel has the last segment alone belong to the socket (`skb_segment`,
/// `net/core/skbuff.c`). On the other side of a veth pair GRO tells flows by that too (`skb_prepare_for_gro`,
/// `gro_list_prepare`), and would pass a last segment it does not hold on before the others. On a wire nothing belongs to
/// a socket; but where there is one is not known here, so such a packet leaves by itself.
fn ends_at_once(train: &Train<Frame<'_, Packet>>) -> bool {
    train.tcp_flags().is_some_and(|flags| flags.intersects(tcp::Flags::CLOSING))
}

/// Whether somebody else can make the segments' headers: they are Ethernet without tags and IP without options or
/// extensions; and whether he may, no checksum being wrong that would be made right (G7).
fn is_plain(train: &mut Train<Frame<'_, Packet>>) -> bool {
    let plain = [ipv4::HEADER_LEN, ipv6::HEADER_LEN].map(|len| ethernet::HEADER_LEN + len);
    let Some(transport) = train.transport_header_len() else { return false };
    plain.contains(&(train.header_len(Link::Ethernet) - transport))
        && frames(train) < SLICES
        && train.verify()
}

/// How many frames the packets of a train have.
pub(super) fn frames(train: &Train<Frame<'_, Packet>>) -> usize {
    train.packets().iter().map(Frame::frames).sum()
}
