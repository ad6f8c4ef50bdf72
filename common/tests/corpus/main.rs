//! Replays the fuzz corpus and past crashers without a fuzzer.

use std::fs;
use std::path::{Path, PathBuf};

use sluice_common::testing;

mod seeds;

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
fn express() {
    replay("express", testing::express_of_bytes);
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

/// A seed that is refused or not cut teaches a fuzzer little.
#[test]
fn the_seeds_of_super_packets_are_cut() {
    use sluice_common::offload::{Limits, Segmenter, VnetHeader};
    for (_, name, data) in seeds::segment() {
        let (vnet, packet) = data.split_at(VnetHeader::LEN);
        let vnet = VnetHeader::parse(vnet).expect("it is all there");
        let limits = Limits { mtu: 1500, fragment_id: Some(7) };
        let segmenter = Segmenter::encapsulated(packet, &vnet, &Default::default(), limits);
        let count = segmenter.unwrap_or_else(|reason| panic!("{name}: {reason:?}")).count();
        assert_eq!(count > 1, name != "tcp4_whole", "{name}");
    }
}

type Seed = (&'static str, String, Vec<u8>);

fn seeds() -> Vec<Seed> {
    [seeds::parse(), seeds::segment(), seeds::plans("round_trip"), seeds::plans("express")].concat()
}
