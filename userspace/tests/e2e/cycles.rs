//! Nothing is left behind.

use std::collections::BTreeSet;
use std::env;
use std::fs;

use anyhow::Result;
use aya::maps::loaded_maps;
use aya::programs::loaded_programs;
use nix::sys::signal::Signal;
use sluice_lab::{DUT, DUT_V4, Lab, Sender, Stream, wait_until};

use crate::bed::{LIMIT, STEERED, alone, start};

/// Everything Sluice can change on a machine, in words.
type State = BTreeSet<String>;

/// Enough to meet a leak of one thing a cycle; `SLUICE_CYCLES=1000` for one that is rarer.
fn cycles() -> usize {
    env::var("SLUICE_CYCLES").map_or(30, |count| count.parse().expect("SLUICE_CYCLES is a number"))
}

fn state(lab: &Lab) -> Result<State> {
    let mut state = State::new();
    let asked = [
        "-o link show",
        "-4 rule show",
        "-6 rule show",
        "-4 route show table all",
        "-6 route show table all",
        "-o address show",
    ];
    for question in asked {
        state.extend(
            lab.dut.ip(question)?.lines().map(|line| format!("{question}: {}", stable(line))),
        );
    }
    state.extend(sysctls(lab));
    Ok(state)
}

/// Nothing, as a list.
const NOTHING: [String; 0] = [];

/// What has gone and what has come.
fn changes(before: &State, after: &State) -> Vec<String> {
    let gone = before.difference(after).map(|line| format!("gone: {line}"));
    gone.chain(after.difference(before).map(|line| format!("new: {line}"))).collect()
}

/// Without what changes by itself: how long an address or route still lives.
fn stable(line: &str) -> String {
    let words: Vec<_> = line.split_whitespace().collect();
    let expires = words.iter().position(|word| *word == "expires").unwrap_or(words.len());
    words[..expires].join(" ")
}

/// What can be read of the settings of all interfaces and of the lab's. `/proc/sys/net` shows those of the
/// namespace of the thread that reads.
fn sysctls(lab: &Lab) -> Vec<String> {
    let folders = ["ipv4", "ipv6"].into_iter().flat_map(|family| {
        ["all", "default", DUT].map(|link| format!("/proc/sys/net/{family}/conf/{link}"))
    });
    let read = |folder: String| {
        let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let told = files.filter_map(|file| Some((fs::read_to_string(&file).ok()?, file)));
        told.map(|(value, file)| format!("{} = {}", file.display(), value.trim()))
            .collect::<Vec<_>>()
    };
    lab.dut.run(|| folders.flat_map(read).collect())
}

/// Programs and maps the kernel holds, by number. They are the machine's, not a namespace's.
fn objects() -> BTreeSet<(&'static str, u32)> {
    let programs = loaded_programs().flatten().map(|program| ("program", program.id()));
    let maps = loaded_maps().flatten().map(|map| ("map", map.id()));
    programs.chain(maps).collect()
}

#[test]
fn starting_and_stopping_leaves_nothing_behind() -> Result<()> {
    let _alone = alone();
    let lab = Lab::new()?;
    let (before, objects_before) = (state(&lab)?, objects());
    for cycle in 0..cycles() {
        let mut sluice = start(&lab)?;
        if cycle == 0 {
            assert_ne!(changes(&before, &state(&lab)?), NOTHING, "this test must see something");
            assert!(objects().len() > objects_before.len());
        }
        // A cycle in three has traffic in flight at its end.
        let stream = (cycle % 3 == 0)
            .then(|| Stream::start(&lab, (DUT_V4, STEERED).into(), Sender::Peer))
            .transpose()?;
        if let Some(stream) = &stream {
            stream.await_bytes(1 << 20, LIMIT)?;
        }
        sluice.stop()?;
        assert_eq!(changes(&before, &state(&lab)?), NOTHING, "after cycle {cycle}");
        assert_eq!(journal(sluice.folder())?, NOTHING, "after cycle {cycle}");
        stream.map_or(Ok(0), Stream::finish)?;
    }
    await_objects(&objects_before)
}

#[test]
fn a_start_undoes_what_a_killed_supervisor_left() -> Result<()> {
    let _alone = alone();
    let lab = Lab::new()?;
    let (before, objects_before) = (state(&lab)?, objects());
    let mut sluice = start(&lab)?;
    sluice.supervisor().signal(Signal::SIGKILL)?;
    sluice.supervisor().wait(LIMIT)?;
    assert!(!journal(sluice.folder())?.is_empty(), "what was changed is in the journal");
    sluice.restart(&lab.dut)?;
    sluice.stop()?;
    assert_eq!(changes(&before, &state(&lab)?), NOTHING);
    assert_eq!(journal(sluice.folder())?, NOTHING);
    await_objects(&objects_before)
}

/// The kernel frees programs and maps after a grace period, in the background.
fn await_objects(before: &BTreeSet<(&str, u32)>) -> Result<()> {
    wait_until("the kernel has freed all programs and maps", LIMIT, || {
        objects().is_subset(before).then_some(())
    })
}

/// What the journal's folder holds.
fn journal(folder: &std::path::Path) -> Result<Vec<String>> {
    let Ok(entries) = fs::read_dir(folder.join("state")) else { return Ok(Vec::new()) };
    Ok(entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect())
}
