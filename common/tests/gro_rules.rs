//! The coalescing rules, one test a rule and a reason: what fits, what does not, and what it is called.

use sluice_common::offload::{
    Checksum, ChecksumMode, Coalescer, GroConfig, GsoType, Hold, Profile, RxChecksum, Train,
    VnetHeader,
};
use sluice_common::reason::FlushReason;
use sluice_common::testing::{Field, Packet};
use sluice_common::wire::tcp::Flags;
use sluice_common::wire::{EtherType, Link, Protocol};

type Released = Vec<(Train<Vec<u8>>, FlushReason)>;

/// What comes out, packets per train and reason, when `packets` come in one burst.
fn coalesce(config: GroConfig, packets: &[Packet]) -> Released {
    let built: Vec<_> = packets.iter().map(Packet::build).collect();
    coalesce_bytes(config, &built)
}

fn coalesce_bytes(config: GroConfig, packets: &[Vec<u8>]) -> Released {
    let mut coalescer = Coalescer::new(config);
    let mut released = Vec::new();
    let mut sink = |train, reason| released.push((train, reason));
    for packet in packets {
        coalescer.push(packet.clone(), 0, &mut sink);
    }
    coalescer.end_of_burst(0, &mut sink);
    assert_eq!((coalescer.held(), coalescer.deadline()), (0, None));
    released
}

fn outcome(released: &Released) -> Vec<(usize, FlushReason)> {
    released.iter().map(|(train, reason)| (train.packets().len(), *reason)).collect()
}

fn linux() -> GroConfig {
    GroConfig::default()
}

fn with_profile(profile: Profile) -> GroConfig {
    GroConfig { profile, ..linux() }
}

/// `first` and what its sender sends next, changed.
fn pair(first: Packet, change: impl FnOnce(&mut Packet)) -> [Packet; 2] {
    let mut second = first.next();
    change(&mut second);
    [first, second]
}

#[track_caller]
fn assert_joins(config: GroConfig, packets: &[Packet]) {
    let out = outcome(&coalesce(config, packets));
    assert_eq!(out, [(packets.len(), FlushReason::EndOfBurst)]);
}

/// The second packet releases the train of the first because of `reason` and starts its own.
#[track_caller]
fn assert_releases(config: GroConfig, packets: &[Packet; 2], reason: FlushReason) {
    let out = outcome(&coalesce(config, packets));
    assert_eq!(out, [(1, reason), (1, FlushReason::EndOfBurst)]);
}

/// The second packet takes no part: the train goes first, then it, both because of `reason`.
#[track_caller]
fn assert_passes(config: GroConfig, packets: &[Packet; 2], reason: FlushReason) {
    let released = coalesce(config, packets);
    assert_eq!(outcome(&released), [(1, reason), (1, reason)]);
    assert_eq!(released[1].0.packets()[0], packets[1].build(), "the packet goes on as it came");
}

#[test]
fn g1_the_same_link_header_joins() {
    assert_joins(linux(), &pair(Packet::tcp4(), |_| {}));
    let mut tagged = Packet::tcp4();
    tagged.tags = vec![(EtherType::QINQ, 0x6005), (EtherType::VLAN, 7)];
    assert_joins(linux(), &pair(tagged, |_| {}));
}

#[test]
fn g1_another_mac_address_or_vlan_tag_releases_the_train() {
    let mut tagged = Packet::tcp4();
    tagged.tags = vec![(EtherType::VLAN, 5)];
    let changes: [fn(&mut Packet); 5] = [
        |packet| packet.macs[0][5] = 9,
        |packet| packet.macs[1][5] = 9,
        |packet| packet.tags[0].1 = 6,
        |packet| packet.tags[0].1 = 0x2005,
        |packet| packet.tags.push((EtherType::VLAN, 1)),
    ];
    for change in changes {
        assert_releases(linux(), &pair(tagged.clone(), change), FlushReason::LinkHeader);
    }
}

#[test]
fn g2_ipv4_options_pass_through() {
    let with_options = pair(Packet::tcp4(), |packet| packet.ip_options = vec![1, 1, 1, 0]);
    assert_passes(linux(), &with_options, FlushReason::Ipv4Options);
}

#[test]
fn g2_a_wrong_header_checksum_passes_through() {
    for field in [Field::Wrong, Field::Is(0xffff)] {
        let wrong = pair(Packet::tcp4(), |packet| packet.ip_checksum = field);
        assert_passes(linux(), &wrong, FlushReason::BadIpChecksum);
    }
}

