//! What became of each packet, in the order of the capture.
//!
//! Whether a held packet started or joined a train shows only when the train is released. Until then its
//! line, and all after it, wait.

use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use sluice_common::offload::{GroConfig, GsoType, Train};
use sluice_common::reason::FlushReason;

use super::burst::Bursts;
use super::flow::Flow;
use super::lane::{Lanes, Released};
use super::packet::{Numbered, Packet};

/// Most lines that wait; then what is held is released. A train is held for a second at most, in which a
/// network of 10 Gbit/s carries fewer full-size packets.
const MOST_WAITING: usize = 1 << 20;
/// Most flows whose name is kept.
const MOST_NAMES: usize = 1 << 16;

/// One line of the account.
#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    /// A packet, and what became of it.
    Packet(PacketLine),
    /// A train that was released while no packet arrived.
    Ended(Ended),
}

/// A packet, and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct PacketLine {
    /// Its number in the capture, from 1.
    pub number: u64,
    /// When it came, in nanoseconds since 1970.
    pub time: u64,
    /// Its length on the wire.
    pub len: usize,
    /// How many of its bytes the capture has.
    pub captured: usize,
    /// Its flow.
    pub flow: Rc<Flow>,
    /// What became of it.
    pub fate: Fate,
    /// The trains that its arrival ended.
    pub ended: Vec<Ended>,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It went on at once, alone.
    Alone(FlushReason),
    /// It is the first of this train.
    Started(u64),
    /// It joined this train.
    Joined(u64),
}

/// A train that was released.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// Its number, from 1, in the order in which the trains began.
    pub train: u64,
    /// When it was released, in nanoseconds since 1970.
    pub time: u64,
    /// How long its first packet was held, in nanoseconds.
    pub held: u64,
    /// Why.
    pub reason: FlushReason,
    /// Its flow.
    pub flow: Rc<Flow>,
    /// The numbers of its packets.
    pub packets: Vec<u64>,
    /// Bytes from the IP header on.
    pub ip_len: usize,
    /// Payload bytes of each packet but the last; 0 in a train of one.
    pub gso_size: u16,
    /// How many wire packets it makes.
    pub gso_segs: u16,
    /// How it is segmented.
    pub gso_type: GsoType,
}

/// A packet whose fate may not be known yet.
struct Waiting {
    number: u64,
    time: u64,
    len: usize,
    captured: usize,
    flow: Rc<Flow>,
    /// What was released between the packet before and this one. Trains are called by their first packet.
    before: VecDeque<Ended>,
    fate: Option<Fate>,
    ended: Vec<Ended>,
}

/// Runs packets through the engine and keeps account of each.
pub struct Trace {
    lanes: Lanes,
    waiting: VecDeque<Waiting>,
    /// What was released since the last packet.
    since: VecDeque<Ended>,
    names: HashMap<String, Rc<Flow>>,
    /// The numbers of trains whose lines have begun, by their first packet's.
    trains: HashMap<u64, u64>,
    begun: u64,
}

impl Trace {
    /// An account of what a coalescer that works by `config` does.
    #[must_use]
    pub fn new(config: GroConfig, bursts: Bursts) -> Self {
        Self {
            lanes: Lanes::new(config, bursts),
            waiting: VecDeque::new(),
            since: VecDeque::new(),
            names: HashMap::new(),
            trains: HashMap::new(),
            begun: 0,
        }
    }

    /// The capture's next packet. Shows `sink` every train that is released, in order.
    pub fn push(
        &mut self,
        packet: &Rc<Packet>,
        mut sink: impl FnMut(&Train<Numbered>, FlushReason),
    ) {
        let mut released = Vec::new();
        self.lanes.advance(packet.time, |one| note(one, &mut sink, &mut released));
        if self.waiting.len() >= MOST_WAITING {
            self.lanes.make_room(|one| note(one, &mut sink, &mut released));
        }
        self.pass_time(released.drain(..));
        self.expect(packet);
        self.lanes.push(packet, |one| note(one, &mut sink, &mut released));
        for account in released {
            self.arrive(packet.number, account);
        }
    }

    /// The capture ends.
    pub fn finish(&mut self, mut sink: impl FnMut(&Train<Numbered>, FlushReason)) {
        let mut released = Vec::new();
        self.lanes.finish(|one| note(one, &mut sink, &mut released));
        self.pass_time(released.into_iter());
    }

