//! Tunnels around a flow's packets, and what changes in them.

use sluice_common::testing::{Encapsulation, Field, Frame, OuterUdp, Packet, Tunnel};
use sluice_common::wire::{EtherType, Protocol, ipv4, ipv6, udp};

use super::Damage;
use super::random::Random;

/// A tunnel of any kind.
pub(super) fn tunnel(random: &mut Random) -> Tunnel {
    let checksum = random.one_of(&[Field::Is(0), Field::Right]);
    let mut tunnel = match random.below(8) {
        0 | 1 => Tunnel::ip4(),
        2 => Tunnel::gre(),
        3 => Tunnel::gre_with(Field::Right, 7),
        4 => Tunnel::gre().with_frame(Frame::default()),
        5 => Tunnel::geneve().with_udp_checksum(checksum),
        _ => Tunnel::vxlan().with_udp_checksum(checksum),
    };
    if random.once_in(3) {
        tunnel = tunnel.over_ipv6();
    }
    tunnel.fragment_word = random.one_of(&[0, 0x4000, 0x4000]);
    tunnel.id = random.one_of(&[0, 1000, 0xfff0]);
    tunnel
}

/// From now on the flow's packets have another field around them.
pub(super) fn change(packet: &mut Packet, random: &mut Random) {
    let Some(tunnel) = &mut packet.tunnel else { return };
    match random.below(10) {
        0 => tunnel.ttl = tunnel.ttl.wrapping_sub(1),
        1 => tunnel.tos ^= random.one_of(&[1, 2, 3, 4, 0x80]),
        2 => tunnel.fragment_word ^= 0x4000,
        3 => tunnel.flow_label ^= 1 << random.below(20),
        4 => tunnel.id = tunnel.id.wrapping_add(random.one_of(&[1, 2, 0xffff])),
        5 => {
            if let Some(frame) = &mut tunnel.frame {
                frame.macs[random.below(2)][5] ^= 1;
            }
        }
        6 => {
            if let Some(frame) = &mut tunnel.frame {
                frame.tags = random.one_of(&[vec![], vec![(EtherType::VLAN, 5)]]);
            }
        }
        _ => header(&mut tunnel.encapsulation, random),
    }
}

/// What stands between the IP headers.
fn header(encapsulation: &mut Encapsulation, random: &mut Random) {
    match encapsulation {
        Encapsulation::Ip => {}
        Encapsulation::Vxlan { udp, flags, reserved, vni, last } => match random.below(5) {
            0 => *vni ^= 1,
            1 => *flags ^= random.one_of(&[0x08, 0x04, 0x40]),
            2 => reserved[random.below(3)] ^= 1,
            3 => *last ^= 1,
            _ => ports(udp, random),
        },
        Encapsulation::Geneve { udp, flags, vni, options, .. } => match random.below(4) {
            0 => *vni ^= 1,
            1 => *flags ^= random.one_of(&[0x80, 0x40]),
            2 => options.iter_mut().take(8).for_each(|byte| *byte ^= 1),
            _ => ports(udp, random),
        },
        Encapsulation::Gre { checksum, key, sequence, .. } => match random.below(3) {
            // Linux compares no keys beside checksums, and two checksums may be the same.
            0 if checksum.is_none() => *key = random.one_of(&[None, Some(7), Some(8)]),
            0 => {}
            1 => *checksum = random.one_of(&[None, Some(Field::Right)]),
            _ => *sequence = if random.once_in(3) { Some(1) } else { None },
        },
    }
}

fn ports(udp: &mut OuterUdp, random: &mut Random) {
    match random.below(3) {
        0 => udp.checksum = random.one_of(&[Field::Is(0), Field::Right]),
        _ => udp.src_port ^= 1,
    }
}

/// What is wrong around one packet.
pub(super) fn misbehave(packet: &mut Packet, random: &mut Random) {
    let Some(tunnel) = &mut packet.tunnel else { return };
    match random.below(6) {
        0 => tunnel.ip_checksum = Field::Wrong,
        1 => tunnel.ip_options = vec![1; 4],
        2 => tunnel.fragment_word |= random.one_of(&[0x2000, 0x0001, 0x8000]),
        3 => tunnel.extensions.push((Protocol::DESTINATION_OPTIONS, vec![0, 0, 1, 4, 0, 0, 0, 0])),
        _ => match &mut tunnel.encapsulation {
            Encapsulation::Vxlan { udp, .. } | Encapsulation::Geneve { udp, .. } => {
                udp.checksum = Field::Wrong;
            }
            Encapsulation::Gre { checksum: Some(checksum), .. } => *checksum = Field::Wrong,
            Encapsulation::Gre { sequence, .. } if random.once_in(2) => *sequence = Some(1),
            Encapsulation::Gre { word, .. } => *word |= random.one_of(&[1, 0x4000]),
            Encapsulation::Ip => {}
        },
    }
}

/// Another length in the outer UDP header, if there is one.
pub(super) fn other_udp_length(packet: &Packet) -> Option<Damage> {
    let tunnel = packet.tunnel.as_ref()?;
    let is_udp =
        matches!(tunnel.encapsulation, Encapsulation::Vxlan { .. } | Encapsulation::Geneve { .. });
    let ip = if tunnel.src.is_ipv6() { ipv6::HEADER_LEN } else { ipv4::HEADER_LEN };
    let at = super::network(packet) + ip + udp::LENGTH + 1;
    is_udp.then_some(Damage::Flip(at, 1))
}
