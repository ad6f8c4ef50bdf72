//! Tunnels: the outer headers' rules, and that the inner ones keep theirs.

use sluice_common::offload::{
    Checksum, ChecksumMode, Coalescer, GroConfig, GsoType, Profile, RxChecksum, Train,
};
use sluice_common::reason::FlushReason;
use sluice_common::testing::{Encapsulation, Field, Frame, Packet, Tunnel};
use sluice_common::wire::tcp::Flags;
use sluice_common::wire::{EtherType, Link, Protocol, TunnelPorts, ipv4};

use crate::burst::{assert_joins, assert_passes, coalesce, coalesce_bytes, linux, outcome, pair};

/// Every kind of tunnel over both families, with and without the checksums it may have.
fn tunnels() -> Vec<Tunnel> {
    let tagged = Frame { tags: vec![(EtherType::VLAN, 7)], ..Frame::default() };
    let mut inherited = Tunnel::geneve();
    inherited.frame = None;
    let over_ipv4 = [
        Tunnel::vxlan(),
        Tunnel::vxlan().with_udp_checksum(Field::Right).with_frame(tagged),
        Tunnel::geneve(),
        Tunnel::geneve().with_udp_checksum(Field::Right),
        inherited,
        Tunnel::gre(),
        Tunnel::gre_with(Field::Right, 0xdead_beef),
        Tunnel::gre_with(Field::Right, 1).with_frame(Frame::default()),
        Tunnel::ip4(),
    ];
    over_ipv4.into_iter().flat_map(|tunnel| [tunnel.clone(), tunnel.over_ipv6()]).collect()
}

fn inners() -> [Packet; 4] {
    [Packet::tcp4(), Packet::tcp6(), Packet::udp4(), Packet::udp6()]
}

fn cases() -> impl Iterator<Item = Packet> {
    let inside =
        |inner: Packet| tunnels().into_iter().map(move |tunnel| inner.clone().inside(tunnel));
    inners().into_iter().flat_map(inside)
}

fn vxlan() -> Packet {
    Packet::tcp4().inside(Tunnel::vxlan())
}

fn tunnel(packet: &mut Packet) -> &mut Tunnel {
    packet.tunnel.as_mut().expect("it is in a tunnel")
}

/// That a packet which differs so from its predecessor does not join it, and why; the other way round too.
#[track_caller]
fn assert_parts(first: Packet, reason: FlushReason, change: impl Fn(&mut Tunnel)) {
    let packets = pair(first, |packet| change(tunnel(packet)));
    let expected = [(1, reason), (1, FlushReason::EndOfBurst)];
    assert_eq!(outcome(&coalesce(linux(), &packets)), expected);
}

/// That a packet in such a tunnel takes no part.
#[track_caller]
fn assert_alone(packet: Packet, reason: FlushReason) {
    assert_eq!(outcome(&coalesce(linux(), &[packet])), [(1, reason)]);
}

fn linear(train: &Train<Vec<u8>>, link: Link, mode: ChecksumMode) -> Vec<u8> {
    let mut bytes = vec![0; train.header_len(link)];
    train.write_header(&mut bytes, link, mode);
    train.payloads().for_each(|payload| bytes.extend(payload));
    bytes
}

#[test]
fn g31_g32_g33_packets_in_every_kind_of_tunnel_join() {
    for packet in cases() {
        assert_joins(linux(), &pair(packet, |_| {}));
    }
}

#[test]
fn g27_g28_outer_lengths_and_checksums_are_those_of_the_whole() {
    for first in cases() {
        let packets = pair(first, |packet| packet.payload.truncate(33));
        let (train, _) = coalesce(linux(), &packets).remove(0);
        assert_eq!(train.gso_segs(), 2);
        let payload = [packets[0].payload.clone(), packets[1].payload.clone()].concat();
        let whole = packets[0].clone().with_payload(&payload);
        assert_eq!(linear(&train, Link::Ethernet, ChecksumMode::Full), whole.build());
        let bare = Packet { link: Link::None, ..whole };
        assert_eq!(linear(&train, Link::None, ChecksumMode::Full), bare.build());
        assert_eq!(train.ip_len(), bare.build().len());
        // The outer checksum is that of the packet with its inner one completed.
        let partial = linear(&train, Link::None, ChecksumMode::Partial);
        let vnet = train.vnet_header();
        let at = usize::from(vnet.csum_start + vnet.csum_offset);
        let mut expected = bare.build();
        let inner = Packet { checksum: Field::Partial, ..bare }.build();
        expected[at..at + 2].copy_from_slice(&inner[at..at + 2]);
        assert_eq!(partial, expected);
    }
}

