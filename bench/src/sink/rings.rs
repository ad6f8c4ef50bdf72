//! The sink on receive rings, with Sluice's own steering.

use std::os::fd::AsFd;

use anyhow::{Context, Result, ensure};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use sluice::port::{FramePort, Liveness};
use sluice::xsk::{Beat, Frame, Packet, Pool, Umem, XskPort, open_queue};

use crate::clock;
use crate::link::{RING, Steered, Taken, Wanted, memory};
use crate::report::SinkReport;
use crate::tally::Tally;
use crate::until::{Bounds, Until};

/// Packets taken from a queue before it is the next one's turn.
const BURST: usize = 64;
/// How long to wait for a packet before the next sign of life, in milliseconds.
const WAIT: u16 = 50;

/// Counts what comes in by these queues of an interface and is `taken`. `ready` is called once everything
/// that comes is counted.
///
/// # Errors
/// Where a socket cannot be opened, the program not attached, or the interface goes away.
pub fn count(
    wanted: &Wanted,
    queues: &[u32],
    taken: Taken,
    bounds: Bounds,
    ready: impl FnOnce(),
) -> Result<SinkReport> {
    let memories = memory(queues.len())?;
    let highest = queues.iter().max().context("--queues: there is at least one")?;
    let mut steered = Steered::load(taken, highest + 1)?;
    let lanes = memories.iter().zip(queues);
    let mut lanes = lanes
        .map(|(umem, &queue)| Lane::open(umem, wanted, queue, &steered))
        .collect::<Result<Vec<_>>>()?;
    let begin = clock::now();
    lanes.iter().for_each(|lane| lane.beat.alive(begin));
    steered.attach(wanted)?;
    ready();
    let mut tally = Tally::default();
    let until = Until::new(bounds, begin);
    let mut now = begin;
    while !until.is_over(tally.packets(), now) {
        let mut taken = 0;
        for lane in &mut lanes {
            taken += lane.turn(&mut tally, now)?;
        }
        if taken == 0 {
            wait(&lanes)?;
        }
        now = clock::now();
    }
    // What comes from here on is the kernel's again.
    lanes.iter().for_each(|lane| lane.beat.stop());
    drop(steered);
    Ok(tally.report(lanes.iter_mut().map(Lane::missed).sum()))
}

struct Lane<'u> {
    pool: Pool<'u>,
    port: XskPort<'u>,
    burst: Vec<Frame<'u, Packet>>,
    beat: Beat,
}

impl<'u> Lane<'u> {
    fn open(umem: &'u Umem, wanted: &Wanted, queue: u32, steered: &Steered) -> Result<Self> {
        let mut pool = umem.pool();
        let (port, _) = open_queue(umem, &mut pool, &wanted.queue(queue))?;
        let beat = steered.serve(queue, &port)?;
        Ok(Self { pool, port, burst: Vec::with_capacity(BURST), beat })
    }

    /// Counts a burst; returns how many packets it had.
    fn turn(&mut self, tally: &mut Tally, now: u64) -> Result<usize> {
        self.beat.alive(now);
        let taken = self.port.receive(&mut self.pool, &mut self.burst, now);
        self.burst.iter().for_each(|packet| tally.note(packet.as_ref(), now));
        self.pool.extend(self.burst.drain(..).flat_map(Frame::release));
        self.port.fill(&mut self.pool, RING as usize);
        ensure!(self.port.doorbell() == Liveness::Alive, "the interface is gone");
        Ok(taken.packets)
    }

    /// Packets that the kernel had no room for.
    fn missed(&mut self) -> u64 {
        let counted = self.port.statistics();
        counted.rx_dropped + counted.rx_ring_full + counted.rx_fill_empty
    }
}

fn wait(lanes: &[Lane<'_>]) -> Result<()> {
    let mut fds: Vec<_> =
        lanes.iter().map(|lane| PollFd::new(lane.port.as_fd(), PollFlags::POLLIN)).collect();
    match poll(&mut fds, WAIT) {
        // A signal: the loop asks for it next.
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno).context("cannot wait for packets"),
    }
}
