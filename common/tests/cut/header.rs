//! The segmentation rules, for a train.

use sluice_common::offload::{GroConfig, Profile};
use sluice_common::testing::Packet;
use sluice_common::wire::Protocol;
use sluice_common::wire::tcp::Flags;

use crate::train::{
    all_kinds, config, left_partial, parse_all, partial, row, segments, train, train_of, write_all,
};

#[test]
fn s1_what_a_segment_holds_is_one_segment() {
    for first in all_kinds() {
        for size in [1000, 999, 8000] {
            let packets = row(&first, 333, 999);
            let mut whole = first.clone().with_payload(&crate::train::payload(999));
            whole.flags = packets[2].flags;
            assert_eq!(segments(&packets, size), [whole.build()]);
        }
        let one = row(&first, 333, 333);
        assert_eq!(segments(&one, 333), [one[0].build()], "nothing changes in one that fits");
    }
}

#[test]
fn s2_every_segment_but_the_last_carries_the_size() {
    for (size, expected) in [
        (400, vec![400, 400, 199]),
        (500, vec![500, 499]),
        (333, vec![333; 3]),
        (998, vec![998, 1]),
    ] {
        let packets = row(&Packet::tcp4(), 333, 999);
        let cut = train(&packets);
        let cut = cut.cut(size).unwrap();
        assert_eq!((cut.count(), cut.header_len()), (expected.len(), 66));
        let sent = write_all(cut);
        let lens: Vec<_> = parse_all(&sent).iter().map(|one| one.payload.len()).collect();
        assert_eq!(lens, expected);
    }
}

#[test]
fn s3_link_header_tags_options_and_extension_headers_are_copied() {
    let mut with_options = Packet::tcp4();
    with_options.ip_options = vec![1, 1, 1, 0];
    with_options.options = [vec![8, 10, 1, 2, 3, 4, 5, 6, 7, 8], vec![1; 30]].concat();
    for (first, size) in all_kinds().map(|first| (first, 250)).into_iter().chain([
        // Options keep a packet from merging, not from being cut.
        (with_options, 1000),
    ]) {
        let expected = row(&first, 400, 1000);
        let sent = segments(&row(&first, size, 1000), 400);
        assert_eq!(sent, expected.iter().map(Packet::build).collect::<Vec<_>>());
    }
}

#[test]
fn s4_sequence_numbers_go_on_and_wrap_while_the_rest_stays() {
    let first = Packet { seq: u32::MAX - 150, urgent: 99, reserved: 1, ..Packet::tcp4() };
    let parsed = parse_all(&segments(&row(&first, 75, 300), 100));
    let seqs: Vec<u32> = parsed.iter().map(|one| one.tcp.sequence_number).collect();
    assert_eq!(seqs, [u32::MAX - 150, u32::MAX - 50, 49]);
    for one in &parsed {
        assert_eq!(one.tcp.acknowledgment_number, first.ack);
        assert_eq!((one.tcp.window_size, one.tcp.urgent_pointer), (first.window, 99));
        assert!(one.tcp.ns, "the bits beside the data offset");
    }
}

fn flags_of(segments: &[Vec<u8>]) -> Vec<u8> {
    segments.iter().map(|segment| segment[14 + 20 + 13]).collect()
}

#[test]
fn s5_fin_and_psh_are_on_the_last_and_the_rest_on_all() {
    let common = Flags::ACK.with(Flags::ECE);
    let first = Packet { flags: common, ..Packet::tcp4() };
    for size in [100, 300] {
        let mut packets = row(&first, size, 300);
        let last = packets.last_mut().unwrap();
        last.flags = last.flags.with(Flags::FIN);
        let all = last.flags.0;
        assert_eq!(flags_of(&segments(&packets, 120)), [common.0, common.0, all]);
        assert_eq!(train(&packets).tcp_flags(), Some(Flags(all)), "the flags of the whole");
    }
}

#[test]
fn s5_cwr_is_on_the_first_or_under_accecn_on_all() {
    let (ack, psh) = (Flags::ACK.0, Flags::ACK.with(Flags::PSH).0);
    let cwr = Flags::CWR.0;
    let first = Packet { flags: Flags::ACK.with(Flags::CWR), ..Packet::tcp4() };
    let accecn = GroConfig { profile: Profile::AccEcn, ..config() };
    for size in [100, 300] {
        let mut packets = row(&first, size, 300);
        let sent = |config, packets: &[Packet]| {
            let train = train_of(config, packets.iter().map(Packet::build));
            flags_of(&write_all(train.cut(120).unwrap()))
        };
        assert_eq!(sent(accecn, &packets), [cwr | ack, cwr | ack, cwr | psh]);
        packets
            .iter_mut()
            .skip(1)
            .for_each(|packet| packet.flags = packet.flags.without(Flags::CWR));
        assert_eq!(sent(config(), &packets), [cwr | ack, ack, psh]);
    }
}

