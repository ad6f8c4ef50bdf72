//! The account is what the engine did: every packet once, every train whole.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use proptest::prelude::*;
use sluice::explain::{Bursts, Explanation, Fate, Line, PacketLine, Reporter, Settings, Summary};
use sluice_common::testing::{Event, stream};

use super::captures::{Folder, Pcap};

/// Keeps the lines.
#[derive(Default)]
struct Lines {
    packets: Vec<PacketLine>,
    /// The packets of each train that ended.
    trains: BTreeMap<u64, Vec<u64>>,
    ended: u64,
}

impl Reporter for Lines {
    fn line(&mut self, line: &Line) -> std::io::Result<()> {
        let ended = match line {
            Line::Packet(packet) => {
                self.packets.push(packet.clone());
                &packet.ended[..]
            }
            Line::Ended(ended) => std::slice::from_ref(ended),
        };
        for ended in ended {
            self.ended += 1;
            self.trains.insert(ended.train, ended.packets.clone());
        }
        Ok(())
    }

    fn summary(&mut self, _: &Summary) -> std::io::Result<()> {
        Ok(())
    }
}

fn account(packets: &[(u64, Vec<u8>)], settings: &Settings) -> (Lines, Summary) {
    let folder = Folder::with(&Pcap::default().file(packets));
    let explanation = Explanation {
        capture: folder.capture(),
        settings: settings.clone(),
        keep_rx_checksum: true,
        bursts: Bursts::default(),
        write: Some(folder.path("out.pcapng")),
    };
    let mut lines = Lines::default();
    let summary = explanation.tell(&mut lines, &mut |_| {}).unwrap();
    assert!(fs::metadata(folder.path("out.pcapng")).is_ok());
    (lines, summary)
}

/// What must hold of any account.
fn check(packets: &[(u64, Vec<u8>)], lines: &Lines, summary: &Summary) {
    let numbers: Vec<_> = lines.packets.iter().map(|line| line.number).collect();
    assert_eq!(
        numbers,
        (1..=packets.len() as u64).collect::<Vec<_>>(),
        "each packet once, in order"
    );
    assert_eq!(lines.ended, lines.trains.len() as u64, "each train ends once");
    let numbered: Vec<_> = lines.trains.keys().copied().collect();
    assert_eq!(numbered, (1..=lines.ended).collect::<Vec<_>>(), "trains are numbered in a row");
    let mut in_trains = BTreeSet::new();
    for (train, members) in &lines.trains {
        for (place, number) in members.iter().enumerate() {
            assert!(in_trains.insert(*number), "packet {number} is in two trains");
            let fate = lines.packets[*number as usize - 1].fate;
            let expected = if place == 0 { Fate::Started(*train) } else { Fate::Joined(*train) };
            assert_eq!(fate, expected, "packet {number}");
        }
    }
    let alone = lines.packets.iter().filter(|line| matches!(line.fate, Fate::Alone(_))).count();
    assert_eq!(alone + in_trains.len(), packets.len());
    assert_eq!(summary.hand_overs, alone as u64 + lines.ended);
    assert_eq!(summary.packets, packets.len() as u64);
    assert_eq!(summary.alone + summary.packets_in_trains, summary.packets);
}

fn settings() -> impl Strategy<Value = Settings> {
    let flush = prop_oneof![Just("adaptive"), Just("0"), Just("5"), Just("100")];
    let profile = prop_oneof![Just("linux"), Just("linux-6.12"), Just("accecn")];
    let checksum = prop_oneof![Just("verify"), Just("partial")];
    (flush, profile, checksum).prop_map(|(flush, profile, checksum)| {
        let settings = Settings::new().unwrap().with("flush_timeout_us", flush).unwrap();
        settings.with("profile", profile).unwrap().with("rx_checksum", checksum).unwrap()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn g23_g25_every_packet_is_accounted_once(
        plan in prop::collection::vec(any::<u8>(), 0..1_200),
        gaps in prop::collection::vec(0_u64..6_000, 1..20),
        settings in settings(),
    ) {
        let (mut time, mut packets) = (1_000_000, Vec::new());
        for (event, gap) in stream(&plan, true).into_iter().zip(gaps.iter().cycle()) {
            match event {
                Event::Packet(bytes) => packets.push((time, bytes)),
                Event::EndOfBurst(pause) => time += pause,
            }
            time += gap;
        }
        let (lines, summary) = account(&packets, &settings);
        check(&packets, &lines, &summary);
    }
}