    /// The next line that is known.
    pub fn next_line(&mut self) -> Option<Line> {
        let Some(front) = self.waiting.front_mut() else {
            let ended = self.since.pop_front()?;
            return Some(Line::Ended(self.ended(ended)));
        };
        if let Some(ended) = front.before.pop_front() {
            return Some(Line::Ended(self.ended(ended)));
        }
        let fate = front.fate?;
        let Waiting { number, time, len, captured, flow, ended, .. } = self.waiting.pop_front()?;
        let fate = match fate {
            Fate::Alone(reason) => Fate::Alone(reason),
            Fate::Started(first) => Fate::Started(self.begun(first)),
            Fate::Joined(first) => Fate::Joined(self.begun(first)),
        };
        let ended = ended.into_iter().map(|ended| self.ended(ended)).collect();
        Some(Line::Packet(PacketLine { number, time, len, captured, flow, fate, ended }))
    }

    /// A line for a packet that arrives.
    fn expect(&mut self, packet: &Packet) {
        let flow = self.flow(packet);
        self.waiting.push_back(Waiting {
            number: packet.number,
            time: packet.time,
            len: packet.len,
            captured: packet.captured,
            flow,
            before: std::mem::take(&mut self.since),
            fate: None,
            ended: Vec::new(),
        });
    }

    fn flow(&mut self, packet: &Packet) -> Rc<Flow> {
        let flow = Flow::of(packet);
        if let Some(known) = self.names.get(&flow.name) {
            return Rc::clone(known);
        }
        let flow = Rc::new(flow);
        if self.names.len() < MOST_NAMES {
            self.names.insert(flow.name.clone(), Rc::clone(&flow));
        }
        flow
    }

    /// Trains that were released while no packet arrived.
    fn pass_time(&mut self, released: impl Iterator<Item = Account>) {
        for account in released {
            let ended = self.settle(account);
            self.since.extend(ended);
        }
    }

    /// A train that was released on the arrival of packet `number`.
    fn arrive(&mut self, number: u64, account: Account) {
        if account.packets == [number] {
            if let Some(waiting) = self.line(number) {
                waiting.fate = Some(Fate::Alone(account.reason));
            }
            return;
        }
        let ended = self.settle(account);
        if let Some(waiting) = self.line(number) {
            waiting.ended.extend(ended);
        }
    }

    /// The packets of a train that was held know their fate.
    fn settle(&mut self, account: Account) -> Option<Ended> {
        let Account { packets, time, reason, ip_len, gso_size, gso_segs, gso_type } = account;
        let first = *packets.first()?;
        for number in &packets {
            let fate = if *number == first { Fate::Started(first) } else { Fate::Joined(first) };
            if let Some(waiting) = self.line(*number) {
                waiting.fate = Some(fate);
            }
        }
        let waiting = self.line(first)?;
        let (flow, held) = (Rc::clone(&waiting.flow), time.saturating_sub(waiting.time));
        let train = first;
        Some(Ended {
            train,
            time,
            held,
            reason,
            flow,
            packets,
            ip_len,
            gso_size,
            gso_segs,
            gso_type,
        })
    }

    fn line(&mut self, number: u64) -> Option<&mut Waiting> {
        let first = self.waiting.front()?.number;
        self.waiting.get_mut(usize::try_from(number.checked_sub(first)?).ok()?)
    }

    /// The number of the train that begins with packet `first`.
    fn begun(&mut self, first: u64) -> u64 {
        let begun = &mut self.begun;
        *self.trains.entry(first).or_insert_with(|| {
            *begun += 1;
            *begun
        })
    }

    fn ended(&mut self, ended: Ended) -> Ended {
        let train = self.begun(ended.train);
        self.trains.remove(&ended.train);
        Ended { train, ..ended }
    }
}

/// What is to be remembered of a train that was released.
struct Account {
    packets: Vec<u64>,
    time: u64,
    reason: FlushReason,
    ip_len: usize,
    gso_size: u16,
    gso_segs: u16,
    gso_type: GsoType,
}

fn note(
    released: &Released,
    sink: &mut impl FnMut(&Train<Numbered>, FlushReason),
    accounts: &mut Vec<Account>,
) {
    let Released { train, reason, time } = released;
    sink(train, *reason);
    accounts.push(Account {
        packets: train.packets().iter().map(|packet| packet.0.number).collect(),
        time: *time,
        reason: *reason,
        ip_len: train.ip_len(),
        gso_size: train.gso_size(),
        gso_segs: train.gso_segs(),
        gso_type: train.gso_type(),
    });
}
