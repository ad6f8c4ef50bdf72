//! `segment(coalesce(x)) == x` for every kind of tunnel around every kind of packet, and what hostile bytes
//! must not do.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use sluice_common::offload::{GroConfig, Hold, Profile, RxChecksum, Segmenter, VnetHeader};
use sluice_common::reason::FlushReason;
use sluice_common::testing::{Encapsulation, Event, Field, Frame, Packet, Tunnel, round_trip};
use sluice_common::wire::tcp::Flags;
use sluice_common::wire::{EtherType, Headers, Link, TunnelPorts, ipv4};

fn udp_checksum() -> impl Strategy<Value = Field> {
    select(vec![Field::Right, Field::Is(0)])
}

fn frame() -> impl Strategy<Value = Frame> {
    let tag = (select(vec![EtherType::VLAN, EtherType::QINQ]), any::<u16>());
    prop::collection::vec(tag, 0..3).prop_map(|tags| Frame { tags, ..Frame::default() })
}

/// What stands between the IP headers, and whether an inner frame follows it.
fn encapsulation() -> impl Strategy<Value = Tunnel> {
    let vxlan = (udp_checksum(), 0_u32..1 << 24, frame()).prop_map(|(checksum, id, frame)| {
        let mut tunnel = Tunnel::vxlan().with_udp_checksum(checksum).with_frame(frame);
        if let Encapsulation::Vxlan { vni, .. } = &mut tunnel.encapsulation {
            *vni = id;
        }
        tunnel
    });
    let words = prop::collection::vec(any::<[u8; 4]>(), 0..64);
    let geneve =
        (udp_checksum(), words, prop::option::of(frame())).prop_map(|(checksum, words, frame)| {
            let mut tunnel = Tunnel::geneve().with_udp_checksum(checksum);
            if let Encapsulation::Geneve { options, .. } = &mut tunnel.encapsulation {
                *options = words.concat();
            }
            Tunnel { frame, ..tunnel }
        });
    let checksum = select(vec![None, Some(Field::Right)]);
    let gre = (checksum, prop::option::of(any::<u32>()), prop::option::of(frame())).prop_map(
        |(checksum, key, frame)| {
            let encapsulation = Encapsulation::Gre { word: 0, checksum, key, sequence: None };
            Tunnel { encapsulation, frame, ..Tunnel::ip4() }
        },
    );
    prop_oneof![vxlan, geneve, gre, Just(Tunnel::ip4())]
}

fn tunnel() -> impl Strategy<Value = Tunnel> {
    (encapsulation(), any::<bool>(), any::<[u8; 2]>(), any::<u16>(), any::<bool>()).prop_map(
        |(tunnel, over_ipv6, [ttl, tos], id, df)| {
            let tunnel = if over_ipv6 { tunnel.over_ipv6() } else { tunnel };
            Tunnel { ttl, tos, id, fragment_word: if df { ipv4::DF } else { 0 }, ..tunnel }
        },
    )
}

/// A packet in a tunnel, as its sender begins with it.
fn packet() -> impl Strategy<Value = Packet> {
    let kinds = vec![Packet::tcp4(), Packet::tcp6(), Packet::udp4(), Packet::udp6()];
    (select(kinds), tunnel(), any::<u32>(), any::<u16>(), 0_usize..20, any::<bool>()).prop_map(
        |(packet, tunnel, seq, id, padding, df)| {
            let fragment_word = if df { ipv4::DF } else { 0 };
            Packet { seq, id, padding, fragment_word, ..packet }.inside(tunnel)
        },
    )
}

/// `count` packets of `size` bytes of payload and one of `last`, which ends it; identifications as `fixed`
/// says, outer and inner.
fn burst(first: &Packet, size: usize, count: usize, last: usize, fixed: [bool; 2]) -> Vec<Packet> {
    let mut packet = first.clone();
    let mut burst = Vec::new();
    for i in 0..=count {
        let len = if i < count { size } else { last };
        packet.payload = (0..len).map(|at| (at * 31 + i) as u8).collect();
        let flags = if i < count { Flags::ACK } else { Flags::ACK.with(Flags::PSH) };
        burst.push(Packet { flags, ..packet.clone() });
        packet = packet.next();
        if let (true, Some(tunnel)) = (fixed[0], &mut packet.tunnel) {
            tunnel.id = first.tunnel.as_ref().unwrap().id;
        }
        if fixed[1] {
            packet.id = first.id;
        }
    }
    burst
}

fn config() -> impl Strategy<Value = GroConfig> {
    let profiles = select(vec![Profile::Linux, Profile::Linux612, Profile::AccEcn]);
    let checksums = select(vec![RxChecksum::Verify, RxChecksum::Partial]);
    (profiles, checksums, 1_usize..20).prop_map(|(profile, rx_checksum, max_segments)| GroConfig {
        profile,
        rx_checksum,
        max_segments,
        hold: Hold::EndOfBurst,
        ..GroConfig::default()
    })
}

