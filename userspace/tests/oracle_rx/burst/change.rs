//! What a sender changes, and what goes wrong on the way.

use sluice_common::testing::{Field, Packet};
use sluice_common::wire::{Link, Protocol, tcp};

use super::generate::{Flow, extensions, options, tags};
use super::random::Random;
use super::{Damage, Sent, tunnels};

/// Something out of the ordinary.
pub(super) fn change(flow: &mut Flow, burst: &mut Vec<Sent>, random: &mut Random) {
    match random.below(13) {
        0 => flow.send(flow.mss / 2, burst, random),
        1 => flow.send(flow.mss + 1, burst, random),
        2 => flow.send(0, burst, random),
        3 => with_flags(flow, burst, random),
        4 => flow.packet.seq = flow.packet.seq.wrapping_add(random.one_of(&[1, 1448, u32::MAX])),
        5 => repeat(burst, random),
        6 => swap(burst),
        7 | 8 => header(flow, random),
        9 => identification(flow, random),
        10 => flow.mss = 1 + random.below(2 * flow.mss).min(8000),
        11 => misbehaving(flow, burst, random),
        _ => damaged(flow, burst, random),
    }
}

/// Sends a packet with other flags; the closing ones twice as often.
fn with_flags(flow: &mut Flow, burst: &mut Vec<Sent>, random: &mut Random) {
    let one = 1 << random.below(8);
    let flag = random.one_of(&[one, one, tcp::Flags::PSH.0, tcp::Flags::FIN.0]);
    let before = flow.packet.flags;
    flow.packet.flags = before.with(tcp::Flags(flag));
    let len = random.one_of(&[flow.mss, flow.mss, flow.mss / 2, 0]);
    flow.send(len, burst, random);
    flow.packet.flags = before;
}

fn repeat(burst: &mut Vec<Sent>, random: &mut Random) {
    if !burst.is_empty() {
        let packet = burst[random.below(burst.len())].clone();
        burst.push(packet);
    }
}

fn swap(burst: &mut [Sent]) {
    if let [.., one, other] = burst {
        std::mem::swap(one, other);
    }
}

/// From now on the flow's packets have another field.
fn header(flow: &mut Flow, random: &mut Random) {
    let packet = &mut flow.packet;
    if packet.tunnel.is_some() && random.once_in(2) {
        return tunnels::change(packet, random);
    }
    match random.below(14) {
        0 => packet.ack = packet.ack.wrapping_add(random.byte().into()),
        1 => packet.window = packet.window.wrapping_add(random.byte().into()),
        2 => packet.ttl = packet.ttl.wrapping_sub(1),
        // ECN, or DSCP.
        3 => packet.tos ^= random.one_of(&[1, 2, 3, 4, 0x80]),
        4 => packet.flow_label ^= 1 << random.below(20),
        5 => packet.flags = tcp::Flags(packet.flags.0 ^ random.one_of(&[0x10, 0x40, 0x80])),
        6 => packet.options = options(random),
        7 => packet.fragment_word ^= 0x4000,
        8 => packet.macs[random.below(2)][5] ^= 1,
        9 => packet.tags = tags(random),
        10 => packet.reserved ^= 1 << random.below(4),
        11 => packet.urgent = random.byte().into(),
        12 => packet.extensions = extensions(random),
        // Timestamps in another order of bytes: the same length, other content.
        _ => {
            let words = 4.min(packet.options.len());
            packet.options.rotate_left(words);
        }
    }
}

fn identification(flow: &mut Flow, random: &mut Random) {
    match random.below(4) {
        3 => flow.outer_id_step = random.one_of(&[0, 1, 2]),
        0 => flow.id_step = random.one_of(&[0, 1, 2]),
        1 => flow.packet.id = flow.packet.id.wrapping_sub(flow.id_step),
        _ => flow.packet.id = flow.packet.id.wrapping_add(random.one_of(&[1, 2, 0x100])),
    }
}

/// A packet that no well-behaved sender sends; the flow goes on after it.
fn misbehaving(flow: &mut Flow, burst: &mut Vec<Sent>, random: &mut Random) {
    let mut sent = flow.next(flow.mss, random);
    let packet = &mut sent.packet;
    if packet.tunnel.is_some() && random.once_in(2) {
        tunnels::misbehave(packet, random);
        return burst.push(sent);
    }
    match random.below(10) {
        0 => packet.checksum = Field::Wrong,
        1 => packet.ip_checksum = Field::Wrong,
        2 => packet.ip_options = vec![1; 4 * (1 + random.below(10))],
        3 | 9 => packet.fragment_word |= random.one_of(&[0x2000, 0x0001, 0x1fff, 0x8000]),
        4 => packet.extensions.push((Protocol::FRAGMENT, vec![0; 8])),
        5 => packet.padding = 1 + random.below(46),
        6 => packet.protocol = random.one_of(&[Protocol::UDP, Protocol(1), Protocol(132)]),
        7 => packet.flags = tcp::Flags(random.byte()),
        _ => packet.checksum = random.one_of(&[Field::Partial, Field::Is(0), Field::Is(0xffff)]),
    }
    burst.push(sent);
}

/// One bit of byte `at`; not of an inner IP version, which Linux does not look at where it is IPv6.
fn flip(packet: &Packet, at: usize, random: &mut Random) -> Damage {
    let inner = Packet { tunnel: None, link: Link::None, padding: 0, ..packet.clone() };
    let inner_at = packet.build().len() - packet.padding - inner.build().len();
    Damage::Flip(if at == inner_at { at + 1 } else { at }, 1 << random.below(8))
}

/// Makes version 5 of 4, and 7 of 6.
const OTHER_VERSION: u8 = 0x10;

impl Sent {
    fn has_other_version(&self) -> bool {
        matches!(self.damage, Some(Damage::Flip(_, OTHER_VERSION)))
    }
}

/// A packet that something happened to on its way.
fn damaged(flow: &mut Flow, burst: &mut Vec<Sent>, random: &mut Random) {
    let sent = flow.next(flow.mss, random);
    let len = sent.packet.build().len();
    let network = 14 + 4 * sent.packet.tags.len();
    let damage = match random.below(7) {
        // The VLAN tags stay whole: the kernel drops a packet that ends in one.
        0 => Damage::Cut(34 + random.below(len - 34)),
        // Not the MAC addresses and EtherTypes: those of the marker are not to be met by chance.
        1 => flip(&sent.packet, network + 1 + random.below(99), random),
        // Another IP version. One in a burst: two of no version Linux compares by whatever stands there.
        2 if !burst.iter().any(Sent::has_other_version) => Damage::Flip(network, OTHER_VERSION),
        3 if sent.packet.protocol == Protocol::UDP => {
            Damage::UdpLength(random.one_of(&[-1, 1, 100]))
        }
        3 | 4 => Damage::Length(random.one_of(&[-1, 1, -40, 100])),
        5 => tunnels::other_udp_length(&sent.packet).unwrap_or(Damage::AllOnes),
        _ => Damage::AllOnes,
    };
    burst.push(Sent { damage: Some(damage), ..sent });
}
