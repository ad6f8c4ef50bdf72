//! The generator, on the transmit ring of one queue.

use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use sluice::port::{FramePort, Liveness};
use sluice::xsk::{Frame, Free, Packet, Pool, XskPort, open_queue};

use crate::clock;
use crate::link::{Wanted, memory};
use crate::pace::Pace;
use crate::report::GenReport;
use crate::traffic::Traffic;
use crate::until::{Bounds, Until};

/// Packets made before the kernel is told of them. More amortise the system call better, and are older when they
/// leave; in copy mode the kernel takes 32 at a time anyway.
const BURST: usize = 64;
/// How long the last packets may take to leave.
const DRAIN: u64 = 2_000_000_000;
/// Nothing is due for longer than twice this: the core is given away meanwhile.
const NAP: Duration = Duration::from_micros(50);

/// How much, and how fast.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Amount {
    /// Packets a second; `None`: as fast as it goes.
    pub rate: Option<u64>,
    /// How much in all.
    pub bounds: Bounds,
}

/// Sends `traffic` through `queue` of an interface.
///
/// # Errors
/// Where the socket cannot be opened, a packet does not fit a frame, or the interface goes away.
pub fn generate(
    wanted: &Wanted,
    queue: u32,
    traffic: &mut Traffic,
    amount: Amount,
) -> Result<GenReport> {
    let (longest, room) = (traffic.longest(), Frame::<Free>::CAPACITY);
    ensure!(longest <= room, "a packet of {longest} bytes does not fit a frame: {room} do");
    let umem = memory(1)?.remove(0);
    let mut pool = umem.pool();
    let (port, _) = open_queue(&umem, &mut pool, &wanted.queue(queue))?;
    Generator { pool, port, burst: Vec::with_capacity(BURST), sent: 0, bytes: 0 }
        .run(traffic, amount)
}

struct Generator<'u> {
    pool: Pool<'u>,
    port: XskPort<'u>,
    burst: Vec<Frame<'u, Packet>>,
    sent: u64,
    bytes: u64,
}

impl Generator<'_> {
    fn run(mut self, traffic: &mut Traffic, amount: Amount) -> Result<GenReport> {
        let begin = clock::now();
        let pace = Pace::new(begin, amount.rate);
        let until = Until::new(amount.bounds, begin);
        let mut now = begin;
        while !until.is_over(self.sent, now) {
            self.port.complete(&mut self.pool);
            let wanted = pace.due(now).saturating_sub(self.sent).min(BURST as u64);
            let most = until.allows(wanted, self.sent, now) as usize;
            self.make(traffic, most, now);
            self.send()?;
            if most == 0 && pace.due(now + 2 * NAP.as_nanos() as u64) <= self.sent {
                thread::sleep(NAP);
            }
            now = clock::now();
        }
        let end = clock::now();
        let unsent = self.drain(end)?;
        Ok(GenReport::new(self.sent, self.bytes, clock::seconds(begin, end), unsent))
    }

    /// Makes up to `most` packets, as many as there are free frames and slots for.
    fn make(&mut self, traffic: &mut Traffic, most: usize, now: u64) {
        let most = most.min(self.port.transmit_room());
        for _ in 0..most {
            let Some(mut frame) = self.pool.take() else { break };
            let len = traffic.write(now, frame.space());
            self.bytes += len as u64;
            self.burst.push(frame.into_packet(len));
        }
    }

    fn send(&mut self) -> Result<()> {
        self.sent += self.port.transmit(&mut self.burst) as u64;
        ensure!(self.port.doorbell() == Liveness::Alive, "the interface is gone");
        Ok(())
    }

    /// Waits for the packets that are on their way, and returns how many stay there.
    fn drain(&mut self, begin: u64) -> Result<u64> {
        loop {
            self.send()?;
            self.port.complete(&mut self.pool);
            let left = self.port.outbound();
            if left == 0 || clock::now() - begin > DRAIN {
                return Ok(left as u64);
            }
        }
    }
}
