//! A train's way: the stage is asked once, the plan is made, and only then is anything touched.

use sluice_common::Side;
use sluice_common::classify::{is_too_large, longest_frame};
use sluice_common::flow::FlowKey;
use sluice_common::offload::{Buffer, Checksum, ChecksumMode, Coalescer, Sink, Train};
use sluice_common::reason::{DropReason, FlushReason};
use sluice_common::stage::{Seen, Stage, To, Verdict};
use sluice_common::translate::{MssTable, Mtus, rewrite_syn};
use sluice_common::wire::{Bytes, EtherType, Headers, ethernet, tcp};

use super::desk::{Desk, Spent};
use super::plan::{Bounds, Plan};
use super::recut::Recut;
use super::too_large::{TooLarge, may_be_fragmented};
use crate::pipeline::burst::Outlet;
use crate::port::HostPort;
use crate::xsk::{Frame, Packet};

/// What decides about trains, and what is remembered for it.
#[derive(Debug)]
pub(super) struct Way<'u, S> {
    pub(super) stage: S,
    pub(super) mtus: [u16; 2],
    /// Whether TCP is carried from one MTU to the other.
    pub(super) translate: bool,
    /// What the receivers of connections have announced.
    pub(super) announced: MssTable,
    pub(super) too_large: TooLarge,
    pub(super) spent: Spent<'u>,
}

impl<S> Way<'_, S> {
    pub(super) const fn mtu(&self, side: Side) -> u16 {
        self.mtus[side.index()]
    }
}

/// The way of trains whose packets came in by `side`: what the coalescer releases them into.
pub(super) struct Egress<'w, 'u, S, T> {
    pub(super) side: Side,
    pub(super) way: &'w mut Way<'u, S>,
    pub(super) desk: Desk<'w, 'u, T>,
    pub(super) now: u64,
}

impl<'u, S: Stage, T: HostPort> Sink<Frame<'u, Packet>> for Egress<'_, 'u, S, T> {
    fn train(&mut self, train: Train<Frame<'u, Packet>>, reason: FlushReason) {
        let counts = self.desk.side(self.side);
        counts.released[reason.index()] += 1;
        counts.trains += 1;
        if let Some(first) = train.packets().first() {
            self.desk.latency.released(first.received());
            self.desk.latency.note(first.received());
        }
        match Seen::of(self.side, &train) {
            Some(seen) => {
                let judged = Judged::by(&mut self.way.stage, &seen);
                self.follow(train, &judged);
            }
            None => self.pass(train),
        }
    }
}

impl<'u, S: Stage, T: HostPort> Outlet<'u> for Egress<'_, 'u, S, T> {
    fn recycle(&mut self, coalescer: &mut Coalescer<Frame<'u, Packet>>) {
        self.way.spent.drain(..).for_each(|storage| coalescer.recycle(storage));
    }
}

/// What the stage has said of a train.
pub(super) struct Judged {
    pub(super) headers: Headers,
    /// The EtherType behind the addresses.
    outer: EtherType,
    /// Whether the checksum of these headers is partial.
    partial: bool,
    verdict: Verdict,
}

impl Judged {
    fn by(stage: &mut impl Stage, seen: &Seen<'_>) -> Self {
        let outer = seen.head.be16(ethernet::ETHERTYPE).map_or(EtherType(0), EtherType);
        let verdict = stage.judge(seen);
        Self { headers: seen.headers, outer, partial: seen.partial, verdict }
    }

    /// Bytes of the largest IP packet with this link header that a port of this MTU sends: a second tag takes its
    /// room from the packet.
    fn largest(&self, mtu: u16) -> u16 {
        let longest = longest_frame(self.outer, mtu.into()) as usize;
        longest.saturating_sub(self.headers.network.into()) as u16
    }

    /// Each packet of the train alike, so that it stays one.
    pub(super) fn edit(&self, train: &mut Train<Frame<'_, Packet>>) {
        let Verdict { edit, .. } = &self.verdict;
        if edit.is_nothing() {
            return;
        }
        for packet in train.packets_mut() {
            edit.apply(packet.as_mut(), &self.headers, self.partial);
        }
    }
}

