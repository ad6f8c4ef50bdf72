//! Does it fit the train held for its flow? A header that differs releases the train and starts another.

use sluice_common::offload::{GroConfig, GsoType, Profile, RxChecksum};
use sluice_common::reason::FlushReason;
use sluice_common::testing::{Field, Packet};
use sluice_common::wire::tcp::Flags;
use sluice_common::wire::{EtherType, Protocol};

use crate::burst::{assert_joins, assert_releases, coalesce, linux, outcome, pair, with_profile};

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
fn checksum_state_a_partial_and_a_complete_checksum_do_not_share_a_train() {
    let config = GroConfig { rx_checksum: RxChecksum::Partial, ..linux() };
    let mixed = pair(Packet::tcp4(), |packet| packet.checksum = Field::Partial);
    assert_releases(config, &mixed, FlushReason::ChecksumState);
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