fn events(bursts: &[Vec<u8>]) -> Vec<Event> {
    let packets = bursts.iter().cloned().map(Event::Packet);
    packets.chain([Event::EndOfBurst(1)]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..<_>::default() })]

    #[test]
    fn g30_s13_every_tunnel_around_every_packet_comes_out_byte_for_byte(
        first in packet(),
        sizes in (1_usize..1200, 1_usize..10, 1_usize..1200),
        fixed in any::<[bool; 2]>(),
        config in config(),
    ) {
        let (size, count, last) = sizes;
        let packets = burst(&first, size, count, last.min(size), fixed);
        let built: Vec<_> = packets.iter().map(Packet::build).collect();
        round_trip(&events(&built), config);
    }

    #[test]
    fn g30_a_well_behaved_burst_in_a_tunnel_is_one_train(
        first in packet(),
        sizes in (1_usize..1200, 1_usize..10),
    ) {
        let (size, count) = sizes;
        let packets = burst(&Packet { padding: 0, ..first }, size, count, size, [false; 2]);
        let built: Vec<_> = packets.iter().map(Packet::build).collect();
        // A checksum that comes out as zero is right either way it is written.
        let reasons = round_trip(&events(&built), GroConfig::default());
        let closes = [FlushReason::Push, FlushReason::EndOfBurst];
        prop_assert!(reasons.len() == 1 && closes.contains(&reasons[0]), "{:?}", reasons);
    }

    #[test]
    fn g23_flows_in_several_tunnels_keep_their_order(
        firsts in prop::collection::vec(packet(), 2..5),
        order in prop::collection::vec(any::<Index>(), 0..60),
        config in config(),
    ) {
        let mut senders = firsts;
        let mut built = Vec::new();
        for index in order {
            let sender = index.get(&senders).clone();
            built.push(sender.build());
            let at = index.index(senders.len());
            senders[at] = sender.next();
        }
        round_trip(&events(&built), config);
    }

    /// Whatever happens to the bytes on their way, every packet goes on as it came, in its flow's order, and
    /// what merges comes back.
    #[test]
    fn g7_g23_g30_damaged_packets_go_on_as_they_came(
        first in packet(),
        size in 1_usize..300,
        damage in prop::collection::vec((any::<Index>(), any::<Index>(), any::<u8>()), 1..6),
        is_cut in any::<bool>(),
        config in config(),
    ) {
        let packets = burst(&first, size, 6, size, [false; 2]);
        let mut built: Vec<_> = packets.iter().map(Packet::build).collect();
        for (which, at, value) in damage {
            let index = which.index(built.len());
            let bytes = &mut built[index];
            // Most of the damage is done where it hurts: in the headers.
            let at = at.index(bytes.len().min(140));
            if is_cut {
                bytes.truncate(at.max(1));
            } else {
                bytes[at] ^= value;
            }
        }
        round_trip(&events(&built), config);
    }

    /// No vnet header and no bytes make the segmenter write more than there is, or longer than it may.
    #[test]
    fn s15_a_hostile_super_packet_is_refused_or_cut_within_bounds(
        first in packet(),
        len in 1_usize..4000,
        vnet in (any::<u8>(), select(vec![0_u8, 1, 3, 4, 5, 0x81, 9]), 0_u16..400, 0_u16..3000),
        csum in (0_u16..200, select(vec![6_u16, 16, 0, 40])),
        damage in prop::collection::vec((any::<Index>(), any::<u8>()), 0..4),
    ) {
        const MTU: usize = 1500;
        let mut bytes = Packet { link: Link::None, padding: 0, ..first }
            .with_payload(&vec![7; len])
            .build();
        for (at, value) in damage {
            let at = at.index(bytes.len().min(140));
            bytes[at] ^= value;
        }
        let (flags, gso_type, hdr_len, gso_size) = vnet;
        let (csum_start, csum_offset) = csum;
        let vnet = VnetHeader { flags, gso_type, hdr_len, gso_size, csum_start, csum_offset };
        let ports = TunnelPorts::default();
        let Ok(segmenter) = Segmenter::encapsulated(&bytes, &vnet, &ports, MTU) else { return Ok(()) };
        let mut total = 0;
        for i in 0..segmenter.count() {
            let mut out = vec![0; segmenter.segment_len(i)];
            prop_assert!(out.len() <= MTU);
            prop_assert_eq!(segmenter.write(i, &mut out), out.len());
            prop_assert!(Headers::parse(&out[..], Link::None).is_ok());
            total += segmenter.payload(i).len();
        }
        let pieces: usize = segmenter.pieces().map(|piece| segmenter.piece_payload(piece).len()).sum();
        prop_assert_eq!(pieces, total);
    }
}