impl<'u, S: Stage, T: HostPort> Egress<'_, 'u, S, T> {
    /// What is not IP is shown to no stage.
    fn pass(&mut self, train: Train<Frame<'u, Packet>>) {
        let to = self.side.other();
        let mtu = self.way.mtu(to).into();
        let too_large = |packet: &Frame<'u, Packet>| {
            is_too_large(packet.head(), packet.total_len() as u64, mtu)
        };
        if train.packets().iter().any(too_large) {
            return self.discard(train, DropReason::TooLarge);
        }
        self.forward(train, to);
    }

    fn follow(&mut self, train: Train<Frame<'u, Packet>>, judged: &Judged) {
        match judged.verdict.to {
            To::Other => self.send(train, judged, self.side.other()),
            To::Same => self.send(train, judged, self.side),
            To::Host => self.hand_to_host(train, judged),
            To::Nowhere => self.discard(train, DropReason::Stage),
        }
    }

    fn send(&mut self, mut train: Train<Frame<'u, Packet>>, judged: &Judged, to: Side) {
        let headers = &judged.headers;
        let mtu = judged.largest(self.way.mtu(to));
        let bounds = Bounds { mtu, translate: self.way.translate };
        let (announced, now) = (&mut self.way.announced, self.now);
        let plan = Plan::of(&train, headers, bounds, || {
            announced.get(&FlowKey::of(&judged.verdict.edit.headers(headers))?, now)
        });
        if plan == Plan::TooLarge && !may_be_fragmented(&train, headers, mtu) {
            return self.answer(train, headers, mtu);
        }
        if let Plan::Recut { size, fits } = plan {
            return self.recut(train, judged, to, Recut { size, fits, mtu });
        }
        judged.edit(&mut train);
        self.introduce(&mut train, headers, to);
        match plan {
            Plan::TooLarge => {
                train.complete_checksums();
                self.fragment(train, headers, to, mtu);
            }
            _ => self.forward(train, to),
        }
    }

    /// As one where the port takes it, else packet by packet; each as it came, or with its headers edited.
    pub(super) fn forward(&mut self, train: Train<Frame<'u, Packet>>, to: Side) {
        let count = train.packets().len() as u64;
        let Err(mut train) = self.desk.out(to).push_train(train) else {
            self.desk.side(self.side).forwarded_packets += count;
            return;
        };
        train.complete_checksums();
        let mut packets = train.into_packets();
        let mut forwarded = 0;
        for packet in packets.drain(..) {
            if packet.frames() <= self.desk.out(to).room() {
                self.desk.out(to).push(packet);
                forwarded += 1;
            } else {
                self.desk.pool.extend(packet.release());
                self.desk.count_dropped(self.side, 1, DropReason::BacklogFull);
            }
        }
        self.desk.side(self.side).forwarded_packets += forwarded;
        self.way.spent.push(packets);
    }

    /// A SYN tells each side what its own network carries, and the MSS in it is remembered.
    pub(super) fn introduce(
        &mut self,
        train: &mut Train<Frame<'u, Packet>>,
        headers: &Headers,
        to: Side,
    ) {
        let is_syn = train.tcp_flags().is_some_and(|flags| flags.intersects(tcp::Flags::SYN));
        if !self.way.translate || !is_syn {
            return;
        }
        let mtus = Mtus { from: self.way.mtu(self.side), to: self.way.mtu(to) };
        let mode = match train.checksum() {
            Checksum::Partial => ChecksumMode::Partial,
            _ => ChecksumMode::Full,
        };
        let Some(packet) = train.packets_mut().first_mut() else { return };
        let Some(syn) = rewrite_syn(packet.as_mut(), headers, mtus, mode) else { return };
        self.desk.side(self.side).mss_rewritten += u64::from(syn.rewritten);
        // What it is about comes from the other side, and is sought by what it says when it leaves.
        if let Some(flow) = FlowKey::of(headers) {
            self.way.announced.insert(&flow.reversed(), syn.announced, self.now);
        }
    }

    fn hand_to_host(&mut self, mut train: Train<Frame<'u, Packet>>, judged: &Judged) {
        judged.edit(&mut train);
        self.desk.side(self.side).to_host_packets += train.packets().len() as u64;
        self.desk.way_to_host().hand(train);
    }

    pub(super) fn discard(&mut self, train: Train<Frame<'u, Packet>>, reason: DropReason) {
        self.desk.count_dropped(self.side, train.packets().len(), reason);
        self.desk.release(train, &mut self.way.spent);
    }
}