#[test]
fn g28_the_kind_of_tunnel_is_told() {
    let kinds = [
        (Tunnel::vxlan(), GsoType::UDP_TUNNEL),
        (Tunnel::vxlan().with_udp_checksum(Field::Right), GsoType::UDP_TUNNEL_CSUM),
        (Tunnel::geneve(), GsoType::UDP_TUNNEL),
        (Tunnel::gre(), GsoType::GRE),
        (Tunnel::gre_with(Field::Right, 1), GsoType::GRE_CSUM),
        (Tunnel::ip4(), GsoType::IPXIP4),
        (Tunnel::ip6(), GsoType::IPXIP6),
    ];
    for (tunnel, kind) in kinds {
        let packets = pair(Packet::tcp6().inside(tunnel), |_| {});
        let train = coalesce(linux(), &packets).remove(0).0;
        assert_eq!(train.gso_type(), GsoType::TCPV6.with(kind));
        assert!(train.gso_type().is_encapsulated());
        assert_eq!(train.vnet_header().gso_type, 4);
        assert_eq!(train.vnet_header().csum_start, train.header_len(Link::None) as u16 - 32);
        assert!(train.is_segmented());
    }
}

#[test]
fn g29_a_packet_alone_in_a_tunnel_leaves_bit_identical() {
    for packet in cases() {
        let train = coalesce(linux(), std::slice::from_ref(&packet)).remove(0).0;
        for mode in [ChecksumMode::Partial, ChecksumMode::Full] {
            assert_eq!(linear(&train, Link::Ethernet, mode), packet.build());
        }
        assert_eq!((train.gso_type(), train.checksum()), (GsoType::NONE, Checksum::Valid));
    }
}

#[test]
fn g23_flows_of_different_tunnels_do_not_mix() {
    let other_id = |tunnel: &mut Tunnel| match &mut tunnel.encapsulation {
        Encapsulation::Vxlan { vni, .. } | Encapsulation::Geneve { vni, .. } => *vni += 1,
        Encapsulation::Gre { key: Some(key), .. } => *key += 1,
        _ => tunnel.src = tunnel.dst,
    };
    for first in cases() {
        let mut other = first.clone();
        other_id(tunnel(&mut other));
        let packets = [first.clone(), other.clone(), first.next(), other.next()];
        let expected = [(2, FlushReason::EndOfBurst); 2];
        assert_eq!(outcome(&coalesce(linux(), &packets)), expected, "{first:?}");
    }
}

#[test]
fn g23_what_takes_no_part_goes_after_what_is_held_of_its_flow() {
    let ack = pair(vxlan(), |packet| packet.payload.clear());
    assert_passes(linux(), &ack, FlushReason::NoPayload);
    let flags = pair(vxlan(), |packet| {
        if let Encapsulation::Vxlan { flags, .. } = &mut tunnel(packet).encapsulation {
            *flags = 0x88;
        }
    });
    assert_passes(linux(), &flags, FlushReason::TunnelHeader);
    let fragment = pair(vxlan(), |packet| tunnel(packet).fragment_word = ipv4::MF);
    assert_passes(linux(), &fragment, FlushReason::Fragment);
    let wrong = pair(vxlan(), |packet| {
        *tunnel(packet) = tunnel(packet).clone().with_udp_checksum(Field::Wrong);
    });
    assert_passes(linux(), &wrong, FlushReason::OuterChecksum);
}

