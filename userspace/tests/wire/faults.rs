//! Connections go on when the data plane does not.

use anyhow::{Context, Result, ensure};
use sluice_lab::{
    A_V6, B_V4, Datagrams, Pace, Sluice, Stats, Stream, WireLab, WireWiring, connect, wait_until,
};

use crate::bed::{LIMIT, alone};
use crate::sluice::{CONFIG, start_wire};

/// A connection and flows of datagrams each way, from before the first change to after the last.
struct Load {
    streams: [Stream; 2],
    datagrams: [Datagrams; 2],
}

impl Load {
    fn start(lab: &WireLab) -> Result<Self> {
        let (near, far) = connect(&lab.a, &lab.b, (B_V4, 5000).into())?;
        let there = Stream::over(near, far)?;
        let (near, far) = connect(&lab.b, &lab.a, (A_V6, 5000).into())?;
        let back = Stream::over(near, far)?;
        let pace = Pace { flows: 4, per_second: 1_000, size: 1000 };
        let datagrams = [
            Datagrams::start(&lab.a, &lab.b, (B_V4, 6000).into(), pace)?,
            Datagrams::start(&lab.b, &lab.a, (A_V6, 6000).into(), pace)?,
        ];
        Ok(Self { streams: [there, back], datagrams })
    }

    /// Lets a second's worth through after `what`, and tells the longest time in which nothing has come until then.
    fn go_on(&self, what: &str) -> Result<()> {
        for stream in &self.streams {
            stream.await_bytes(20 << 20, LIMIT).with_context(|| format!("after {what}"))?;
            println!("{what}: no data for {:?}", stream.longest_gap());
        }
        for datagrams in &self.datagrams {
            datagrams.await_arrivals(1_000, LIMIT).with_context(|| format!("after {what}"))?;
            println!("{what}: no datagram for {:?}", datagrams.longest_gap());
        }
        Ok(())
    }

    fn finish(self) -> Result<()> {
        self.streams.into_iter().try_for_each(|stream| stream.finish().map(drop))?;
        self.datagrams.into_iter().try_for_each(|datagrams| datagrams.finish().map(drop))
    }
}

/// Waits until packets from both sides go through Sluice.
fn await_taken(sluice: &Sluice) -> Result<()> {
    let before = sluice.stats()?.crossed();
    wait_until("both directions go through Sluice", LIMIT, || {
        let now = sluice.stats().ok().filter(Stats::running)?.crossed();
        let taken = |side: usize| {
            // A data plane that has been started again counts anew.
            now[side].received_packets.abs_diff(before[side].received_packets) > 100
        };
        (taken(0) && taken(1)).then_some(())
    })
}

/// Traffic goes on when the data plane is killed, and when it stalls; what Sluice says at the end.
fn survived(wiring: WireWiring, config: &str) -> Result<Stats> {
    let _alone = alone();
    let lab = WireLab::wired(wiring)?;
    let mut sluice = start_wire(&lab, config)?;
    let load = Load::start(&lab)?;
    await_taken(&sluice)?;
    load.go_on("connecting")?;

    sluice.kill_data_plane()?;
    load.go_on("SIGKILL to the data plane")?;
    await_taken(&sluice)?;
    load.go_on("its return")?;

    sluice.while_stalled(|| load.go_on("SIGSTOP to the data plane"))?;
    await_taken(&sluice)?;
    load.go_on("the return from the stall")?;

    load.finish()?;
    ensure!(sluice.stats()?.ledger_intact(), "a frame is missing");
    let stats = sluice.stats()?;
    sluice.stop()?;
    Ok(stats)
}

#[test]
fn traffic_goes_on_when_the_data_plane_is_killed_or_stalls() -> Result<()> {
    survived(WireWiring::default(), CONFIG).map(drop)
}

/// Then nobody cuts what is too large for the other side: its sender hears of it from the supervisor.
#[test]
fn it_goes_on_between_different_mtus_too_for_somebody_answers() -> Result<()> {
    let stats = survived(WireWiring { mtu: [9_000, 1_500], ..WireWiring::default() }, CONFIG)?;
    ensure!(stats.answered() > 0, "nobody was answered");
    Ok(())
}

#[test]
fn two_workers_share_one_queue_and_come_back_together() -> Result<()> {
    let config = format!("{CONFIG}\n[worker]\ncount = 2\n");
    let stats = survived(WireWiring { queues: 1, ..WireWiring::default() }, &config)?;
    let shares = stats.shares();
    ensure!(shares.len() == 2 && shares.iter().all(|&share| share > 1_000), "{shares:?}");
    Ok(())
}
