//! Host → wire: super-packets cut into frames, one copy.

use std::os::fd::AsFd;

use sluice_common::offload::{Buffer, ChecksumMode, GsoType, Limits, Segmenter, VnetHeader};
use sluice_common::reason::DropReason;

use super::fragment_id::FragmentIds;
use super::stop::{End, Stop};
use super::to_socket::ToSocket;
use super::worker::{BURST, Worker};
use crate::observe::Counts;
use crate::port::{FramePort, HostPort, LinkHeader, NextHops, Received, Sent};
use crate::xsk::{Frame, Free, MAX_MTU, Packet, Pool};

/// Room for a vnet header and the largest packet a TUN queue gives, with some to spare: what is
/// larger is cut, and then refused for its length.
const BUFFER: usize = VnetHeader::LEN + 65_535 + 4_096;

/// Between the host and the wire: the packet of the host that is being sent, or has to wait.
///
/// Only one waits. The others stay in the host's own queue, where it sees them and sends less.
#[derive(Debug)]
pub(super) struct Outbox<'u> {
    buffer: Box<[u8]>,
    /// Bytes of the packet that waits in the buffer.
    waiting: Option<usize>,
    /// How many of its wire packets the port's socket has.
    given: usize,
    /// Segments of one packet, until the ring has them.
    staged: Vec<Frame<'u, Packet>>,
    /// Where a segment is made that takes the kernel's own path.
    scratch: Box<[u8]>,
    fragment_ids: FragmentIds,
    /// Most frames that the segments of one packet may take: what the transmit ring and the frames for sending hold when all
    /// else is at rest (S16).
    most: usize,
}

impl Outbox<'_> {
    /// An empty one, for packets whose segments take up to `most` frames.
    pub(super) fn new(most: usize) -> Self {
        let (buffer, scratch) = (vec![0; BUFFER].into(), vec![0; MAX_MTU].into());
        Self {
            buffer,
            waiting: None,
            given: 0,
            staged: Vec::with_capacity(most),
            scratch,
            fragment_ids: FragmentIds::default(),
            most,
        }
    }

    /// Whether a packet waits.
    pub(super) const fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }
}

/// What became of a packet of the host.
enum Outcome {
    /// So many wire packets are on their way.
    Gone(usize),
    /// There are not enough frames or slots now.
    Waits,
    /// It was dropped.
    Dropped(DropReason),
}

impl<'u, N, T, R> Worker<'u, N, T, R>
where
    N: FramePort<'u> + AsFd,
    T: HostPort + AsFd,
    R: NextHops,
{
    /// Sends what the host gives, about a burst of it. Returns how many wire packets went, a dropped
    /// packet being one.
    pub(super) fn send(&mut self, now: u64) -> usize {
        let mut sent = 0;
        while sent < BURST {
            let Some(len) = self.next_packet(now) else { break };
            sent += match self.send_one(len) {
                Outcome::Gone(segments) => segments,
                Outcome::Waits => {
                    self.outbox.waiting = Some(len);
                    break;
                }
                Outcome::Dropped(reason) => {
                    self.life.counts.dropped_outbound[reason.index()] += 1;
                    1
                }
            };
        }
        sent
    }

    /// Bytes of the packet in the buffer: the one that waits, or the host's next.
    fn next_packet(&mut self, now: u64) -> Option<usize> {
        if let Some(len) = self.outbox.waiting.take() {
            return Some(len);
        }
        self.outbox.given = 0;
        match self.host.receive(&mut self.outbox.buffer) {
            Received::Packet(len) => {
                self.life.counts.from_host_packets += 1;
                self.life.counts.from_host_bytes += len.saturating_sub(VnetHeader::LEN) as u64;
                Some(len)
            }
            Received::Empty => None,
            Received::Gone => {
                Stop::begin_stop(self, End::HostGone, now);
                None
            }
        }
    }

    /// All or nothing (S16): what is refused or has to wait has used no frame.
    fn send_one(&mut self, len: usize) -> Outcome {
        let Outbox { buffer, staged, scratch, fragment_ids, most, given, .. } = &mut self.outbox;
        let segments = match judge(&buffer[..len], self.config.mtu, fragment_ids, *most) {
            Ok(segments) => segments,
            Err(reason) => return Outcome::Dropped(reason),
        };
        let Some(link) = self.hops.link_header(segments.addresses()) else {
            return to_kernel(&segments, scratch, &mut self.hops, &mut self.life.counts);
        };
        // What leaves by two ways changes places: the packets of a flow all have a tag, or none has.
        if let (Some(socket), true) = (self.wire.socket(), link.is_untagged()) {
            let (vnet, packet) = VnetHeader::split(&buffer[..len]).unwrap_or_default();
            let leaving = ToSocket { vnet, packet, segments: &segments, link: &link };
            let sent = leaving.give(socket, given, scratch);
            return told(sent, &leaving, &mut self.life.counts);
        }
        let frames = frames_of(&segments, &link, self.config.mtu);
        if frames > *most {
            return Outcome::Dropped(DropReason::TooManySegments);
        }
        if room(&mut self.wire, &self.pool) < frames {
            return Outcome::Waits;
        }
        let count = segments.count();
        cut(&segments, &link, &mut self.pool, staged);
        let bytes = staged.iter().map(Frame::total_len).sum();
        note(&mut self.life.counts, count, bytes);
        self.wire.transmit(staged);
        debug_assert!(staged.is_empty(), "the room was asked for before");
        Outcome::Gone(count)
    }

    /// Drops what waits: the worker ends.
    pub(super) fn abandon_waiting(&mut self) {
        if self.outbox.waiting.take().is_some() {
            self.life.counts.dropped_outbound[DropReason::Shutdown.index()] += 1;
        }
    }
}