#[test]
fn g1_g5_g14_outer_headers_are_compared_as_any() {
    let v4 = vxlan();
    assert_parts(v4.clone(), FlushReason::Ttl, |tunnel| tunnel.ttl += 1);
    assert_parts(v4.clone(), FlushReason::Tos, |tunnel| tunnel.tos = 3);
    assert_parts(v4.clone(), FlushReason::DontFragment, |tunnel| tunnel.fragment_word = 0);
    let v6 = Packet::tcp4().inside(Tunnel::vxlan().over_ipv6());
    assert_parts(v6.clone(), FlushReason::ExtensionHeaders, |tunnel| tunnel.flow_label += 1);
    assert_parts(v6, FlushReason::ExtensionHeaders, |tunnel| {
        tunnel.extensions = vec![(Protocol::DESTINATION_OPTIONS, vec![0, 0, 4, 1, 4, 1, 1, 0])];
    });
    // The tunnel encapsulation limit that Linux writes.
    let mut limited = Tunnel::ip6();
    limited.extensions = vec![(Protocol::DESTINATION_OPTIONS, vec![0, 0, 4, 1, 4, 1, 1, 0])];
    assert_joins(linux(), &pair(Packet::tcp6().inside(limited), |_| {}));
    assert_parts(v4, FlushReason::LinkHeader, |tunnel| {
        tunnel.frame = Some(Frame { macs: [[8; 6], [9; 6]], tags: vec![] });
    });
}

#[test]
fn g2_g3_g4_an_outer_header_must_be_as_any_ip_header() {
    let with = |change: &dyn Fn(&mut Tunnel)| {
        let mut packet = vxlan();
        change(tunnel(&mut packet));
        packet
    };
    assert_alone(with(&|tunnel| tunnel.ip_options = vec![1; 4]), FlushReason::Ipv4Options);
    let wrong = with(&|tunnel| tunnel.ip_checksum = Field::Wrong);
    assert_alone(wrong, FlushReason::BadIpChecksum);
    let reserved = with(&|tunnel| tunnel.fragment_word = ipv4::RESERVED);
    assert_alone(reserved, FlushReason::Fragment);
    let mut bytes = vxlan().build();
    bytes.push(0);
    assert_eq!(outcome(&coalesce_bytes(linux(), &[bytes])), [(1, FlushReason::BadLength)]);
    // The outer UDP length, and the inner total length.
    for at in [14 + 20 + 5, 14 + 20 + 16 + 14 + 3] {
        let mut bytes = vxlan().build();
        bytes[at] ^= 2;
        assert_eq!(outcome(&coalesce_bytes(linux(), &[bytes])), [(1, FlushReason::BadLength)]);
    }
}

#[test]
fn g7_the_inner_checksum_is_verified_and_so_is_the_outer() {
    for packet in cases() {
        let wrong = Packet { checksum: Field::Wrong, ..packet };
        assert_alone(wrong, FlushReason::BadChecksum);
    }
}

#[test]
fn g26_a_tunnel_in_a_tunnel_takes_no_part() {
    for over in tunnels() {
        let inner = Packet { dst_port: 6081, ..Packet::udp4() };
        assert_alone(inner.inside(over.clone()), FlushReason::NestedTunnel);
        let inner = Packet { protocol: Protocol::GRE, ..Packet::tcp4() };
        assert_alone(inner.inside(over), FlushReason::NestedTunnel);
    }
}

#[test]
fn g31_outer_ports_and_the_presence_of_a_checksum_agree() {
    for first in [Tunnel::vxlan(), Tunnel::geneve()] {
        let first = Packet::tcp4().inside(first);
        let other_port = |tunnel: &mut Tunnel| tunnel.udp_mut().unwrap().src_port += 1;
        assert_parts(first.clone(), FlushReason::TunnelHeader, other_port);
        let checksum = |tunnel: &mut Tunnel| tunnel.udp_mut().unwrap().checksum = Field::Right;
        assert_parts(first.clone(), FlushReason::OuterChecksum, checksum);
        let without = |tunnel: &mut Tunnel| tunnel.udp_mut().unwrap().checksum = Field::Is(0);
        let with = first.tunnel.unwrap().with_udp_checksum(Field::Right);
        assert_parts(Packet::tcp4().inside(with), FlushReason::OuterChecksum, without);
    }
}

