//! Connections go over to Sluice and back, however it ends.

use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use sluice_lab::{DUT, DUT_V4, DUT_V6, Lab, Sender, Sluice, Stats, Stream, wait_until};

use crate::bed::{LIMIT, STEERED, STEERED_TOO, alone, assert_sound, start};

/// Longer than any pause of a connection that lives.
const SILENCE: Duration = Duration::from_secs(1);

/// One connection each way, both from before the first change to after the last.
struct Streams([Stream; 2]);

impl Streams {
    fn start(lab: &Lab) -> Result<Self> {
        let inbound = Stream::start(lab, (DUT_V4, STEERED).into(), Sender::Peer)?;
        let outbound = Stream::start(lab, (DUT_V6, STEERED_TOO).into(), Sender::Dut)?;
        Ok(Self([inbound, outbound]))
    }

    /// Lets a second's worth of data through after `what`, and tells the longest time in which none has come until then.
    fn go_on(&self, what: &str) -> Result<()> {
        for stream in &self.0 {
            stream.await_bytes(20 << 20, LIMIT).with_context(|| format!("after {what}"))?;
            println!("{what}: no data for {:?}", stream.longest_gap());
        }
        Ok(())
    }

    fn finish(self) -> Result<()> {
        self.0.into_iter().try_for_each(|stream| stream.finish().map(drop))
    }
}

/// Waits until Sluice carries both streams.
fn await_taken(sluice: &Sluice) -> Result<()> {
    let before = sluice.stats()?.carried();
    wait_until("both streams go through Sluice", LIMIT, || {
        let now = sluice.stats().ok().filter(Stats::running)?.carried();
        (now.received > before.received + 100 && now.from_host > before.from_host + 100)
            .then_some(())
    })
}

#[test]
fn a_connection_survives_every_way_sluice_can_start_and_end() -> Result<()> {
    let _alone = alone();
    let lab = Lab::new()?;
    let streams = Streams::start(&lab)?;
    streams.go_on("connecting, before Sluice ever ran")?;

    let mut sluice = start(&lab)?;
    await_taken(&sluice)?;
    streams.go_on("the first start")?;
    sluice.stop()?;
    streams.go_on("a stop")?;

    sluice.restart(&lab.dut)?;
    await_taken(&sluice)?;
    streams.go_on("a start")?;

    sluice.kill_data_plane()?;
    streams.go_on("SIGKILL to the data plane")?;
    await_taken(&sluice)?;
    streams.go_on("its return")?;

    sluice.while_stalled(|| streams.go_on("SIGSTOP to the data plane"))?;
    await_taken(&sluice)?;
    streams.go_on("the return from the stall")?;

    sluice.supervisor().signal(Signal::SIGKILL)?;
    sluice.supervisor().wait(LIMIT)?;
    streams.go_on("SIGKILL to the supervisor")?;

    sluice.restart(&lab.dut)?;
    await_taken(&sluice)?;
    streams.go_on("a start after that")?;
    streams.finish()?;
    assert_sound(&sluice)?;
    sluice.stop()
}

#[test]
fn a_connection_made_under_sluice_goes_on_without_it() -> Result<()> {
    let _alone = alone();
    let lab = Lab::new()?;
    let mut sluice = start(&lab)?;
    let streams = Streams::start(&lab)?;
    await_taken(&sluice)?;
    streams.go_on("connecting")?;
    sluice.stop()?;
    streams.go_on("the stop")?;
    streams.finish()
}

#[test]
fn traffic_resumes_when_the_interface_has_been_down() -> Result<()> {
    let _alone = alone();
    let lab = Lab::new()?;
    let sluice = start(&lab)?;
    // IPv4: the kernel takes IPv6 addresses away from an interface that goes down.
    let inbound = Stream::start(&lab, (DUT_V4, STEERED).into(), Sender::Peer)?;
    let outbound = Stream::start(&lab, (DUT_V4, STEERED_TOO).into(), Sender::Dut)?;
    for stream in [&inbound, &outbound] {
        stream.await_bytes(1 << 20, LIMIT)?;
    }
    lab.dut.ip(&format!("link set {DUT} down"))?;
    wait_until("nothing arrives", LIMIT, || {
        (inbound.longest_gap() > SILENCE && outbound.longest_gap() > SILENCE).then_some(())
    })?;
    lab.dut.ip(&format!("link set {DUT} up"))?;
    await_taken(&sluice)?;
    for stream in [inbound, outbound] {
        stream.await_bytes(4 << 20, LIMIT)?;
        stream.finish()?;
    }
    assert_sound(&sluice)
}
