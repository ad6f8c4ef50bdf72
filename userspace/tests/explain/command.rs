//! The command as a user meets it.

use sluice_common::testing::{Field, Packet};

use super::captures::{Folder, Pcap, of_type};

/// Two flows, five packets each, in turn; every packet alone in its burst.
fn two_slow_flows() -> Folder {
    let (mut one, mut other) = (Packet::tcp4(), Packet { src_port: 40_001, ..Packet::tcp4() });
    let mut packets = Vec::new();
    for n in 0..5 {
        packets.push((n * 20_000, one.build()));
        packets.push((n * 20_000 + 10_000, other.build()));
        (one, other) = (one.next(), other.next());
    }
    Folder::with(&Pcap::default().file(&packets))
}

#[test]
fn the_settings_are_those_of_the_configuration() {
    let folder = two_slow_flows();
    let trains = |options: &[&str]| of_type(&folder.json(options), "train").len();
    assert_eq!(trains(&["--flush-timeout-us", "0"]), 10);
    assert_eq!(trains(&["--flush-timeout-us", "200"]), 2);
    assert_eq!(trains(&["--set", "flush_timeout_us=200"]), 2);
    let config = "[[port]]\niface = \"eth1\"\n[offload]\nflush_timeout_us = 200\n";
    let file = folder.path("sluice.toml");
    std::fs::write(&file, config).unwrap();
    let file = file.to_str().unwrap();
    assert_eq!(trains(&["--config", file]), 2);
    assert_eq!(trains(&["--config", file, "--flush-timeout-us", "0"]), 10, "options change it");
    let summary = folder.text(&["--config", file, "--summary"]);
    assert!(summary.contains("flush_timeout_us = 200"), "{summary}");
}

#[test]
fn a_wrong_setting_is_exit_code_2_in_the_words_of_the_configuration() {
    let folder = two_slow_flows();
    let refused = |options: &[&str], parts: &[&str]| {
        let output = folder.explain(options);
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{message}");
        for part in parts {
            assert!(message.contains(part), "no {part:?} in {message}");
        }
    };
    refused(&["--profile", "linus"], &["offload.profile", "did you mean \"linux\""]);
    refused(&["--max-size", "7"], &["offload.max_size = 7", "from 576"]);
    refused(&["--set", "colour=red"], &["offload.colour", "unknown key"]);
    refused(&["--set", "colour"], &["KEY=VALUE"]);
    refused(&["--flow", "everything"], &["ADDRESS:PORT"]);
    refused(&["--config", "/nonexistent.toml"], &["/nonexistent.toml: cannot read"]);
}

#[test]
fn lines_of_one_flow_are_shown_and_all_are_counted() {
    let folder = two_slow_flows();
    let lines = folder.json(&["--flow", ":40001", "--flow", "10.0.0.2"]);
    let numbers: Vec<_> =
        of_type(&lines, "packet").iter().map(|packet| packet["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [2, 4, 6, 8, 10]);
    assert_eq!(of_type(&lines, "summary")[0]["packets"], 10);
    let text = folder.text(&["--flow", ":40001"]);
    let shown = text.lines().take_while(|line| !line.is_empty());
    assert!(shown.into_iter().all(|line| !line.contains(":40000")), "{text}");
}

#[test]
fn what_would_merge_more_has_been_tried() {
    let folder = two_slow_flows();
    let lines = folder.json(&["--flush-timeout-us", "0", "--summary"]);
    assert_eq!(lines.len(), 1, "only the summary");
    let outcomes = lines[0]["would_merge_more"].as_array().unwrap();
    let of = |setting: &str| {
        let found = outcomes.iter().find(|outcome| outcome["setting"] == setting);
        found.map(|outcome| outcome["hand_overs"].as_u64().unwrap())
    };
    assert_eq!(of("flush_timeout_us = 500"), Some(2));
    assert_eq!(of("rx_checksum = \"partial\""), None, "it changes nothing");
}

#[test]
fn g7_checksums_that_a_sender_left_to_a_nic_are_found_out() {
    let packet = Packet { checksum: Field::Partial, ..Packet::tcp4() };
    let packets = [(0, packet.build()), (0, packet.next().build())];
    let folder = Folder::with(&Pcap::default().file(&packets));
    let text = folder.text(&[]);
    assert!(text.contains("passed alone: bad_checksum (G7"), "{text}");
    let line = text.lines().find(|line| line.contains("rx_checksum = \"partial\"")).unwrap();
    assert_eq!(line.split_whitespace().rev().take(2).collect::<Vec<_>>(), ["2", "1"], "{line}");
    let merged = folder.json(&["--rx-checksum", "partial"]);
    assert_eq!(of_type(&merged, "train").len(), 1);
}

#[test]
fn a_time_that_goes_back_is_told_and_does_no_harm() {
    let packet = Packet::tcp4();
    let packets = [(5_000, packet.build()), (1_000, packet.next().build())];
    let folder = Folder::with(&Pcap::default().file(&packets));
    assert_eq!(of_type(&folder.json(&[]), "train").len(), 1);
    assert!(folder.text(&["--summary"]).contains("note: 1 packets are older"));
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let folder = two_slow_flows();
    let sluice = env!("CARGO_BIN_EXE_sluice");
    let line = format!("{sluice} explain --pcap {} | head -1", folder.capture().display());
    let output = std::process::Command::new("sh").args(["-c", &line]).output().unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}