#[test]
fn g31_a_wrong_outer_checksum_does_not_merge() {
    for tunnel in [Tunnel::vxlan(), Tunnel::geneve(), Tunnel::vxlan().over_ipv6()] {
        let wrong = tunnel.with_udp_checksum(Field::Wrong);
        assert_alone(Packet::tcp6().inside(wrong), FlushReason::OuterChecksum);
    }
}

#[test]
fn g31_vxlan_with_unknown_flags_does_not_merge() {
    let with = |flags, reserved| {
        let mut tunnel = Tunnel::vxlan();
        if let Encapsulation::Vxlan { flags: f, reserved: r, .. } = &mut tunnel.encapsulation {
            (*f, *r) = (flags, reserved);
        }
        Packet::tcp4().inside(tunnel)
    };
    for (flags, reserved) in [(0x88, [0; 3]), (0x0c, [0; 3]), (8, [0, 0, 1]), (0, [0; 3])] {
        assert_alone(with(flags, reserved), FlushReason::TunnelHeader);
    }
    assert_parts(vxlan(), FlushReason::TunnelHeader, |tunnel| {
        if let Encapsulation::Vxlan { last, .. } = &mut tunnel.encapsulation {
            *last = 1;
        }
    });
}

#[test]
fn g31_geneve_of_version_0_without_control_and_with_the_same_options() {
    let first = Packet::tcp4().inside(Tunnel::geneve());
    let change = |change: fn(&mut u8, &mut u8, &mut Vec<u8>)| {
        let mut tunnel = Tunnel::geneve();
        if let Encapsulation::Geneve { version, flags, options, .. } = &mut tunnel.encapsulation {
            change(version, flags, options);
        }
        tunnel
    };
    let inside = |tunnel| Packet::tcp4().inside(tunnel);
    assert_alone(inside(change(|version, _, _| *version = 1)), FlushReason::TunnelHeader);
    assert_alone(inside(change(|_, flags, _| *flags = 0x80)), FlushReason::TunnelHeader);
    assert_joins(linux(), &pair(inside(change(|_, flags, _| *flags = 0x40)), |_| {}));
    for other in [
        change(|_, flags, _| *flags = 0x40),
        change(|_, _, options| options[7] = 8),
        change(|_, _, options| options.clear()),
    ] {
        assert_parts(first.clone(), FlushReason::TunnelHeader, |tunnel| {
            tunnel.encapsulation = other.encapsulation.clone();
        });
    }
}

#[test]
fn g32_gre_of_version_0_with_checksum_and_key_only() {
    let with = |word, sequence| {
        let encapsulation = Encapsulation::Gre { word, checksum: None, key: Some(1), sequence };
        Packet::tcp4().inside(Tunnel { encapsulation, ..Tunnel::ip4() })
    };
    for word in [1, 0x4000, 0x0800, 0x0100] {
        assert_alone(with(word, None), FlushReason::TunnelHeader);
    }
    assert_alone(with(0, Some(1)), FlushReason::TunnelHeader);
    let wrong = Tunnel::gre_with(Field::Wrong, 1);
    assert_alone(Packet::tcp4().inside(wrong), FlushReason::OuterChecksum);
    assert_parts(Packet::tcp4().inside(Tunnel::gre()), FlushReason::TunnelHeader, |tunnel| {
        *tunnel = Tunnel { id: tunnel.id, ..Tunnel::gre_with(Field::Right, 0) };
    });
    // The same inner packet as a frame and by itself.
    assert_parts(Packet::tcp4().inside(Tunnel::gre()), FlushReason::TunnelHeader, |tunnel| {
        tunnel.frame = Some(Frame::default());
    });
}

