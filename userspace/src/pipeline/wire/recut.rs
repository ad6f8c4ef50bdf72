//! Segments of another size, in frames: one copy, the checksum in the same pass.

use arrayvec::ArrayVec;
use sluice_common::Side;
use sluice_common::offload::{Buffer, Cut, Train};
use sluice_common::reason::DropReason;
use sluice_common::stage::Stage;

use super::egress::{Egress, Judged};
use super::parcels::{Kept, Segments};
use crate::port::HostPort;
use crate::xsk::{Frame, Free, MOST_PIECES, Packet, Pool};

/// How a train is to be cut.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recut {
    /// Payload bytes of a segment.
    pub(super) size: usize,
    /// Whether the packets fit as they are.
    pub(super) fits: bool,
    /// Bytes of the largest IP packet.
    pub(super) mtu: u16,
}

impl<'u, S: Stage, T: HostPort> Egress<'_, 'u, S, T> {
    /// Cuts the train to segments of another size. What must not be cut goes as it came where it fits.
    pub(super) fn recut(
        &mut self,
        mut train: Train<Frame<'u, Packet>>,
        judged: &Judged,
        to: Side,
        Recut { size, fits, mtu }: Recut,
    ) {
        // A wrong checksum would be made right (G7); nobody has looked at that of a packet that merged with none.
        let known = train.verify();
        if !fits && train.cut(size).is_none() {
            return match known {
                true => self.answer(train, &judged.headers, mtu),
                false => self.discard(train, DropReason::BadChecksum),
            };
        }
        judged.edit(&mut train);
        let Err(mut train) = self.leave_uncut(train, to, size) else { return };
        let Some(mut cut) = train.cut(size) else {
            self.introduce(&mut train, &judged.headers, to);
            return self.forward(train, to);
        };
        let frames: usize = (0..cut.count()).map(|i| frames_of(cut.segment_len(i))).sum();
        // All or nothing (S16).
        if frames > self.desk.out(to).room() || frames > self.desk.pool.len() {
            return self.discard(train, DropReason::BacklogFull);
        }
        let segments = cut.count();
        for _ in 0..segments {
            let Some(segment) = next_segment(&mut cut, self.desk.pool) else { break };
            self.desk.out(to).push(segment);
        }
        self.count_recut(train.packets().len(), segments);
        self.desk.release(train, &mut self.way.spent);
    }

    /// Leaves the cutting to whoever takes the train. It comes back where nobody does.
    fn leave_uncut(&mut self, train: Train<Frame<'u, Packet>>, to: Side, size: usize) -> Kept<'u> {
        if !self.desk.out(to).takes_trains() {
            return Err(train);
        }
        let Some(segments) = train.cut(size).map(|cut| segments(&cut, size)) else {
            return Err(train);
        };
        let packets = train.packets().len();
        self.desk.out(to).push_uncut(train, segments)?;
        self.count_recut(packets, segments.count);
        Ok(())
    }

    const fn count_recut(&mut self, packets: usize, into: usize) {
        let counts = self.desk.side(self.side);
        counts.recut_packets += packets as u64;
        counts.recut_into += into as u64;
    }
}

/// What a train that is cut to `size` becomes.
fn segments<H: Buffer>(cut: &Cut<'_, H>, size: usize) -> Segments {
    let bytes = (0..cut.count()).map(|index| cut.segment_len(index)).sum();
    Segments { size: size as u16, count: cut.count(), bytes }
}

/// How many frames a packet of `len` bytes takes.
pub(super) const fn frames_of(len: usize) -> usize {
    len.div_ceil(Frame::<Free>::CAPACITY)
}

/// Writes the next segment into as many frames as it takes; all but the last are full.
fn next_segment<'u>(
    cut: &mut Cut<'_, Frame<'u, Packet>>,
    pool: &mut Pool<'u>,
) -> Option<Frame<'u, Packet>> {
    let header_len = cut.header_len();
    let mut first = pool.take()?;
    let payload_len = cut.write_payload(&mut first.space()[header_len..]);
    let mut rest = ArrayVec::<_, MOST_PIECES>::new();
    while cut.payload_left() > 0 {
        let Some(mut frame) = pool.take() else { break };
        let len = cut.write_payload(frame.space());
        rest.push(frame.into_packet(len));
    }
    debug_assert_eq!(cut.payload_left(), 0, "the frames were counted before");
    cut.write_header(first.space());
    let mut packet = first.into_packet(header_len + payload_len);
    rest.into_iter().for_each(|piece| packet.append(piece));
    Some(packet)
}
