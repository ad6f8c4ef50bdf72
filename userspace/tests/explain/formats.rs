//! The kinds of captures there are: the same packets give the same account.

use pcap_file::Endianness;
use sluice_common::testing::Packet;
use sluice_common::wire::Link;

use super::captures::{Folder, Interface, Pcap, of_type, pcapng};

const BEGIN: u64 = 1_700_000_000_000_000_000;

/// Five packets of one train, a microsecond apart.
fn train(link: Link) -> Vec<(u64, Vec<u8>)> {
    let mut packet = Packet { link, ..Packet::tcp4() };
    let mut packets = Vec::new();
    for n in 0..5 {
        packets.push((BEGIN + n * 1_000, packet.build()));
        packet = packet.next();
    }
    packets
}

/// They are one train of five, at the right time.
#[track_caller]
fn assert_one_train(file: &[u8]) {
    let lines = Folder::with(file).json(&[]);
    let trains = of_type(&lines, "train");
    assert_eq!(trains.len(), 1, "{lines:?}");
    assert_eq!(trains[0]["packets"], serde_json::json!([1, 2, 3, 4, 5]));
    let packets = of_type(&lines, "packet");
    let times: Vec<_> = packets.iter().map(|packet| packet["time_ns"].as_u64().unwrap()).collect();
    assert_eq!(times, (0..5).map(|n| BEGIN + n * 1_000).collect::<Vec<_>>());
}

#[test]
fn pcap_in_both_byte_orders_and_both_resolutions() {
    for (big_endian, nanoseconds) in [(false, false), (false, true), (true, false), (true, true)] {
        assert_one_train(
            &Pcap { big_endian, nanoseconds, ..Pcap::default() }.file(&train(Link::Ethernet)),
        );
    }
}

#[test]
fn raw_ip_has_three_numbers() {
    for link_type in [101, 228, 229] {
        assert_one_train(&Pcap { link_type, ..Pcap::default() }.file(&train(Link::None)));
    }
}

#[test]
fn linux_cooked_captures_hide_their_header_from_the_engine() {
    let cooked = |header: &[u8]| -> Vec<_> {
        let packets = train(Link::None).into_iter();
        packets.map(|(time, bytes)| (time, [header, &bytes[..]].concat())).collect()
    };
    let v1 = [0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0];
    let v2 = [8, 0, 0, 0, 0, 0, 0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0];
    assert_one_train(&Pcap { link_type: 113, ..Pcap::default() }.file(&cooked(&v1)));
    assert_one_train(&Pcap { link_type: 276, ..Pcap::default() }.file(&cooked(&v2)));
}

#[test]
fn pcapng_in_both_byte_orders_and_any_resolution() {
    for endianness in [Endianness::Little, Endianness::Big] {
        for (resolution, unit) in [(9, 1), (6, 1_000)] {
            let packets: Vec<_> = train(Link::Ethernet)
                .into_iter()
                .map(|(time, bytes)| (0, time / unit, bytes))
                .collect();
            let interface = Interface { link_type: 1, resolution };
            assert_one_train(&pcapng(endianness, &[interface], &packets));
        }
    }
}

#[test]
fn g1_packets_of_two_interfaces_are_two_flows_each_with_its_clock() {
    let mut packets = Vec::new();
    for (time, bytes) in train(Link::Ethernet) {
        packets.push((0, time, bytes.clone()));
        packets.push((1, time / 1_000, bytes[14..].to_vec()));
    }
    let interfaces =
        [Interface { link_type: 1, resolution: 9 }, Interface { link_type: 101, resolution: 6 }];
    let lines = Folder::with(&pcapng(Endianness::Little, &interfaces, &packets)).json(&[]);
    let trains: Vec<_> =
        of_type(&lines, "train").iter().map(|train| train["packets"].clone()).collect();
    assert_eq!(trains, [serde_json::json!([1, 3, 5, 7, 9]), serde_json::json!([2, 4, 6, 8, 10])]);
}

#[test]
fn packets_that_were_cut_short_are_taken_for_sound() {
    let file = Pcap { snaplen: 80, ..Pcap::default() }.file(&train(Link::Ethernet));
    assert_one_train(&file);
    let text = Folder::with(&file).text(&["--summary"]);
    assert!(text.contains("note: 5 packets are cut short"), "{text}");
    let strict = Folder::with(&file).json(&["--rx-checksum", "verify"]);
    assert_eq!(of_type(&strict, "train").len(), 0, "who insists gets it");
}

#[test]
fn g25_the_gap_that_ends_a_burst_can_be_chosen() {
    let trains = |options: &[&str]| {
        let file = Pcap::default().file(&train(Link::Ethernet));
        let options = [options, &["--flush-timeout-us", "0"]].concat();
        of_type(&Folder::with(&file).json(&options), "train").len()
    };
    assert_eq!(
        (trains(&[]), trains(&["--burst-us", "1"]), trains(&["--burst-us", "0"])),
        (1, 1, 5)
    );
}