#[test]
fn g2_a_header_checksum_of_all_ones_is_not_merged_for_segmentation_would_write_zero() {
    let checksum = |packet: &Packet| {
        let bytes = packet.build();
        u16::from_be_bytes([bytes[24], bytes[25]])
    };
    let mut zero = Packet { id: 0, ..Packet::tcp4() };
    zero.id = checksum(&zero);
    assert_eq!(checksum(&zero), 0);
    let out = outcome(&coalesce(linux(), std::slice::from_ref(&zero)));
    assert_eq!(out, [(1, FlushReason::EndOfBurst)]);
    let ones = Packet { ip_checksum: Field::Is(0xffff), ..zero };
    assert_eq!(outcome(&coalesce(linux(), &[ones])), [(1, FlushReason::BadIpChecksum)]);
}

#[test]
fn g3_fragments_and_the_reserved_flag_pass_through() {
    for word in [0x2000, 0x8000, 0xc000] {
        let fragment = pair(Packet::tcp4(), |packet| packet.fragment_word = word);
        assert_passes(linux(), &fragment, FlushReason::Fragment);
    }
    // A later fragment has no ports: it belongs to no flow that can be told.
    let later = pair(Packet::tcp4(), |packet| packet.fragment_word = 0x0010);
    let out = outcome(&coalesce(linux(), &later));
    assert_eq!(out, [(1, FlushReason::Fragment), (1, FlushReason::EndOfBurst)]);
}

#[test]
fn g4_ethernet_padding_is_trimmed() {
    let mut first = Packet::tcp4().with_payload(b"12");
    first.options.clear();
    first.padding = 60 - 14 - 42;
    let released = coalesce(linux(), &pair(first, |_| {}));
    assert_eq!(outcome(&released), [(2, FlushReason::EndOfBurst)]);
    assert_eq!(released[0].0.payloads().collect::<Vec<_>>(), [b"12", b"12"]);
    assert_eq!(released[0].0.ip_len(), 44);
}

#[test]
fn g4_lengths_that_disagree_with_the_bytes_pass_through() {
    // Padding of a frame that was long enough without it.
    let padded = pair(Packet::tcp4(), |packet| packet.padding = 1);
    assert_passes(linux(), &padded, FlushReason::BadLength);
    // Bytes that are missing; with IPv4 and with IPv6.
    for first in [Packet::tcp4(), Packet::tcp6()] {
        let mut cut = first.next().build();
        cut.truncate(cut.len() - 1);
        let released = coalesce_bytes(linux(), &[first.build(), cut.clone()]);
        assert_eq!(outcome(&released), [(1, FlushReason::BadLength); 2]);
        assert_eq!(released[1].0.payloads().collect::<Vec<_>>(), [&cut[14..]]);
    }
}

#[test]
fn g4_without_a_link_header_there_is_no_padding() {
    let config = GroConfig { link: Link::None, ..linux() };
    let mut first = Packet::tcp4().with_payload(b"1");
    first.link = Link::None;
    assert_joins(config, &pair(first.clone(), |_| {}));
    assert_passes(config, &pair(first, |packet| packet.padding = 1), FlushReason::BadLength);
}

