//! The burst a seed and a number tell: a few flows that send in turn, most of it what well-behaved
//! senders send, so that trains form.

use sluice_common::testing::{Packet, Tunnel};
use sluice_common::wire::{EtherType, Protocol, ethernet, tcp};

use super::random::Random;
use super::{Sent, change, tunnels};
use crate::bed::MAX_BURST;

/// What the packets of a burst are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Family {
    /// TCP over IPv4 and IPv6.
    Tcp,
    /// UDP, and some TCP between.
    Udp,
    /// TCP and UDP in tunnels, and some beside them.
    Tunnels,
}

/// One sender: what it sends next.
pub(super) struct Flow {
    pub(super) packet: Packet,
    /// How far one IPv4 identification is from the next.
    pub(super) id_step: u16,
    /// The same of the outer header.
    pub(super) outer_id_step: u16,
    /// Payload bytes of a full packet.
    pub(super) mss: usize,
    /// Whether short frames are padded, as Ethernet has it.
    pub(super) pads: bool,
}

/// Segment sizes: tiny, odd, a few that make trains of 64 KiB, and those of real paths.
const SIZES: [usize; 12] = [1, 2, 7, 100, 101, 536, 1000, 1220, 1448, 1460, 4000, 8948];

/// Burst `index` of `seed`.
pub(crate) fn generate(family: Family, seed: u64, index: u64) -> Vec<Sent> {
    let mut random = Random::new(seed, index);
    let count = random.one_of(&[1, 1, 1, 2, 2, 3, 4, 12]);
    let mut flows: Vec<Flow> = (0..count).map(|n| flow(family, n, &mut random)).collect();
    let len = 1 + random.below(MAX_BURST);
    // How wild the burst is: so often something out of the ordinary happens.
    let calm = random.one_of(&[3, 6, 10, 20, 40]);
    let mut burst = Vec::new();
    let mut current = 0;
    while burst.len() < len {
        if random.once_in(3) {
            current = random.below(count);
        }
        step(&mut flows[current], calm, &mut burst, &mut random);
    }
    burst.truncate(len);
    burst
}

/// `len` packets that make one train.
pub(crate) fn train(len: usize) -> Vec<Vec<u8>> {
    std::iter::successors(Some(Packet::tcp4()), |packet| Some(packet.next()))
        .take(len)
        .map(|packet| packet.build())
        .collect()
}

fn step(flow: &mut Flow, calm: usize, burst: &mut Vec<Sent>, random: &mut Random) {
    if random.once_in(calm) {
        change::change(flow, burst, random);
    } else {
        flow.send(flow.mss, burst, random);
    }
}

impl Flow {
    /// Sends `len` bytes and goes on after them.
    pub(super) fn send(&mut self, len: usize, burst: &mut Vec<Sent>, random: &mut Random) {
        let sent = self.next(len, random);
        burst.push(sent);
    }

    /// The flow's next packet, with `len` bytes of payload.
    pub(super) fn next(&mut self, len: usize, random: &mut Random) -> Sent {
        self.packet.payload = payload(len, random);
        let mut packet = self.packet.clone();
        if self.pads {
            packet.padding = ethernet::MIN_FRAME_LEN.saturating_sub(packet.build().len());
        }
        self.go_on();
        Sent { packet, damage: None }
    }

    /// What follows the packet that was just sent.
    fn go_on(&mut self) {
        if let Some(tunnel) = &mut self.packet.tunnel {
            let id = tunnel.id.wrapping_add(self.outer_id_step);
            **tunnel = Tunnel { id, ..tunnel.next() };
        }
        self.packet.seq = self.packet.seq.wrapping_add(self.packet.payload.len() as u32);
        self.packet.id = self.packet.id.wrapping_add(self.id_step);
    }
}

fn payload(len: usize, random: &mut Random) -> Vec<u8> {
    let start = random.byte();
    (0..len).map(|n| start.wrapping_add((n * 7 + n / 256) as u8)).collect()
}

fn flow(family: Family, number: usize, random: &mut Random) -> Flow {
    let base = if random.once_in(2) { Packet::tcp4() } else { Packet::tcp6() };
    let mut packet = Packet { src_port: 40_000 + number as u16, ..base };
    let is_udp = match family {
        Family::Tcp => false,
        Family::Udp => !random.once_in(4),
        Family::Tunnels => random.once_in(4),
    };
    if is_udp {
        packet.protocol = Protocol::UDP;
    }
    if family == Family::Tunnels && !random.once_in(6) {
        packet.tunnel = Some(Box::new(tunnels::tunnel(random)));
    }
    packet.seq = random.one_of(&[1, 0x7fff_ff00, u32::MAX - 3000, 0]);
    packet.id = random.one_of(&[0, 1000, 0xfff0]);
    packet.fragment_word = random.one_of(&[0, 0x4000, 0x4000]);
    packet.options = options(random);
    packet.tags = tags(random);
    packet.extensions = extensions(random);
    packet.flags =
        random.one_of(&[tcp::Flags::ACK, tcp::Flags::ACK, tcp::Flags(0), tcp::Flags(0x50)]);
    packet.tos = random.one_of(&[0, 0, 2, 0xb8, 3]);
    let id_step = random.one_of(&[1, 1, 1, 0, 0, 2, 256]);
    let outer_id_step = random.one_of(&[1, 1, 0, 0, 2]);
    let (mss, pads) = (random.one_of(&SIZES), random.once_in(8));
    let mut flow = Flow { packet, id_step, outer_id_step, mss, pads };
    if flow.pads {
        flow.packet.options.clear();
        flow.mss = 1 + random.below(6);
    }
    flow
}

/// TCP options: timestamps above all.
pub(super) fn options(random: &mut Random) -> Vec<u8> {
    let timestamps = vec![1, 1, 8, 10, 0, 0, 1, 0, 0, 0, 2, random.byte()];
    let mut sack = vec![1, 1, 5, 10];
    sack.extend([0, 0, 0, 1, 0, 0, 0, random.byte()]);
    let both = [&timestamps[..], &sack[..]].concat();
    let longest = vec![1; 40];
    random.one_of(&[vec![], timestamps.clone(), timestamps.clone(), sack, both, longest])
}

/// VLAN and QinQ, now and then.
pub(super) fn tags(random: &mut Random) -> Vec<(EtherType, u16)> {
    let (vlan, qinq) = ((EtherType::VLAN, 0x2005), (EtherType::QINQ, 7));
    match random.below(16) {
        0 => vec![vlan],
        1 => vec![qinq, vlan],
        _ => vec![],
    }
}

/// IPv6 extension headers, now and then.
pub(super) fn extensions(random: &mut Random) -> Vec<(Protocol, Vec<u8>)> {
    let padding = vec![0, 0, 1, 4, 0, 0, 0, 0];
    let kinds = [Protocol::HOP_BY_HOP, Protocol::ROUTING, Protocol::DESTINATION_OPTIONS];
    match random.below(8) {
        0 => vec![(random.one_of(&kinds), padding)],
        1 => vec![
            (Protocol::HOP_BY_HOP, padding.clone()),
            (Protocol::DESTINATION_OPTIONS, [&padding[..], &padding[..]].concat()),
        ],
        _ => vec![],
    }
}
