//! The loops on Sluice's port.

use anyhow::{Result, ensure};
use sluice::port::{FramePort, Liveness};
use sluice::xsk::{Frame, Packet, Pool, XskPort, open_queue};

use super::measure::{Socket, measure};
use super::{BATCH, Loop, Plan, Scenario, feed, swap_macs};
use crate::link::{RING, Steered, Taken, memory};
use crate::report::RawReport;

pub(super) fn run(plan: &Plan) -> Result<RawReport> {
    let umem = memory(1)?.remove(0);
    let mut pool = umem.pool();
    write_all(&mut pool, &feed::packet(plan));
    let (port, binding) = open_queue(&umem, &mut pool, &plan.wanted.queue(0))?;
    let steered = (plan.scenario != Scenario::Transmit)
        .then(|| {
            let steered = Steered::load(Taken::Everything, 1)?;
            let beat = steered.serve(0, &port)?;
            anyhow::Ok((steered, beat))
        })
        .transpose()?;
    let socket = Socket { zero_copy: binding.zero_copy, steered };
    let rings = Rings { pool, port, burst: Vec::with_capacity(BATCH), size: plan.size };
    match plan.scenario {
        Scenario::Receive => measure(plan, &mut Sink(rings), socket),
        Scenario::Transmit => measure(plan, &mut Source(rings), socket),
        Scenario::Reflect => measure(plan, &mut Mirror(rings), socket),
    }
}

/// Writes `packet` into every frame, so that a source need not write any.
fn write_all(pool: &mut Pool<'_>, packet: &[u8]) {
    let frames: Vec<_> = std::iter::from_fn(|| pool.take()).collect();
    let written = frames.into_iter().map(|frame| frame.copy_from(packet));
    pool.extend(written.flat_map(Frame::release));
}

struct Rings<'u> {
    pool: Pool<'u>,
    port: XskPort<'u>,
    burst: Vec<Frame<'u, Packet>>,
    size: usize,
}

impl Rings<'_> {
    fn doorbell(&mut self) -> Result<()> {
        ensure!(self.port.doorbell() == Liveness::Alive, "the interface is gone");
        Ok(())
    }
}

struct Sink<'u>(Rings<'u>);

impl Loop for Sink<'_> {
    fn turn(&mut self, now: u64) -> Result<usize> {
        let Self(rings) = self;
        let taken = rings.port.receive(&mut rings.pool, &mut rings.burst, now).packets;
        rings.pool.extend(rings.burst.drain(..).flat_map(Frame::release));
        rings.port.fill(&mut rings.pool, RING as usize);
        rings.doorbell()?;
        Ok(taken)
    }
}

struct Source<'u>(Rings<'u>);

impl Loop for Source<'_> {
    fn turn(&mut self, _now: u64) -> Result<usize> {
        let Self(rings) = self;
        let done = rings.port.complete(&mut rings.pool);
        for _ in 0..BATCH.min(rings.port.transmit_room()) {
            let Some(frame) = rings.pool.take() else { break };
            rings.burst.push(frame.into_packet(rings.size));
        }
        rings.port.transmit(&mut rings.burst);
        rings.doorbell()?;
        Ok(done)
    }
}

struct Mirror<'u>(Rings<'u>);

impl Loop for Mirror<'_> {
    fn turn(&mut self, now: u64) -> Result<usize> {
        let Self(rings) = self;
        let done = rings.port.complete(&mut rings.pool);
        // What found no room is on the burst still, and goes first.
        let waiting = rings.burst.len();
        rings.port.receive(&mut rings.pool, &mut rings.burst, now);
        rings.burst[waiting..].iter_mut().for_each(|packet| swap_macs(packet.as_mut()));
        rings.port.transmit(&mut rings.burst);
        rings.port.fill(&mut rings.pool, RING as usize);
        rings.doorbell()?;
        Ok(done)
    }
}