/// What became of a packet that was given to the port's socket.
fn told(sent: Sent, leaving: &ToSocket<'_>, counts: &mut Counts) -> Outcome {
    match sent {
        Sent::Done => {
            let count = leaving.segments.count();
            note(counts, count, leaving.bytes());
            Outcome::Gone(count)
        }
        // Of a device that is gone the doorbell tells.
        Sent::Full | Sent::Gone => Outcome::Waits,
        Sent::Dropped | Sent::Refused => Outcome::Dropped(DropReason::SocketRefused),
    }
}

/// Counts a packet of the host that has become `count` wire packets.
fn note(counts: &mut Counts, count: usize, bytes: usize) {
    counts.from_host_supers += u64::from(count > 1);
    counts.to_wire_trains += 1;
    counts.to_wire_packets += count as u64;
    counts.to_wire_bytes += bytes as u64;
}

/// The packet in `bytes`, behind its vnet header, as what it is to become. Of neither anything is
/// believed.
fn judge<'b>(
    bytes: &'b [u8],
    mtu: usize,
    fragment_ids: &mut FragmentIds,
    most: usize,
) -> Result<Segmenter<'b>, DropReason> {
    let vnet = VnetHeader::parse(bytes).ok_or(DropReason::BadVnetHeader)?;
    let packet = &bytes[VnetHeader::LEN..];
    // The host is a sender, and may have fragments made of what it sends (S11).
    let is_one = matches!(GsoType(vnet.gso_type.into()), GsoType::NONE | GsoType::UDP);
    let fragment_id = (is_one && packet.len() > mtu).then(|| fragment_ids.next());
    let segments = Segmenter::new(packet, &vnet, Limits { mtu, fragment_id })?;
    if segments.count() > most { Err(DropReason::TooManySegments) } else { Ok(segments) }
}

/// How many frames the segments take.
fn frames_of(segments: &Segmenter<'_>, link: &LinkHeader, mtu: usize) -> usize {
    let link = link.as_bytes().len();
    if link + mtu <= Frame::<Free>::CAPACITY {
        return segments.count();
    }
    let frames = |i| (link + segments.segment_len(i)).div_ceil(Frame::<Free>::CAPACITY);
    (0..segments.count()).map(frames).sum()
}

/// How many frames can be sent now: slots, free frames, and what is reserved for receiving.
fn room<'u>(wire: &mut impl FramePort<'u>, pool: &Pool<'u>) -> usize {
    let umem = pool.umem();
    let share = umem.frames().get() - umem.reserve();
    let unused = (share as usize).saturating_sub(wire.outbound());
    wire.transmit_room().min(pool.len()).min(unused)
}

/// Writes each segment behind a link header into a frame of its own, or into several.
fn cut<'u>(
    segments: &Segmenter<'_>,
    link: &LinkHeader,
    pool: &mut Pool<'u>,
    staged: &mut Vec<Frame<'u, Packet>>,
) {
    let link = link.as_bytes();
    for index in 0..segments.count() {
        let Some(mut frame) = pool.take() else { return debug_assert!(false, "counted before") };
        if link.len() + segments.segment_len(index) > Frame::<Free>::CAPACITY {
            staged.extend(spread(segments, index, link, frame, pool));
            continue;
        }
        let (head, tail) = frame.space().split_at_mut(link.len());
        head.copy_from_slice(link);
        let len = segments.write(index, tail);
        staged.push(frame.into_packet(link.len() + len));
    }
}

/// Writes a segment that one frame does not hold into as many as it takes, `frame` being the first. All
/// but the last are full.
fn spread<'u>(
    segments: &Segmenter<'_>,
    index: usize,
    link: &[u8],
    mut frame: Frame<'u, Free>,
    pool: &mut Pool<'u>,
) -> Option<Frame<'u, Packet>> {
    let (head, tail) = frame.space().split_at_mut(link.len());
    head.copy_from_slice(link);
    let header = segments.write_header(index, tail, ChecksumMode::Full);
    let (first, mut rest) = segments.payload(index).split_at(tail.len() - header);
    tail[header..].copy_from_slice(first);
    let mut packet = frame.into_packet(Frame::<Free>::CAPACITY);
    while !rest.is_empty() {
        let piece;
        (piece, rest) = rest.split_at(rest.len().min(Frame::<Free>::CAPACITY));
        let Some(frame) = pool.take() else {
            debug_assert!(false, "counted before");
            pool.extend(packet.release());
            return None;
        };
        packet.append(frame.copy_from(piece));
    }
    Some(packet)
}

/// The next hop is not known: the kernel takes the segments, and finds out.
fn to_kernel<R: NextHops>(
    segments: &Segmenter<'_>,
    scratch: &mut [u8],
    hops: &mut R,
    counts: &mut Counts,
) -> Outcome {
    let mut taken = 0;
    for index in 0..segments.count() {
        let len = segments.write(index, scratch);
        taken += usize::from(hops.kernel_path(&scratch[..len], segments.addresses()));
    }
    counts.to_kernel_packets += taken as u64;
    if taken < segments.count() {
        return Outcome::Dropped(DropReason::NoRoute);
    }
    counts.to_kernel_trains += 1;
    Outcome::Gone(taken)
}
