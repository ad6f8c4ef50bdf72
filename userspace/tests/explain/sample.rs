//! The sample capture of the documentation, and the account of it: one of each kind of line.
//!
//! `SLUICE_BLESS=1` writes both anew; look at the difference before it is committed.

use std::fs;
use std::path::PathBuf;

use sluice_common::testing::{Field, Packet};
use sluice_common::wire::tcp::Flags;

use super::captures::{Pcap, explain};

const US: u64 = 1_000;
const MS: u64 = 1_000_000;

fn here(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/explain").join(name)
}

fn bulk() -> Packet {
    Packet::tcp4().with_payload(&[0x5a; 1_448])
}

/// Sends `packet` at `time` and goes on to the next.
fn send(capture: &mut Vec<(u64, Vec<u8>)>, time: u64, packet: &mut Packet) {
    capture.push((time, packet.build()));
    *packet = packet.next();
}

/// A little of everything that users ask about.
fn packets() -> Vec<(u64, Vec<u8>)> {
    let begin = 1_700_000_000_000_000_000;
    let mut capture = Vec::new();
    let mut flow = bulk();
    // A burst of three, closed by PSH; then the acknowledgement.
    for n in 0..3 {
        flow.flags = if n == 2 { Flags::ACK.with(Flags::PSH) } else { Flags::ACK };
        send(&mut capture, begin + n * US, &mut flow);
    }
    let (src, dst) = (flow.src, flow.dst);
    let back =
        Packet { src: dst, dst: src, src_port: flow.dst_port, dst_port: flow.src_port, ..bulk() };
    capture.push((begin + 3 * US, back.with_payload(&[]).build()));
    // Two that fit, one with another window, one that is short.
    flow.flags = Flags::ACK;
    for n in 0..2 {
        send(&mut capture, begin + MS + n * US, &mut flow);
    }
    flow.window = 400;
    send(&mut capture, begin + MS + 2 * US, &mut flow);
    flow.payload.truncate(600);
    send(&mut capture, begin + MS + 3 * US, &mut flow);
    // One that nobody joins, and one that comes after a loss.
    flow = Packet { payload: bulk().payload, ..flow };
    send(&mut capture, begin + 2 * MS, &mut flow);
    flow = flow.next();
    send(&mut capture, begin + 2 * MS + US, &mut flow);
    send(&mut capture, begin + 2 * MS + 2 * US, &mut flow);
    // A sender on this machine left the checksums to a NIC.
    flow.checksum = Field::Partial;
    for n in 0..2 {
        send(&mut capture, begin + 3 * MS + n * US, &mut flow);
    }
    // Another flow begins and ends over IPv6, and somebody asks for an address.
    let mut other = Packet { flags: Flags::SYN, payload: Vec::new(), ..Packet::tcp6() };
    capture.push((begin + 4 * MS, other.build()));
    other.seq += 1;
    other = Packet { flags: Flags::ACK, payload: vec![1; 1_428], ..other };
    send(&mut capture, begin + 5 * MS, &mut other);
    other.flags = Flags::ACK.with(Flags::FIN);
    send(&mut capture, begin + 5 * MS + US, &mut other);
    let mut arp = bulk().build();
    arp.truncate(42);
    arp[12..14].copy_from_slice(&[8, 6]);
    capture.push((begin + 6 * MS, arp));
    capture
}

/// Without what reasons mean, which is worded where they are declared: lines without what stands in
/// brackets, and no table of reasons.
fn without_meanings(text: &str) -> String {
    let mut kept = String::new();
    for part in text.split("\n\n").filter(|part| !part.contains("released because")) {
        for line in part.lines() {
            let mut pieces = line.split(" (");
            kept.push_str(pieces.next().unwrap_or_default().trim_end());
            for piece in pieces {
                kept.push_str(piece.split_once(')').map_or("", |(_, after)| after.trim_end()));
            }
            kept.push('\n');
        }
        kept.push('\n');
    }
    kept
}

/// The file as it is in the repository is what is made here.
fn compare(name: &str, made: &[u8]) {
    if std::env::var_os("SLUICE_BLESS").is_some() {
        fs::write(here(name), made).unwrap();
    }
    let kept = fs::read(here(name)).unwrap();
    let as_text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(kept == made, "{name} differs; it would be:\n{}", as_text(made));
}

#[test]
fn the_sample_is_what_the_tests_make() {
    compare("sample.pcap", &Pcap::default().file(&packets()));
}

#[test]
fn the_account_of_the_sample_has_every_kind_of_line() {
    let output = explain(&here("sample.pcap"), &[]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    compare("sample.txt", without_meanings(&text).as_bytes());
    for part in [
        "started train",
        "joined train",
        "ended it",
        "passed alone",
        "; started",
        "held ",
        "(G12: ",
    ] {
        assert!(text.contains(part), "no {part:?} in\n{text}");
    }
}

#[test]
fn the_same_capture_gives_the_same_bytes() {
    let once = explain(&here("sample.pcap"), &["--json"]);
    let again = explain(&here("sample.pcap"), &["--json"]);
    assert_eq!(once.stdout, again.stdout);
}
