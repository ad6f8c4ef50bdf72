//! An hour of an administrator's whims, in a minute: the configuration is read anew every second, and nothing is lost.
//!
//! `SLUICE_SOAK_SECONDS` says how long; a minute where it is not set.

use std::time::{Duration, Instant};
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use nix::sys::socket::{setsockopt, sockopt};
use nix::unistd::Pid;
use sluice_lab::{A_V6, B_V4, Datagrams, Pace, Stream, WireLab, connect};

use crate::bed::{LIMIT, alone};
use crate::sluice::{patient, start_wire};

/// As long as is worth the wait before every change lands.
const SECONDS: u64 = 60;

/// What a lab on a small machine carries while it builds something else.
const PACE: Pace = Pace { flows: 8, per_second: 2_000, size: 400 };

/// Bytes of the connection that are on their way at most: a fraction of what a worker's frames hold.
const IN_FLIGHT: usize = 128 << 10;

/// Memory that comes and goes, in KiB: buffers of whoever asks, histograms that were fetched.
const BREATH: u64 = 2 << 10;

/// Another set of rules, another stage, other answers: all that may change while packets flow.
fn whim(turn: u64) -> String {
    let more = match turn % 4 {
        0 => "",
        1 => "[[rule]]\nsrc = \"10.0.0.0/8\"\naction = \"drop\"\n",
        2 => {
            "[wire]\nicmp_rate = 7\n[stage]\nkind = \"rewrite\"\n[[stage.rewrite]]\nout = \"right0\"\nvlan = { 10 = 20 }\n"
        }
        _ => {
            "[[rule]]\nproto = \"udp\"\ndst_port = \"9000-9999\"\naction = \"pass\"\n[offload]\nudp_gro = false\n"
        }
    };
    format!("{}{more}", patient())
}

/// Memory of a process that is in RAM, in KiB.
fn resident(pid: Pid) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    Ok(line.and_then(|line| line.split_whitespace().next()).context("no VmRSS")?.parse()?)
}

#[test]
fn nothing_is_lost_while_the_configuration_changes_every_second() -> Result<()> {
    let seconds = env::var("SLUICE_SOAK_SECONDS").map_or(Ok(SECONDS), |seconds| seconds.parse())?;
    let _alone = alone();
    let lab = WireLab::new()?;
    let mut sluice = start_wire(&lab, &patient())?;
    let datagrams = [
        Datagrams::start(&lab.a, &lab.b, (B_V4, 6000).into(), PACE)?,
        Datagrams::start(&lab.b, &lab.a, (A_V6, 6000).into(), PACE)?,
    ];
    let (near, far) = connect(&lab.a, &lab.b, (B_V4, 5000).into())?;
    // A connection that may have more on its way would leave datagrams no room while a worker waits for a CPU.
    setsockopt(&near, sockopt::SndBuf, &IN_FLIGHT)?;
    let stream = Stream::over(near, far)?;
    let pids = [sluice.supervisor().pid(), sluice.data_plane()?];
    let mut before = [0; 2];
    let start = Instant::now();
    for turn in 1..=seconds {
        // Whatever a turn takes: the pace is the administrator's, and nothing depends on it.
        let due = Duration::from_secs(turn);
        std::thread::sleep(due.saturating_sub(start.elapsed()));
        sluice.configure(&whim(turn))?;
        if turn % 2 == 0 {
            sluice.reload()?;
        } else {
            sluice.supervisor().signal(Signal::SIGHUP)?;
        }
        if turn == seconds.min(10) {
            before = [resident(pids[0])?, resident(pids[1])?];
        }
    }
    for (pid, before) in pids.into_iter().zip(before) {
        let now = resident(pid)?;
        ensure!(now <= before + BREATH, "memory of {pid} went from {before} to {now} KiB");
    }
    for datagrams in &datagrams {
        datagrams.await_arrivals(100, LIMIT)?;
    }
    let drops = sluice.stats()?.drops();
    for fared in datagrams.into_iter().map(Datagrams::finish) {
        for flow in fared? {
            ensure!(flow.lost == 0 && flow.duplicated == 0, "{flow:?}; {drops:?}");
        }
    }
    stream.finish()?;
    sluice.ensure_sound()?;
    sluice.stop()
}