#[test]
fn s6_identifications_increment_and_wrap_or_stay() {
    let ids = |packets: &[Packet]| {
        let parsed = parse_all(&segments(packets, 120));
        parsed.iter().map(|one| one.id).collect::<Vec<_>>()
    };
    for df in [0, 0x4000] {
        let first = Packet { id: 0xffff, fragment_word: df, ..Packet::tcp4() };
        let mut packets = row(&first, 100, 300);
        assert_eq!(ids(&packets), [0xffff, 0, 1]);
        assert_eq!(ids(&row(&first, 300, 300)), [0xffff, 0, 1], "of one packet");
        packets.iter_mut().for_each(|packet| packet.id = 7);
        assert_eq!(ids(&packets), [7, 7, 7]);
    }
}

#[test]
fn s7_df_ttl_tos_and_flow_label_stay_and_no_segment_is_a_fragment() {
    for df in [0, 0x4000] {
        let first = Packet { tos: 0xba, ttl: 7, fragment_word: df, ..Packet::tcp4() };
        for segment in segments(&row(&first, 100, 300), 80) {
            assert_eq!((segment[15], segment[22]), (0xba, 7));
            assert_eq!(u16::from_be_bytes([segment[20], segment[21]]), df);
        }
    }
    let first = Packet { tos: 0xba, ttl: 7, flow_label: 0x12345, ..Packet::tcp6() };
    for segment in segments(&row(&first, 100, 300), 80) {
        assert_eq!(segment[14..18], [0x6b, 0xa1, 0x23, 0x45]);
        assert_eq!(segment[21], 7);
    }
}

#[test]
fn s8_s9_lengths_and_checksums_are_made_anew_of_valid_and_of_partial_ones() {
    for first in all_kinds() {
        let packets = row(&first, 333, 3001);
        for size in [1, 2, 3, 99, 100, 1400, 3000, 3001] {
            let sent = segments(&packets, size);
            assert_eq!(parse_all(&sent).len(), 3001_usize.div_ceil(size));
            let bytes = left_partial(&packets).into_iter().map(|packet| packet.build());
            let train = train_of(partial(), bytes);
            assert_eq!(write_all(train.cut(size).unwrap()), sent, "completed");
        }
    }
}

#[test]
fn s17_a_segment_size_of_1_works_for_all_there_can_be() {
    let len = 65_535 - 20 - 20;
    let first = Packet { options: Vec::new(), ..Packet::tcp4() };
    let sent = segments(&row(&first, 1460, len), 1);
    assert_eq!(sent.len(), len);
    let parsed = parse_all(&sent);
    assert!(parsed.iter().zip(crate::train::payload(len)).all(|(one, byte)| one.payload == [byte]));
    let last = parsed.last().unwrap();
    assert_eq!(last.tcp.sequence_number, first.seq + len as u32 - 1);
    assert_eq!(last.id, first.id.wrapping_add(len as u16 - 1));
}

#[test]
fn s5_lro_the_last_packet_wins_in_every_segment() {
    let config = GroConfig { profile: Profile::Lro, ..config() };
    for first in [Packet::tcp4(), Packet::tcp6()] {
        let mut packets = row(&first, 333, 999);
        for (n, packet) in packets.iter_mut().enumerate() {
            packet.ack += 10 * n as u32;
            packet.window += n as u16;
            packet.options[7] += n as u8;
        }
        let train = train_of(config, packets.iter().map(Packet::build));
        let last = packets[2].clone();
        let Packet { ack, window, options, .. } = last;
        let expected = row(&Packet { ack, window, options, ..first }, 500, 999);
        let expected: Vec<_> = expected.iter().map(Packet::build).collect();
        assert_eq!(write_all(train.cut(500).unwrap()), expected);
    }
}

#[test]
fn the_headers_of_a_train_say_how_long_they_are() {
    let len = |packet: &Packet| train(std::slice::from_ref(packet)).transport_header_len();
    assert_eq!(len(&Packet::tcp4()), Some(32));
    assert_eq!(len(&Packet::udp6()), Some(8));
    assert_eq!(len(&Packet { protocol: Protocol(47), ..Packet::tcp4() }), None);
    assert_eq!(len(&Packet { fragment_word: 0x2000, ..Packet::tcp4() }), None);
    let flags = |packet: &Packet| train(std::slice::from_ref(packet)).tcp_flags();
    assert_eq!(flags(&Packet::tcp4()), Some(Flags::ACK));
    assert_eq!(flags(&Packet { flags: Flags::SYN, ..Packet::tcp6() }), Some(Flags::SYN));
    assert_eq!(flags(&Packet::udp4()), None);
    // Bytes in the middle of a stream are no header.
    assert_eq!(flags(&Packet { fragment_word: 0x0010, ..Packet::tcp4() }), None);
}
