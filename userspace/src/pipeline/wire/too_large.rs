//! What does not fit the other side: fragments where the sender allows them, else an answer to him.

use sluice_common::Side;
use sluice_common::answer::{AnswerFrom, RateLimit, too_big};
use sluice_common::offload::{Buffer, Train};
use sluice_common::reason::DropReason;
use sluice_common::stage::Stage;
use sluice_common::translate::Fragments;
use sluice_common::wire::Headers;

use super::config::Answers;
use super::egress::Egress;
use super::recut::frames_of;
use crate::port::HostPort;
use crate::xsk::{Frame, Free, MAX_MTU, Packet, Pool};

/// How senders of what is too large are answered, and room to write in.
#[derive(Debug)]
pub(super) struct TooLarge {
    from: AnswerFrom,
    limit: RateLimit,
    scratch: Box<[u8]>,
}

impl TooLarge {
    pub(super) fn new(answers: Answers) -> Self {
        let scratch = vec![0; 2 * MAX_MTU].into();
        Self { from: answers.from, limit: RateLimit::new(answers.per_second), scratch }
    }

    /// Answers differently from now on.
    pub(super) fn switch(&mut self, answers: Answers) {
        (self.from, self.limit) = (answers.from, RateLimit::new(answers.per_second));
    }
}

impl<'u, S: Stage, T: HostPort> Egress<'_, 'u, S, T> {
    /// Each packet of the train in fragments.
    pub(super) fn fragment(
        &mut self,
        train: Train<Frame<'u, Packet>>,
        headers: &Headers,
        to: Side,
        mtu: u16,
    ) {
        for packet in train.packets() {
            let Some(fragments) = Fragments::new(packet, headers, mtu.into()) else { continue };
            let frames: usize = (0..fragments.count()).map(|i| frames_of(fragments.len(i))).sum();
            if frames > self.desk.out(to).room() || frames > self.desk.pool.len() {
                self.desk.count_dropped(self.side, 1, DropReason::BacklogFull);
                continue;
            }
            for index in 0..fragments.count() {
                let len = fragments.write(index, &mut self.way.too_large.scratch);
                let written = &self.way.too_large.scratch[..len];
                if let Some(fragment) = in_frames(written, self.desk.pool) {
                    self.desk.out(to).push(fragment);
                }
            }
            let counts = self.desk.side(self.side);
            counts.fragmented_packets += 1;
            counts.fragmented_into += fragments.count() as u64;
        }
        self.desk.release(train, &mut self.way.spent);
    }

    /// Tells the sender of each packet what the other side takes, and drops the packet.
    pub(super) fn answer(&mut self, train: Train<Frame<'u, Packet>>, headers: &Headers, mtu: u16) {
        for packet in train.packets() {
            if self.answer_one(packet.head(), headers, mtu) {
                self.desk.side(self.side).answered_packets += 1;
            } else {
                self.desk.count_dropped(self.side, 1, DropReason::TooLarge);
            }
        }
        self.desk.release(train, &mut self.way.spent);
    }

    fn answer_one(&mut self, packet: &[u8], headers: &Headers, mtu: u16) -> bool {
        let TooLarge { from, limit, scratch } = &mut self.way.too_large;
        let Some(len) = too_big(packet, headers, mtu, from, scratch) else { return false };
        if self.desk.out(self.side).room() < frames_of(len) || !limit.allow(self.now) {
            return false;
        }
        let answer = in_frames(&self.way.too_large.scratch[..len], self.desk.pool);
        answer.map(|answer| self.desk.out(self.side).push(answer)).is_some()
    }
}

/// Whether all packets of the train may be fragmented for an MTU.
pub(super) fn may_be_fragmented(
    train: &Train<Frame<'_, Packet>>,
    headers: &Headers,
    mtu: u16,
) -> bool {
    train.packets().iter().all(|packet| Fragments::new(packet, headers, mtu.into()).is_some())
}

/// A copy of `bytes` in as many frames as it takes; `None` where there are not so many.
fn in_frames<'u>(bytes: &[u8], pool: &mut Pool<'u>) -> Option<Frame<'u, Packet>> {
    if frames_of(bytes.len()) > pool.len() {
        return None;
    }
    let mut pieces = bytes.chunks(Frame::<Free>::CAPACITY);
    let mut packet = pool.take()?.copy_from(pieces.next()?);
    for piece in pieces {
        packet.append(pool.take()?.copy_from(piece));
    }
    Some(packet)
}
