//! Files that are no captures, or not whole ones.

use std::process::Output;

use pcap_file::Endianness;
use proptest::prelude::*;
use sluice::explain::Capture;
use sluice_common::testing::Packet;

use super::captures::{Folder, Interface, Pcap, explain, pcapng};

fn three() -> Vec<(u64, Vec<u8>)> {
    let packet = Packet::tcp4();
    vec![
        (1_000, packet.build()),
        (2_000, packet.next().build()),
        (3_000, packet.next().next().build()),
    ]
}

#[track_caller]
fn assert_refused(output: &Output, parts: &[&str]) {
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    for part in parts {
        assert!(message.contains(part), "no {part:?} in {message}");
    }
}

#[test]
fn what_is_no_capture_is_refused_with_what_to_do() {
    let refused = |bytes: &[u8], parts: &[&str]| {
        let output = Folder::with(bytes).explain(&[]);
        assert!(output.stdout.is_empty());
        assert_refused(&output, parts);
    };
    refused(b"", &["capture.pcap: empty"]);
    refused(b"hello, world", &["not a capture", "tcpdump -w"]);
    refused(&[0xd4, 0xc3, 0xb2], &["cut off after packet 0"]);
    refused(&Pcap::default().file(&[])[..20], &["cut off after packet 0"]);
    refused(&[0x1f, 0x8b, 8, 0], &["compressed with gzip", "gunzip --keep"]);
    refused(&[0x28, 0xb5, 0x2f, 0xfd, 0], &["compressed with zstd", "unzstd"]);
    refused(&[0xfd, b'7', b'z', b'X', b'Z', 0], &["compressed with xz"]);
    assert_refused(
        &explain("/nonexistent.pcap".as_ref(), &[]),
        &["/nonexistent.pcap: cannot read"],
    );
    assert_refused(&explain("/tmp".as_ref(), &[]), &["/tmp: not a file"]);
}

#[test]
fn a_file_that_ends_in_mid_packet_is_told_up_to_there() {
    let file = Pcap::default().file(&three());
    for cut in [1, 17, file.len() / 3 - 10] {
        let output = Folder::with(&file[..file.len() - cut]).explain(&[]);
        assert_refused(&output, &["cut off after packet 2"]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("joined train 1") && text.contains("in all"), "{text}");
    }
}

#[test]
fn a_length_that_is_a_lie_is_not_believed() {
    let mut file = Pcap::default().file(&three());
    let second = 24 + 16 + three()[0].1.len();
    file[second + 8..second + 12].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_refused(&Folder::with(&file).explain(&[]), &["cut off after packet 1"]);
    file.resize(20 << 20, 0);
    assert_refused(&Folder::with(&file).explain(&[]), &["damaged after packet 1", "larger than"]);
}

#[test]
fn a_link_type_that_is_not_understood_is_named() {
    let file = Pcap { link_type: 127, ..Pcap::default() }.file(&three());
    assert_refused(
        &Folder::with(&file).explain(&[]),
        &["packet 1 has link type 127", "Ethernet (1)"],
    );
}

#[test]
fn a_packet_of_an_interface_that_is_not_described_is_named() {
    let interface = Interface { link_type: 1, resolution: 6 };
    let mut file = pcapng(Endianness::Little, &[interface], &[(0, 1, three()[0].1.clone())]);
    let at = file.windows(4).rposition(|word| word == 6_u32.to_le_bytes()).unwrap();
    file[at + 8] = 7;
    assert_refused(&Folder::with(&file).explain(&[]), &["interface 7, which is not described"]);
}

/// Reads to the end or to what is wrong; how many packets there were.
fn read(bytes: &[u8]) -> u64 {
    let folder = Folder::with(bytes);
    let Ok(mut capture) = Capture::open(&folder.capture()) else { return 0 };
    while let Ok(Some(_)) = capture.next_packet() {}
    capture.packets()
}

fn whole() -> Vec<Vec<u8>> {
    let packets: Vec<_> = three().into_iter().map(|(time, bytes)| (0, time, bytes)).collect();
    let interface = || [Interface { link_type: 1, resolution: 6 }];
    vec![
        Pcap::default().file(&three()),
        Pcap { big_endian: true, nanoseconds: false, ..Pcap::default() }.file(&three()),
        pcapng(Endianness::Little, &interface(), &packets),
        pcapng(Endianness::Big, &interface(), &packets),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_file_is_too_damaged_to_be_read(
        which in 0_usize..4,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        end in any::<prop::sample::Index>(),
    ) {
        let mut file = whole().swap_remove(which);
        for (at, value) in &damage {
            let at = at.index(file.len());
            file[at] = *value;
        }
        file.truncate(end.index(file.len() + 1));
        prop_assert!(read(&file) <= 3);
    }

    #[test]
    fn no_bytes_are_too_strange(tail in prop::collection::vec(any::<u8>(), 0..400), which in 0_usize..4) {
        let mut file = whole().swap_remove(which);
        file.truncate(if which < 2 { 24 } else { 28 });
        file.extend(tail);
        read(&file);
    }
}
