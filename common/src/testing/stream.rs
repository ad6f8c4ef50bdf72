//! Streams: what arrives at a port, told by a few bytes, so that a fuzzer and a property test can
//! make any of them.
//!
//! Six flows send in order, two of them UDP; each four bytes of the plan let one of them go on, or do what networks and
//! attackers do: lose, repeat, reorder, change a field, mark, pad, lie, cut.

use alloc::vec;
use alloc::vec::Vec;

use super::{Field, Packet};
use crate::wire::{EtherType, Link, Protocol, tcp};

/// What happens at a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A packet arrives.
    Packet(Vec<u8>),
    /// A burst ends, and so much time passes until the next, in nanoseconds.
    EndOfBurst(u64),
}

/// The stream a plan tells. `partial` lets senders leave checksums to a NIC.
#[must_use]
pub fn stream(plan: &[u8], partial: bool) -> Vec<Event> {
    let mut senders = senders();
    let mut events = Vec::new();
    for step in plan.as_chunks::<4>().0 {
        let [action, flow, a, b] = *step;
        let sender = &mut senders[usize::from(flow) % senders.len()];
        act(sender, action, [a, b], partial, &mut events);
    }
    events
}

/// Six flows that have little in common.
fn senders() -> [Packet; 6] {
    let plain = Packet { options: Vec::new(), ..Packet::tcp4() };
    let mut tagged = Packet { src_port: 443, fragment_word: 0, ..Packet::tcp4() };
    tagged.tags = vec![(EtherType::QINQ, 5), (EtherType::VLAN, 0x2006)];
    let v6 = Packet { seq: u32::MAX - 2000, ..Packet::tcp6() };
    let mut extended = Packet { src_port: 444, ..Packet::tcp6() };
    extended.extensions = vec![(Protocol::DESTINATION_OPTIONS, vec![0, 0, 1, 4, 0, 0, 0, 0])];
    let udp6 = Packet { tos: 3, ..Packet::udp6() };
    [plain, tagged, v6, extended, Packet::udp4(), udp6]
}

/// One step of the plan. Half of the actions are an ordinary packet, so that trains form.
fn act(sender: &mut Packet, action: u8, [a, b]: [u8; 2], partial: bool, events: &mut Vec<Event>) {
    sender.checksum = if partial && action & 0x40 != 0 { Field::Partial } else { Field::Right };
    match action & 0x3f {
        0 => events.push(Event::EndOfBurst(u64::from(a) * 16)),
        1 => reorder(events),
        2 => repeat(events, a),
        3 => *sender = sender.next(),
        4 => sender.seq = sender.seq.wrapping_sub(u32::from(a)),
        5 => change_header(sender, a, b),
        6 => send_once(sender, events, |packet| misbehave(packet, a, b)),
        7 => events.push(Event::Packet(damaged(sender, a, b))),
        8 => events.push(Event::Packet(vec![b; a.into()])),
        9 => send_once(sender, events, |packet| packet.payload.clear()),
        10..=15 => send(sender, payload(usize::from(a) * 4 + usize::from(b % 4)), b, events),
        _ => send(sender, payload(64 + usize::from(action & 0x40) * 16), b & 0x0f, events),
    }
}

fn payload(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n * 7 + n / 256) as u8).collect()
}

/// Sends a packet and goes on after it; with PSH where `chance` is above 13.
fn send(sender: &mut Packet, payload: Vec<u8>, chance: u8, events: &mut Vec<Event>) {
    sender.payload = payload;
    let closers = if chance > 13 { tcp::Flags::PSH } else { tcp::Flags::default() };
    send_once(sender, events, |packet| packet.flags = packet.flags.with(closers));
    *sender = sender.next();
}

/// Sends a packet that differs from the sender's other ones.
fn send_once(sender: &Packet, events: &mut Vec<Event>, change: impl FnOnce(&mut Packet)) {
    let mut packet = sender.clone();
    change(&mut packet);
    events.push(Event::Packet(packet.build()));
}

fn reorder(events: &mut [Event]) {
    if let [.., one, other] = events {
        core::mem::swap(one, other);
    }
}

fn repeat(events: &mut Vec<Event>, back: u8) {
    if let Some(index) = events.len().checked_sub(1 + usize::from(back)) {
        events.push(events[index].clone());
    }
}

/// From now on the sender's packets have another field.
fn change_header(sender: &mut Packet, which: u8, value: u8) {
    match which % 14 {
        0 => sender.ack = sender.ack.wrapping_add(value.into()),
        1 => sender.window = sender.window.wrapping_add(value.into()),
        2 => sender.ttl = value,
        3 => sender.tos = value,
        4 => sender.flow_label = value.into(),
        5 => sender.flags = tcp::Flags(value & 0xd0),
        6 => sender.options = vec![1; usize::from(value % 11) * 4],
        7 => sender.fragment_word = if value.is_multiple_of(2) { crate::wire::ipv4::DF } else { 0 },
        // Fixed, or on its way there: `next` adds one.
        8 => sender.id = sender.id.wrapping_sub(value.into()),
        9 => sender.macs[1][5] = value,
        10 => sender.tags = vec![(EtherType::VLAN, value.into()); usize::from(value % 4)],
        11 => sender.reserved = value & 0x0f,
        12 => sender.urgent = value.into(),
        _ => sender.extensions.push((Protocol::HOP_BY_HOP, vec![value; 8])),
    }
    sender.extensions.truncate(3);
}

/// What no well-behaved sender does.
fn misbehave(packet: &mut Packet, which: u8, value: u8) {
    match which % 10 {
        0 => packet.checksum = Field::Wrong,
        1 => packet.ip_checksum = Field::Wrong,
        2 => packet.ip_options = vec![1; usize::from(value % 11) * 4],
        3 => packet.fragment_word = u16::from(value) << 8 | 1,
        4 => packet.flags = tcp::Flags(value),
        5 => packet.padding = value.into(),
        6 => packet.protocol = Protocol(value),
        7 => packet.protocol = Protocol::UDP,
        8 => packet.checksum = Field::Is(u16::from(value) * 0x0101),
        _ => packet.link = Link::None,
    }
}

/// A packet that something happened to on its way: cut, or one byte changed.
fn damaged(sender: &Packet, at: u8, value: u8) -> Vec<u8> {
    let mut bytes = sender.build();
    let at = usize::from(at) % bytes.len();
    if value == 0 {
        bytes.truncate(at);
    } else {
        bytes[at] ^= value;
    }
    bytes
}