#[test]
fn g32_g30_a_gre_checksum_of_all_ones_would_not_come_back() {
    let with_key = |key| Packet::tcp4().inside(Tunnel::gre_with(Field::Right, key));
    let at = 14 + 20 + 4;
    let bytes = with_key(0).build();
    // A key of 0 counts nothing; the checksum itself, in its place, makes the sum all ones.
    let key = u16::from_be_bytes([bytes[at], bytes[at + 1]]);
    let mut bytes = with_key(key.into()).build();
    assert_eq!(bytes[at..at + 2], [0, 0]);
    let plain = coalesce_bytes(linux(), std::slice::from_ref(&bytes));
    assert_eq!(outcome(&plain), [(1, FlushReason::EndOfBurst)]);
    bytes[at..at + 2].fill(0xff);
    let all_ones = coalesce_bytes(linux(), &[bytes]);
    assert_eq!(outcome(&all_ones), [(1, FlushReason::ChecksumAllOnes)]);
}

#[test]
fn g33_plain_udp_does_not_merge_on_a_tunnels_port() {
    // Not a VXLAN packet at all, but sent to where those go.
    let stray = Packet { dst_port: 4789, ..Packet::udp4() }.with_payload(&[0x5a; 100]);
    let packets = [stray.clone(), stray.next()];
    let expected = [(1, FlushReason::NotMergeable); 2];
    assert_eq!(outcome(&coalesce(linux(), &packets)), expected);
    let config = GroConfig { tunnel_ports: TunnelPorts::NONE, ..linux() };
    assert_joins(config, &packets);
    // And what is a tunnel's on another port is plain UDP.
    assert_joins(
        config,
        &pair(vxlan().with_payload(&[1; 10]), |packet| {
            *tunnel(packet) = tunnel(packet).clone().with_udp_checksum(Field::Is(0));
        })
        .map(|packet| {
            let udp = tunnel(&mut packet.clone()).clone().with_udp_checksum(Field::Right);
            Packet { tunnel: Some(Box::new(udp)), ..packet }
        }),
    );
}

/// What becomes of two packets with these outer and inner identifications and outer flags.
fn ids(profile: Profile, flags: u16, outer: [u16; 3], inner: [u16; 3]) -> (usize, GsoType) {
    let packets: Vec<Packet> = (0..3_u32)
        .map(|i| {
            let n = i as usize;
            let around = Tunnel { id: outer[n], fragment_word: flags, ..Tunnel::ip4() };
            let seq = 1 + i * 100;
            Packet { id: inner[n], seq, ..Packet::tcp4() }.inside(around)
        })
        .collect();
    let released = coalesce(GroConfig { profile, ..linux() }, &packets);
    (released.len(), released[0].0.gso_type())
}

#[test]
fn g16_outer_and_inner_identifications_are_checked_separately() {
    let kind = GsoType::TCPV4.with(GsoType::IPXIP4);
    let (up, fixed) = ([7, 8, 9], [7, 7, 7]);
    let linux = |outer, inner| ids(Profile::Linux, ipv4::DF, outer, inner);
    assert_eq!(linux(up, up), (1, kind));
    assert_eq!(linux(fixed, up), (1, kind.with(GsoType::OUTER_FIXED_ID)));
    assert_eq!(linux(up, fixed), (1, kind.with(GsoType::FIXED_ID)));
    let both = kind.with(GsoType::FIXED_ID).with(GsoType::OUTER_FIXED_ID);
    assert_eq!(linux(fixed, fixed), (1, both));
    assert_eq!(linux([7, 8, 8], up).0, 2);
    assert_eq!(linux([7, 9, 11], up).0, 3);
    assert_eq!(linux(up, [7, 7, 8]).0, 2);
}

#[test]
fn g16_up_to_6_17_outer_identifications_with_df_are_not_checked() {
    let old = |flags, outer| ids(Profile::Linux612, flags, outer, [7, 8, 9]).0;
    assert_eq!(old(ipv4::DF, [9, 1, 5]), 1);
    assert_eq!(old(0, [9, 1, 5]), 3);
    assert_eq!(old(0, [7, 8, 9]), 1);
}

