//! Streams: what arrives at a port, told by a few bytes, so that a fuzzer and a property test can
//! make any of them.
//!
//! Twelve flows send in order, some of them UDP and half of them in tunnels; each four bytes of the plan let one of them go on, or do what networks and
//! attackers do: lose, repeat, reorder, change a field, mark, pad, lie, cut.

use alloc::vec;
use alloc::vec::Vec;

use super::{Encapsulation, Field, Frame, Packet, Tunnel};
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

/// Twelve flows that have little in common.
fn senders() -> [Packet; 12] {
    let plain = Packet { options: Vec::new(), ..Packet::tcp4() };
    let mut tagged = Packet { src_port: 443, fragment_word: 0, ..Packet::tcp4() };
    tagged.tags = vec![(EtherType::QINQ, 5), (EtherType::VLAN, 0x2006)];
    let v6 = Packet { seq: u32::MAX - 2000, ..Packet::tcp6() };
    let mut extended = Packet { src_port: 444, ..Packet::tcp6() };
    extended.extensions = vec![(Protocol::DESTINATION_OPTIONS, vec![0, 0, 1, 4, 0, 0, 0, 0])];
    let udp6 = Packet { tos: 3, ..Packet::udp6() };
    let [a, b, c, d, e, f] = encapsulated();
    [plain, tagged, v6, extended, Packet::udp4(), udp6, a, b, c, d, e, f]
}

/// The same inner flow in two tunnels, and others.
fn encapsulated() -> [Packet; 6] {
    let mut inherited = Tunnel::geneve().over_ipv6();
    inherited.frame = None;
    let tags = vec![(EtherType::VLAN, 9)];
    let bridged = Frame { tags, ..Frame::default() };
    [
        Packet::tcp4().inside(Tunnel::vxlan()),
        Packet::tcp4().inside(Tunnel::geneve().with_udp_checksum(Field::Right)),
        Packet::udp6().inside(Tunnel::vxlan().over_ipv6().with_udp_checksum(Field::Right)),
        Packet::tcp6().inside(Tunnel::gre_with(Field::Right, 9).with_frame(bridged)),
        Packet::udp4().inside(inherited),
        Packet::tcp6().inside(Tunnel { fragment_word: 0, ..Tunnel::ip4() }),
    ]
}

/// One step of the plan. Most of the actions are an ordinary packet, so that trains form.
fn act(sender: &mut Packet, action: u8, [a, b]: [u8; 2], partial: bool, events: &mut Vec<Event>) {
    sender.checksum = if partial && action & 0x40 != 0 { Field::Partial } else { Field::Right };
    match action & 0x3f {
        0 => events.push(Event::EndOfBurst(u64::from(a) * 16)),
        1 => reorder(events),
        2 => repeat(events, a),
        3 => *sender = sender.next(),
        4 => sender.seq = sender.seq.wrapping_sub(u32::from(a)),
        5 | 16..=18 => change_header(sender, a, b),
        6 | 19 | 20 => send_once(sender, events, |packet| misbehave(packet, a, b)),
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
    match which % 18 {
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
        13..=16 => change_tunnel(sender, which, value),
        _ => sender.extensions.push((Protocol::HOP_BY_HOP, vec![value; 8])),
    }
    sender.extensions.truncate(3);
}

/// From now on the sender's packets have another outer field.
fn change_tunnel(sender: &mut Packet, which: u8, value: u8) {
    let Some(tunnel) = &mut sender.tunnel else { return };
    match which % 10 {
        0 => tunnel.ttl = value,
        1 => tunnel.tos = value,
        2 => tunnel.flow_label = value.into(),
        3 => tunnel.fragment_word = if value.is_multiple_of(2) { crate::wire::ipv4::DF } else { 0 },
        4 => tunnel.id = tunnel.id.wrapping_sub(value.into()),
        5 => tunnel.frame = if value.is_multiple_of(2) { None } else { Some(Frame::default()) },
        6 => **tunnel = tunnel.clone().over_ipv6(),
        7 => **tunnel = tunnel.clone().with_udp_checksum(Field::Is(0)),
        8 => **tunnel = tunnel.clone().with_udp_checksum(Field::Right),
        _ => misencapsulate(tunnel, value),
    }
}

/// What no train can say of its packets.
fn misencapsulate(tunnel: &mut Tunnel, value: u8) {
    match &mut tunnel.encapsulation {
        Encapsulation::Vxlan { flags, vni, udp, .. } => match value % 4 {
            0 => *flags = value,
            1 => *vni = value.into(),
            2 => udp.checksum = Field::Wrong,
            _ => udp.src_port = value.into(),
        },
        Encapsulation::Geneve { flags, options, version, .. } => match value % 4 {
            0 => *flags = value,
            1 => *version = value % 4,
            _ => *options = vec![value; usize::from(value % 4) * 4],
        },
        Encapsulation::Gre { word, key, sequence, checksum } => match value % 4 {
            0 => *word = value.into(),
            1 => *key = Some(value.into()),
            2 => *sequence = Some(value.into()),
            _ => *checksum = Some(Field::Is(value.into())),
        },
        Encapsulation::Ip => tunnel.ip_options = vec![1; usize::from(value % 3) * 4],
    }
}

/// What no well-behaved sender does.
fn misbehave(packet: &mut Packet, which: u8, value: u8) {
    match which % 13 {
        0 => packet.checksum = Field::Wrong,
        1 => packet.ip_checksum = Field::Wrong,
        2 => packet.ip_options = vec![1; usize::from(value % 11) * 4],
        3 => packet.fragment_word = u16::from(value) << 8 | 1,
        4 => packet.flags = tcp::Flags(value),
        5 => packet.padding = value.into(),
        6 => packet.protocol = Protocol(value),
        7 => packet.protocol = Protocol::UDP,
        8 => packet.checksum = Field::Is(u16::from(value) * 0x0101),
        9 => change_tunnel(packet, value, which),
        10 => (packet.protocol, packet.checksum) = (Protocol::UDP, Field::Is(0)),
        11 => (packet.protocol, packet.dst_port) = (Protocol::UDP, 4789),
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
