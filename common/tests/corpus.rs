//! Replays the fuzz corpus and past crashers without a fuzzer.

use std::fs;
use std::path::{Path, PathBuf};

use sluice_common::testing;

fn files(kind: &str, target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz").join(kind).join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    entries.map(|entry| entry.expect("an entry of the corpus").path()).collect()
}

/// Runs `body` on every input of `target`, and says which one it was that failed.
fn replay(target: &str, body: impl Fn(&[u8])) {
    let corpus = files("corpus", target);
    assert!(!corpus.is_empty(), "no seeds for {target}");
    for path in corpus.into_iter().chain(files("crashers", target)) {
        let data = fs::read(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        println!("{}", path.display());
        body(&data);
    }
}

#[test]
fn parse() {
    replay("parse", testing::parse_any);
}

#[test]
fn round_trip() {
    replay("round_trip", |data| drop(testing::round_trip_of_bytes(data)));
}

#[test]
fn segment() {
    replay("segment", testing::segment_any);
}

/// Writes the seeds that people made: run with `SLUICE_WRITE_SEEDS=1` after changing them.
#[test]
fn the_seeds_are_what_they_are_said_to_be() {
    for (target, name, data) in seeds() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
        let path = folder.join(name);
        if std::env::var_os("SLUICE_WRITE_SEEDS").is_some() {
            fs::write(&path, &data).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        }
        let kept = fs::read(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        assert_eq!(kept, data, "{path:?} is out of date: SLUICE_WRITE_SEEDS=1");
    }
}

fn seeds() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    use sluice_common::offload::{GsoType, VnetHeader};
    use sluice_common::wire::{EtherType, Link, Protocol};
    use testing::{Field, Packet};

    let mut qinq = Packet::tcp4();
    qinq.tags = vec![(EtherType::QINQ, 5), (EtherType::VLAN, 6)];
    let mut extended = Packet::tcp6();
    extended.extensions =
        vec![(Protocol::HOP_BY_HOP, vec![0; 8]), (Protocol::ROUTING, vec![0; 16])];
    let mut fragment = Packet::tcp6();
    fragment.extensions = vec![(Protocol::FRAGMENT, vec![0, 0, 0, 1, 0, 0, 0, 9])];
    let later = Packet { fragment_word: 0x0010, ip_options: vec![1; 8], ..Packet::tcp4() };
    let parse = [
        ("tcp4", Packet::tcp4()),
        ("tcp6", Packet::tcp6()),
        ("udp4", Packet::udp4()),
        ("tcp4_qinq", qinq),
        ("tcp6_extensions", extended),
        ("tcp6_fragment", fragment),
        ("tcp4_options_later_fragment", later),
        ("tcp4_no_link", Packet { link: Link::None, ..Packet::tcp4() }),
    ];
    let mut seeds: Vec<_> =
        parse.into_iter().map(|(name, packet)| ("parse", name, packet.build())).collect();

    let header = |gso_type: GsoType, csum_start| VnetHeader {
        flags: VnetHeader::NEEDS_CSUM,
        gso_type: gso_type.0 as u8,
        hdr_len: csum_start + 32,
        gso_size: 100,
        csum_start,
        csum_offset: 16,
    };
    let supers = [
        ("tcp4", Packet::tcp4(), header(GsoType::TCPV4, 20)),
        ("tcp6", Packet::tcp6(), header(GsoType::TCPV6, 40)),
        ("tcp4_ecn", Packet::tcp4(), header(GsoType::TCPV4.with(GsoType::ECN), 20)),
        ("tcp4_whole", Packet::tcp4(), header(GsoType::NONE, 20)),
    ];
    for (name, packet, vnet) in supers {
        let packet = Packet { link: Link::None, checksum: Field::Partial, ..packet };
        let bytes = packet.with_payload(&[7; 333]).build();
        seeds.push(("segment", name, [&vnet.to_bytes()[..], &bytes].concat()));
    }

    let plan = |config: [u8; 4], steps: &[[u8; 4]]| [&config[..], steps.as_flattened()].concat();
    let bulk: Vec<[u8; 4]> = (0..40).map(|n| [16, n % 4, 0, 0]).collect();
    seeds.push(("round_trip", "bulk", plan([0, 0, 0, 4], &bulk)));
    let every_action: Vec<[u8; 4]> =
        (0..64).flat_map(|n| [[16, n % 4, 0, 0], [16, n % 4, 0, 0], [n, n % 4, n, 3]]).collect();
    seeds.push(("round_trip", "every_action", plan([0, 0, 0, 4], &every_action)));
    seeds.push((
        "round_trip",
        "every_action_partial_adaptive",
        plan([0x58, 200, 0, 4], &every_action),
    ));
    seeds
}