fn with_extensions() -> Packet {
    let mut packet = Packet::tcp6();
    packet.extensions = vec![
        (Protocol::HOP_BY_HOP, vec![0, 0, 5, 2, 0, 0, 1, 0]),
        (Protocol::ROUTING, vec![0; 8]),
        (Protocol::DESTINATION_OPTIONS, vec![0, 0, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
    ];
    packet
}

#[test]
fn g5_identical_extension_headers_join() {
    assert_joins(linux(), &pair(with_extensions(), |_| {}));
}

#[test]
fn g5_other_extension_headers_release_the_train() {
    let changes: [fn(&mut Packet); 3] = [
        |packet| packet.extensions[0].1[5] = 1,
        |packet| packet.extensions.truncate(2),
        |packet| packet.extensions[1].0 = Protocol::DESTINATION_OPTIONS,
    ];
    for change in changes {
        let packets = pair(with_extensions(), change);
        assert_releases(linux(), &packets, FlushReason::ExtensionHeaders);
    }
}

#[test]
fn g5_a_fragment_header_passes_through() {
    let atomic = (Protocol::FRAGMENT, vec![0, 0, 0, 0, 0, 0, 0, 9]);
    let fragment = pair(Packet::tcp6(), |packet| packet.extensions = vec![atomic]);
    assert_passes(linux(), &fragment, FlushReason::Fragment);
}

#[test]
fn g5_authentication_encryption_and_the_unknown_pass_through() {
    for protocol in [50, 51, 135, 253].map(Protocol) {
        let unknown = Packet { protocol, ..Packet::tcp6() };
        let out = outcome(&coalesce(linux(), &[unknown]));
        assert_eq!(out, [(1, FlushReason::NotMergeable)]);
    }
}

#[test]
fn g6_a_tcp_header_that_lies_about_its_length_passes_through() {
    let first = Packet::tcp4().with_payload(&[]);
    for words in [0x40, 0xf0] {
        let mut liar = first.build();
        liar[14 + 20 + 12] = words;
        let out = outcome(&coalesce_bytes(linux(), &[liar]));
        assert_eq!(out, [(1, FlushReason::BadLength)]);
    }
    let longest = Packet { options: vec![1; 40], ..Packet::tcp4() };
    assert_joins(linux(), &pair(longest, |_| {}));
}

#[test]
fn g7_a_wrong_checksum_is_neither_merged_nor_repaired() {
    for first in [Packet::tcp4(), Packet::tcp6()] {
        for field in [Field::Wrong, Field::Partial] {
            let wrong = pair(first.clone(), |packet| packet.checksum = field);
            assert_passes(linux(), &wrong, FlushReason::BadChecksum);
        }
        let released = coalesce(linux(), &pair(first, |packet| packet.checksum = Field::Wrong));
        assert_eq!(released[1].0.checksum(), Checksum::Unknown);
        assert_eq!(
            released[1].0.vnet_header(),
            VnetHeader::default(),
            "the kernel is to verify it"
        );
    }
}

/// A packet whose checksum is 0, and might as well be 0xFFFF.
fn with_checksum_zero() -> Packet {
    let mut packet = Packet::tcp4();
    let checksum = |packet: &Packet| {
        let bytes = packet.build();
        u16::from_be_bytes([bytes[50], bytes[51]])
    };
    packet.window = packet.window.wrapping_add(checksum(&packet));
    if checksum(&packet) != 0 {
        packet.window = packet.window.wrapping_add(checksum(&packet));
    }
    assert_eq!(checksum(&packet), 0);
    packet
}

#[test]
fn g30_a_checksum_of_all_ones_goes_alone_for_segmentation_would_write_zero() {
    let zero = with_checksum_zero();
    assert_eq!(
        outcome(&coalesce(linux(), std::slice::from_ref(&zero))),
        [(1, FlushReason::EndOfBurst)]
    );
    let ones = Packet { checksum: Field::Is(0xffff), ..zero };
    let trains = coalesce(linux(), &[ones]);
    assert_eq!(outcome(&trains), [(1, FlushReason::ChecksumAllOnes)]);
    assert_eq!(trains[0].0.checksum(), Checksum::Valid, "it is no damage");
}

#[test]
fn g7_a_trusted_checksum_is_not_looked_at() {
    let config = GroConfig { rx_checksum: RxChecksum::Trust, ..linux() };
    let wrong = pair(Packet::tcp4(), |packet| packet.checksum = Field::Wrong);
    assert_joins(config, &wrong);
}

#[test]
fn g7_a_partial_checksum_is_right_where_the_configuration_says_so() {
    let config = GroConfig { rx_checksum: RxChecksum::Partial, ..linux() };
    for first in [Packet::tcp4(), Packet::tcp6()] {
        let partial = Packet { checksum: Field::Partial, ..first };
        let released = coalesce(config, &pair(partial.clone(), |_| {}));
        assert_eq!(outcome(&released), [(2, FlushReason::EndOfBurst)]);
        assert_eq!(released[0].0.checksum(), Checksum::Partial);
        assert_joins(config, &pair(Packet { checksum: Field::Right, ..partial }, |_| {}));
    }
    let wrong = pair(Packet::tcp4(), |packet| packet.checksum = Field::Wrong);
    assert_passes(config, &wrong, FlushReason::BadChecksum);
}

#[test]
fn checksum_state_a_partial_and_a_complete_checksum_do_not_share_a_train() {
    let config = GroConfig { rx_checksum: RxChecksum::Partial, ..linux() };
    let mixed = pair(Packet::tcp4(), |packet| packet.checksum = Field::Partial);
    assert_releases(config, &mixed, FlushReason::ChecksumState);
}

#[test]
fn g8_a_pure_acknowledgement_is_neither_merged_nor_held() {
    let pure = pair(Packet::tcp4(), |packet| packet.payload.clear());
    assert_passes(linux(), &pure, FlushReason::NoPayload);
    let mut coalescer = Coalescer::new(linux());
    let mut released = Released::new();
    coalescer.push(pure[1].build(), 0, &mut |train, reason| released.push((train, reason)));
    assert_eq!(outcome(&released), [(1, FlushReason::NoPayload)], "at once");
    assert_eq!(released[0].0.checksum(), Checksum::Valid);
}

#[test]
fn g9_other_addresses_or_ports_are_another_flow() {
    let changes: [fn(&mut Packet); 4] = [
        |packet| packet.src = [10, 0, 0, 9].into(),
        |packet| packet.dst = [10, 0, 0, 9].into(),
        |packet| packet.src_port += 1,
        |packet| packet.dst_port += 1,
    ];
    for change in changes {
        let [first, other] = pair(Packet::tcp4(), change);
        let packets = [first.clone(), other.clone(), first.next(), other.next()];
        let out = outcome(&coalesce(linux(), &packets));
        assert_eq!(out, [(2, FlushReason::EndOfBurst), (2, FlushReason::EndOfBurst)]);
    }
}

#[test]
fn g9_another_flow_label_releases_the_train() {
    let packets = pair(Packet::tcp6(), |packet| packet.flow_label += 1);
    assert_releases(linux(), &packets, FlushReason::ExtensionHeaders);
}

#[test]
fn g10_a_gap_a_repetition_or_an_overlap_releases_the_train() {
    for offset in [-100, -1, 1, 100] {
        let packets = pair(Packet::tcp4(), |packet| {
            packet.seq = packet.seq.wrapping_add_signed(offset);
        });
        assert_releases(linux(), &packets, FlushReason::Sequence);
    }
}

#[test]
fn g10_the_sequence_number_wraps() {
    for seq in [u32::MAX, u32::MAX - 99, u32::MAX - 50] {
        let first = Packet { seq, ..Packet::tcp4() };
        let packets = [first.clone(), first.next(), first.next().next()];
        assert_joins(linux(), &packets);
    }
}

#[test]
fn g11_another_acknowledgement_number_releases_the_train() {
    let packets = pair(Packet::tcp4(), |packet| packet.ack += 1);
    assert_releases(linux(), &packets, FlushReason::Acknowledgement);
}

#[test]
fn g12_another_window_releases_the_train() {
    let packets = pair(Packet::tcp4(), |packet| packet.window += 1);
    assert_releases(linux(), &packets, FlushReason::Window);
}

#[test]
fn g12_another_header_length_releases_the_train() {
    let packets = pair(Packet::tcp4(), |packet| packet.options.extend([1; 4]));
    assert_releases(linux(), &packets, FlushReason::HeaderLength);
}

#[test]
fn g12_other_flags_release_the_train() {
    let changes: [fn(&mut Packet); 3] = [
        |packet| packet.flags = Flags::ACK.with(Flags::ECE),
        |packet| packet.flags = Flags::default(),
        |packet| packet.reserved = 1,
    ];
    for change in changes {
        assert_releases(linux(), &pair(Packet::tcp4(), change), FlushReason::Flags);
    }
}

#[test]
fn g12_the_urgent_pointer_is_not_compared() {
    assert_joins(linux(), &pair(Packet::tcp4(), |packet| packet.urgent = 7));
}

#[test]
fn g13_other_options_or_another_order_release_the_train() {
    let changes: [fn(&mut Packet); 3] = [
        |packet| packet.options[7] += 1,
        |packet| packet.options[11] += 1,
        |packet| packet.options = vec![8, 10, 0, 0, 1, 0, 0, 0, 2, 0, 1, 1],
    ];
    for change in changes {
        assert_releases(linux(), &pair(Packet::tcp4(), change), FlushReason::Options);
    }
}

#[test]
fn g14_another_ttl_or_hop_limit_releases_the_train() {
    for first in [Packet::tcp4(), Packet::tcp6()] {
        assert_releases(linux(), &pair(first, |packet| packet.ttl -= 1), FlushReason::Ttl);
    }
}

#[test]
fn g14_another_tos_or_traffic_class_releases_the_train() {
    for first in [Packet::tcp4(), Packet::tcp6()] {
        for tos in [3, 0xb8] {
            let packets = pair(first.clone(), |packet| packet.tos = tos);
            assert_releases(linux(), &packets, FlushReason::Tos);
        }
    }
}

#[test]
fn g14_another_df_flag_releases_the_train() {
    let packets = pair(Packet::tcp4(), |packet| packet.fragment_word = 0);
    assert_releases(linux(), &packets, FlushReason::DontFragment);
}

fn cwr() -> Flags {
    Flags::ACK.with(Flags::CWR)
}

#[test]
fn g15_classic_cwr_never_joins_but_may_start_a_train() {
    let joining = pair(Packet::tcp4(), |packet| packet.flags = cwr());
    assert_releases(linux(), &joining, FlushReason::Cwr);
    let first = Packet { flags: cwr(), ..Packet::tcp4() };
    let starting = pair(first.clone(), |packet| packet.flags = Flags::ACK);
    let released = coalesce(linux(), &starting);
    assert_eq!(outcome(&released), [(2, FlushReason::EndOfBurst)]);
    assert!(released[0].0.gso_type().has(GsoType::ECN));
    assert_releases(linux(), &pair(first, |_| {}), FlushReason::Cwr);
}

#[test]
fn g15_accecn_cwr_is_a_bit_like_others() {
    let config = with_profile(Profile::AccEcn);
    let joining = pair(Packet::tcp4(), |packet| packet.flags = cwr());
    assert_releases(config, &joining, FlushReason::Flags);
    let first = Packet { flags: cwr(), ..Packet::tcp4() };
    let released = coalesce(config, &pair(first.clone(), |_| {}));
    assert_eq!(outcome(&released), [(2, FlushReason::EndOfBurst)]);
    assert!(released[0].0.gso_type().has(GsoType::ACCECN));
    let without = pair(first, |packet| packet.flags = Flags::ACK);
    assert_releases(config, &without, FlushReason::Flags);
}

fn with_ids(ids: &[u16], fragment_word: u16) -> Vec<Packet> {
    let mut packet = Packet { fragment_word, ..Packet::tcp4() };
    let with_id = |id: &u16| {
        let this = Packet { id: *id, ..packet.clone() };
        packet = packet.next();
        this
    };
    ids.iter().map(with_id).collect()
}

const DF: u16 = 0x4000;

#[test]
fn g16_identifications_increment_or_stay_as_the_second_packet_has_it() {
    for df in [0, DF] {
        assert_joins(linux(), &with_ids(&[7, 8, 9], df));
        assert_joins(linux(), &with_ids(&[0xffff, 0, 1], df));
        assert_joins(linux(), &with_ids(&[7, 7, 7], df));
        for ids in [[7, 8, 8], [7, 7, 8], [7, 8, 10], [7, 8, 7]] {
            let out = outcome(&coalesce(linux(), &with_ids(&ids, df)));
            assert_eq!(out, [(2, FlushReason::IpId), (1, FlushReason::EndOfBurst)], "{ids:?}");
        }
        for ids in [[7, 9], [7, 6]] {
            let out = outcome(&coalesce(linux(), &with_ids(&ids, df)));
            assert_eq!(out, [(1, FlushReason::IpId), (1, FlushReason::EndOfBurst)], "{ids:?}");
        }
    }
}

#[test]
fn g16_up_to_6_17_a_fixed_identification_needs_df() {
    let config = with_profile(Profile::Linux612);
    assert_joins(config, &with_ids(&[7, 7, 7], DF));
    assert_joins(config, &with_ids(&[7, 8, 9], 0));
    let out = outcome(&coalesce(config, &with_ids(&[7, 7], 0)));
    assert_eq!(out, [(1, FlushReason::IpId), (1, FlushReason::EndOfBurst)]);
}

#[test]
fn g16_a_train_says_whether_its_identification_is_fixed() {
    let gso_type = |ids| coalesce(linux(), &with_ids(ids, DF))[0].0.gso_type();
    assert!(gso_type(&[7, 7]).has(GsoType::FIXED_ID));
    assert!(!gso_type(&[7, 8]).has(GsoType::FIXED_ID));
}

#[test]
fn g17_a_larger_payload_does_not_join() {
    let packets = pair(Packet::tcp4(), |packet| packet.payload.push(1));
    assert_releases(linux(), &packets, FlushReason::LargerSegment);
}

#[test]
fn g18_a_train_is_never_larger_than_an_ip_packet_can_be() {
    for (first, header) in [(Packet::tcp4(), 52), (Packet::tcp6(), 72)] {
        let fitting = (65_535 - header) / 1000;
        let mut packets = vec![first.with_payload(&[1; 1000])];
        for _ in 0..fitting {
            packets.push(packets[packets.len() - 1].next());
        }
        let out = outcome(&coalesce(linux(), &packets));
        assert_eq!(out, [(fitting, FlushReason::MaxSize), (1, FlushReason::EndOfBurst)]);
    }
}

#[test]
fn g18_the_largest_size_can_be_configured_lower_but_not_higher() {
    let packets = pair(Packet::tcp4(), |_| {});
    assert_joins(GroConfig { max_size: 252, ..linux() }, &packets);
    assert_releases(GroConfig { max_size: 251, ..linux() }, &packets, FlushReason::MaxSize);
    let first = Packet::tcp4().with_payload(&[1; 40_000]);
    let config = GroConfig { max_size: u32::MAX, ..linux() };
    assert_releases(config, &pair(first, |_| {}), FlushReason::MaxSize);
}

#[test]
fn max_segments_a_train_goes_when_the_port_takes_no_more_buffers() {
    let config = GroConfig { max_segments: 3, ..linux() };
    let mut packets = vec![Packet::tcp4()];
    for _ in 0..3 {
        packets.push(packets[packets.len() - 1].next());
    }
    let out = outcome(&coalesce(config, &packets));
    assert_eq!(out, [(3, FlushReason::MaxSegments), (1, FlushReason::EndOfBurst)]);
}

#[test]
fn g20_a_super_packet_joins_with_the_same_segment_size_only() {
    let supers = |sizes: [u16; 2]| {
        let packets = pair(Packet::tcp4().with_payload(&[1; 200]), |packet| packet.id += 1);
        let mut coalescer = Coalescer::new(linux());
        let mut released = Released::new();
        let mut sink = |train, reason| released.push((train, reason));
        for (packet, size) in packets.iter().zip(sizes) {
            coalescer.push_super(packet.build(), size, 0, &mut sink);
        }
        coalescer.end_of_burst(0, &mut sink);
        released
    };
    let joined = supers([100, 100]);
    assert_eq!(outcome(&joined), [(2, FlushReason::EndOfBurst)]);
    let train = &joined[0].0;
    assert_eq!((train.gso_size(), train.gso_segs(), train.is_segmented()), (100, 4, false));
    let out = outcome(&supers([100, 50]));
    assert_eq!(out, [(1, FlushReason::SegmentSize), (1, FlushReason::EndOfBurst)]);
    let out = outcome(&supers([70, 70]));
    assert_eq!(out, [(1, FlushReason::ShortSegment); 2], "200 is no multiple of 70");
}

#[test]
fn g21_fin_and_psh_join_first_and_then_close_the_train() {
    for (flag, reason) in [(Flags::PSH, FlushReason::Push), (Flags::FIN, FlushReason::Fin)] {
        let packets = pair(Packet::tcp4(), |packet| packet.flags = Flags::ACK.with(flag));
        let after = Packet { flags: Flags::ACK, ..packets[1].next() };
        let released = coalesce(linux(), &[packets[0].clone(), packets[1].clone(), after]);
        assert_eq!(outcome(&released), [(2, reason), (1, FlushReason::EndOfBurst)]);
        let mut header = [0; 100];
        released[0].0.write_header(&mut header, Link::Ethernet, ChecksumMode::Partial);
        assert_eq!(header[14 + 20 + 13], Flags::ACK.with(flag).0, "G27");
    }
}

#[test]
fn g21_syn_rst_and_urg_close_the_train_and_go_alone() {
    let flags = [
        (Flags::SYN, FlushReason::Syn),
        (Flags::RST, FlushReason::Rst),
        (Flags::URG, FlushReason::Urg),
    ];
    for (flag, reason) in flags {
        let packets = pair(Packet::tcp4(), |packet| packet.flags = Flags::ACK.with(flag));
        assert_passes(linux(), &packets, reason);
        let out = outcome(&coalesce(linux(), &[packets[1].clone(), packets[1].next()]));
        assert_eq!(out, [(1, reason), (1, reason)]);
    }
}

#[test]
fn g22_a_shorter_payload_joins_and_closes_the_train() {
    let packets = pair(Packet::tcp4(), |packet| packet.payload.truncate(99));
    let out =
        outcome(&coalesce(linux(), &[packets[0].clone(), packets[1].clone(), packets[1].next()]));
    assert_eq!(out, [(2, FlushReason::ShortSegment), (1, FlushReason::EndOfBurst)]);
}

#[test]
fn g23_a_packet_that_passes_goes_after_what_is_held_of_its_flow() {
    let first = Packet::tcp4();
    let second = first.next();
    let other = Packet { src_port: 9, ..Packet::tcp4() };
    let ack = Packet { payload: vec![], ..second.next() };
    let released = coalesce(linux(), &[other, first, second, ack.clone()]);
    assert_eq!(
        outcome(&released),
        [(2, FlushReason::NoPayload), (1, FlushReason::NoPayload), (1, FlushReason::EndOfBurst)],
        "the other flow's train stays"
    );
    assert_eq!(released[1].0.packets()[0], ack.build());
}

#[test]
fn g24_when_the_table_is_full_the_oldest_train_goes_first() {
    let config = GroConfig { flows: 3, ..linux() };
    let flow = |src_port| Packet { src_port, ..Packet::tcp4() };
    // The first flow's train grows, but began first.
    let packets = [flow(1), flow(2), flow(3), flow(1).next(), flow(4), flow(5)];
    let released = coalesce(config, &packets);
    let port =
        |train: &Train<Vec<u8>>| train.headers().and_then(|headers| headers.ports).unwrap().src;
    let seen: Vec<_> = released
        .iter()
        .map(|(train, reason)| (port(train), train.packets().len(), *reason))
        .collect();
    assert_eq!(
        seen,
        [
            (1, 2, FlushReason::Capacity),
            (2, 1, FlushReason::Capacity),
            (3, 1, FlushReason::EndOfBurst),
            (4, 1, FlushReason::EndOfBurst),
            (5, 1, FlushReason::EndOfBurst),
        ]
    );
}

/// Feeds one packet a burst, at the times given, and returns when each train left, its size and why.
fn released_at(hold: Hold, times: &[u64], until: u64) -> Vec<(u64, usize, FlushReason)> {
    let mut coalescer = Coalescer::new(GroConfig { hold, ..linux() });
    let mut released = Vec::new();
    let mut packet = Packet::tcp4();
    let mut times = times.iter().copied().peekable();
    for now in 0..=until {
        let mut sink = |train: Train<Vec<u8>>, reason| {
            released.push((now, train.packets().len(), reason));
        };
        if times.next_if_eq(&now).is_some() {
            coalescer.push(packet.build(), now, &mut sink);
            packet = packet.next();
        }
        coalescer.end_of_burst(now, &mut sink);
        assert_eq!(coalescer.deadline().is_some(), coalescer.held() > 0, "G25: never without");
    }
    released
}

#[test]
fn g25_a_timeout_of_zero_releases_at_the_end_of_the_burst() {
    let out = released_at(Hold::EndOfBurst, &[10, 20], 30);
    assert_eq!(out, [(10, 1, FlushReason::EndOfBurst), (20, 1, FlushReason::EndOfBurst)]);
}

#[test]
fn g25_no_train_is_held_longer_than_the_timeout() {
    let out = released_at(Hold::AtMost(60), &[10, 20, 30, 80], 200);
    assert_eq!(out, [(70, 3, FlushReason::Timeout), (140, 1, FlushReason::Timeout)]);
}

#[test]
fn g25_adaptive_holds_as_long_as_the_flow_makes_likely() {
    let hold = Hold::Adaptive { ceiling: 60 };
    // No history, then every 10: held from the second on, given up after twice the mean gap.
    let out = released_at(hold, &[10, 20, 30, 40], 200);
    assert_eq!(out, [(10, 1, FlushReason::EndOfBurst), (60, 3, FlushReason::Timeout)]);
}

#[test]
fn g25_adaptive_never_holds_beyond_the_ceiling() {
    let hold = Hold::Adaptive { ceiling: 60 };
    let times: Vec<u64> = (1..=20).map(|n| 10 * n).collect();
    let out = released_at(hold, &times, 400);
    assert_eq!(
        out[..3],
        [
            (10, 1, FlushReason::EndOfBurst),
            (80, 7, FlushReason::Timeout),
            (150, 7, FlushReason::Timeout),
        ]
    );
}

#[test]
fn g25_adaptive_does_not_hold_a_flow_whose_packets_are_far_apart() {
    let hold = Hold::Adaptive { ceiling: 60 };
    let out = released_at(hold, &[10, 100, 190], 400);
    let alone = |now| (now, 1, FlushReason::EndOfBurst);
    assert_eq!(out, [alone(10), alone(100), alone(190)]);
}

#[test]
fn g25_adaptive_learns_from_packets_of_the_same_burst_that_have_their_own_times() {
    let hold = Hold::Adaptive { ceiling: 60 };
    let mut coalescer = Coalescer::new(GroConfig { hold, ..linux() });
    let mut released = Released::new();
    let mut sink = |train, reason| released.push((train, reason));
    let first = Packet::tcp4();
    coalescer.push(first.build(), 10, &mut sink);
    coalescer.push(first.next().build(), 20, &mut sink);
    coalescer.end_of_burst(20, &mut sink);
    assert_eq!(coalescer.held(), 2);
    coalescer.end_of_burst(40, &mut sink);
    assert_eq!(outcome(&released), [(2, FlushReason::Timeout)]);
}

#[test]
fn g25_a_closed_train_goes_at_once() {
    let mut coalescer = Coalescer::new(GroConfig { hold: Hold::AtMost(1000), ..linux() });
    let mut released = Released::new();
    let packets = pair(Packet::tcp4(), |packet| packet.flags = Flags::ACK.with(Flags::PSH));
    for packet in &packets {
        coalescer.push(packet.build(), 0, &mut |train, reason| released.push((train, reason)));
    }
    assert_eq!(outcome(&released), [(2, FlushReason::Push)]);
}

#[test]
fn g26_what_is_encapsulated_passes_through() {
    let inner = Packet { link: Link::None, ..Packet::tcp4() }.build();
    for protocol in [Protocol(4), Protocol(41), Protocol(47)] {
        let outer = Packet { protocol, payload: inner.clone(), ..Packet::tcp4() };
        let out = outcome(&coalesce(linux(), &[outer.clone(), outer]));
        assert_eq!(out, [(1, FlushReason::NotMergeable), (1, FlushReason::NotMergeable)]);
    }
}

#[test]
fn not_mergeable_udp_and_what_is_not_ip_pass_through() {
    let arp = [[2; 12].as_slice(), &[8, 6], &[0; 46]].concat();
    let released = coalesce_bytes(linux(), &[Packet::udp4().build(), arp.clone(), vec![1, 2]]);
    assert_eq!(outcome(&released), [(1, FlushReason::NotMergeable); 3]);
    assert_eq!(
        released.iter().map(|(train, _)| train.is_ip()).collect::<Vec<_>>(),
        [true, false, false]
    );
    assert_eq!(released[1].0.payloads().collect::<Vec<_>>(), [arp]);
}

#[test]
fn disabled_every_packet_goes_on_as_it_came() {
    let config = GroConfig { enabled: false, ..linux() };
    let out = outcome(&coalesce(config, &pair(Packet::tcp4(), |_| {})));
    assert_eq!(out, [(1, FlushReason::Disabled), (1, FlushReason::Disabled)]);
}

#[test]
fn shutdown_everything_held_goes_oldest_first() {
    let mut coalescer = Coalescer::new(GroConfig { hold: Hold::AtMost(1000), ..linux() });
    let mut released = Released::new();
    let mut sink = |train, reason| released.push((train, reason));
    for src_port in [3, 1, 2] {
        coalescer.push(Packet { src_port, ..Packet::tcp4() }.build(), 0, &mut sink);
    }
    assert_eq!(coalescer.held(), 3);
    coalescer.flush(FlushReason::Shutdown, &mut sink);
    assert_eq!((coalescer.held(), coalescer.deadline()), (0, None));
    let ports: Vec<u16> = released
        .iter()
        .map(|(train, reason)| {
            assert_eq!(*reason, FlushReason::Shutdown);
            train.headers().and_then(|headers| headers.ports).unwrap().src
        })
        .collect();
    assert_eq!(ports, [3, 1, 2]);
}