#[test]
fn g16_s6_outer_identifications_without_df_have_to_increment() {
    for profile in [Profile::Linux, Profile::Linux612] {
        assert_eq!(ids(profile, 0, [7, 8, 9], [7, 8, 9]).0, 1);
        assert_eq!(ids(profile, 0, [7, 7, 7], [7, 8, 9]).0, 3);
    }
}

#[test]
fn g18_the_outer_headers_count_in_the_largest_size() {
    let first = vxlan();
    let whole = first.build().len() - 14 + 100;
    let packets = pair(first, |_| {});
    let config = |max_size| GroConfig { max_size: max_size as u32, ..linux() };
    assert_joins(config(whole), &packets);
    let expected = [(1, FlushReason::MaxSize), (1, FlushReason::EndOfBurst)];
    assert_eq!(outcome(&coalesce(config(whole - 1), &packets)), expected);
}

#[test]
fn g21_inner_flags_close_the_train() {
    let packets = pair(vxlan(), |packet| packet.flags = packet.flags.with(Flags::PSH));
    assert_eq!(outcome(&coalesce(linux(), &packets)), [(2, FlushReason::Push)]);
}

#[test]
fn g28_a_partial_inner_checksum_is_completed_and_the_outer_one_is_right_already() {
    let config = GroConfig { rx_checksum: RxChecksum::Partial, ..linux() };
    for right in cases() {
        let complete = right.build();
        let partial = Packet { checksum: Field::Partial, ..right.clone() }.build();
        // As the sender has it: an outer checksum made for the completed packet.
        let differs = |at: &usize| complete[*at] != partial[*at];
        let inner = (0..complete.len()).rev().find(differs).expect("the inner checksum differs");
        let inner = inner - inner % 2;
        let mut sent = complete.clone();
        sent[inner..inner + 2].copy_from_slice(&partial[inner..inner + 2]);
        let released = coalesce_bytes(config, std::slice::from_ref(&sent));
        let train = &released[0].0;
        assert_eq!((train.checksum(), released[0].1), (Checksum::Partial, FlushReason::EndOfBurst));
        assert_eq!(linear(train, Link::Ethernet, ChecksumMode::Full), complete);
        assert_eq!(linear(train, Link::Ethernet, ChecksumMode::Partial), sent);
        let vnet = train.vnet_header();
        assert_eq!(usize::from(vnet.csum_start + vnet.csum_offset) + 14, inner);
    }
}

#[test]
fn g28_an_outer_checksum_that_is_left_to_a_nic_is_told_and_nothing_merges() {
    let config = GroConfig { rx_checksum: RxChecksum::Partial, ..linux() };
    let partial = Packet::tcp4().inside(Tunnel::vxlan().with_udp_checksum(Field::Partial));
    let released = coalesce(config, &[partial.clone(), partial.next()]);
    assert_eq!(outcome(&released), [(1, FlushReason::OuterChecksum); 2]);
    let train = &released[0].0;
    assert_eq!(train.checksum(), Checksum::Partial);
    assert_eq!((train.vnet_header().csum_start, train.vnet_header().csum_offset), (20, 6));
    let right = Packet::tcp4().inside(Tunnel::vxlan().with_udp_checksum(Field::Right));
    assert_eq!(linear(train, Link::Ethernet, ChecksumMode::Full), right.build());
}

#[test]
fn g20_a_super_packet_in_a_tunnel_joins_as_one() {
    let first = vxlan().with_payload(&[7; 300]);
    let second = first.next();
    let mut coalescer = Coalescer::new(linux());
    let mut released = Vec::new();
    let mut sink = |train: Train<Vec<u8>>, reason: FlushReason| released.push((train, reason));
    coalescer.push_super(first.build(), 100, 0, &mut sink);
    let mut after = second;
    (after.id, tunnel(&mut after).id) = (first.id + 3, first.tunnel.as_ref().unwrap().id + 3);
    coalescer.push_super(after.build(), 100, 0, &mut sink);
    coalescer.end_of_burst(0, &mut sink);
    let (train, reason) = released.remove(0);
    assert_eq!((train.gso_segs(), reason), (6, FlushReason::EndOfBurst));
    assert!(!train.is_segmented());
}
