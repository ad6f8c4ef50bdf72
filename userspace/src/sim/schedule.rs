//! A worker between a hostile wire and a hostile host, played from bytes.

use std::sync::Arc;
use std::time::Duration;

use sluice_common::offload::{GroConfig, Hold};
use sluice_common::wire::tcp::Flags;

use super::{FixedHops, MemHost, MemPort, Talker};
use crate::config::Idle;
use crate::pipeline::{End, Turn, Worker, WorkerConfig};
use crate::port::{FramePort, HostPort, NextHops, Sent};
use crate::xsk::{FRAME_MTU, FrameCount, Heartbeat, MOST_PIECES, RingSize, Umem};

/// What is wrong with a worker's books, if anything is: each frame is somewhere, once; each packet in
/// is a packet out, or dropped with a reason, or still here.
///
/// # Errors
/// The sums that do not agree.
pub fn audit<'u, N, T, R>(worker: &mut Worker<'u, N, T, R>) -> Result<(), String>
where
    N: FramePort<'u>,
    T: HostPort,
    R: NextHops,
{
    let (ledger, counts) = (worker.ledger(), *worker.counts());
    if !ledger.is_balanced() {
        return Err(format!("frames: {ledger}"));
    }
    let dropped = counts.dropped_inbound.iter().sum::<u64>();
    let here = worker.here() as u64;
    if counts.from_wire_packets != counts.to_host_packets + dropped + here {
        return Err(format!("wire to host: {dropped} dropped, {here} here, {counts:?}"));
    }
    let dropped = counts.dropped_outbound.iter().sum::<u64>();
    let gone = counts.to_wire_trains + counts.to_kernel_trains + dropped;
    if counts.from_host_packets != gone + u64::from(worker.has_waiting()) {
        return Err(format!("host to wire: {dropped} dropped, {counts:?}"));
    }
    Ok(())
}

/// Plays a schedule: two bytes for the sizes, the highest bit of the second for jumbo frames and the one below
/// for a socket to send by, then two a step, whatever they are. After each step the worker has a turn, and its
/// [`audit`] must be clean; at the end it stops, in time and with all frames accounted for.
///
/// # Panics
/// When it is not so.
pub fn play(schedule: &[u8]) {
    let (sizes, steps) = schedule.split_at_checked(2).unwrap_or((&[0x33, 0x33], schedule));
    let frames = FrameCount::new(4 << (sizes[0] % 7)).expect("a power of two");
    let ring = RingSize::new(1 << (sizes[1] % 7)).expect("a power of two");
    let umem = Umem::heap(frames);
    let mtu = if sizes[1] & 0x80 == 0 { 1500 } else { 9000 };
    let socket = (sizes[1] & 0x40 != 0).then(MemHost::default);
    let mut stage = Stage::new(&umem, ring, mtu, sizes[0] >> 4, socket);
    for step in steps.chunks(2) {
        stage.step(step[0], step.get(1).copied().unwrap_or(0));
        stage.turn();
    }
    stage.stop();
}

struct Stage<'u> {
    worker: Worker<'u, MemPort<'u>, MemHost, FixedHops>,
    talkers: [Talker; 4],
    now: u64,
}

impl<'u> Stage<'u> {
    fn new(umem: &'u Umem, ring: RingSize, mtu: usize, hold: u8, socket: Option<MemHost>) -> Self {
        let hold = match hold % 3 {
            0 => Hold::EndOfBurst,
            1 => Hold::AtMost(50_000),
            _ => Hold::Adaptive { ceiling: 100_000 },
        };
        let config = WorkerConfig {
            queue: 0,
            gro: GroConfig { hold, flows: 4, ..GroConfig::default() },
            mtu,
            idle: Idle::Spin,
            fail_open: Duration::from_millis(100),
        };
        let beat = Arc::new(Heartbeat::unwatched(1).expect("a page")).beat(0);
        let hops = FixedHops::known([6; 6], [8; 6]);
        let (pool, mut port, host) = (umem.pool(), MemPort::new(ring), MemHost::default());
        port.multi_buffer = mtu > FRAME_MTU;
        port.socket = socket;
        let (worker, _) = Worker::new(config, pool, port, host, hops, beat).expect("a descriptor");
        let talkers = [1, 2, 3, 4].map(|port| Talker::new(port, u32::from(port) << 30));
        Self { worker, talkers, now: 1_000_000 }
    }

    fn step(&mut self, what: u8, how: u8) {
        let (wire, host, hops) = self.worker.sides();
        let talker = &mut self.talkers[usize::from(how & 3)];
        let sizes = match wire.multi_buffer {
            false => [0, 1, 7, 536, 1448, 1460, 1461, 1],
            true => [0, 1, 1460, 3786, 3787, 8960, 8961, 20_000],
        };
        let size = sizes[usize::from(how >> 5)];
        let flags = if how & 4 == 0 { Flags::ACK } else { Flags::ACK.with(Flags::PSH) };
        match what % 16 {
            0..=3 => _ = wire.deliver(&talker.packet(size, flags)),
            4 => {
                let flags = Flags(how.rotate_left(3));
                _ = wire.deliver(&talker.packet(size, flags));
            }
            5 if wire.multi_buffer => pieces(wire, what >> 4, how),
            5 => _ = wire.deliver(&vec![how; usize::from(how)]),
            6 => {
                let mut packet = talker.packet(size, flags);
                let at = usize::from(what) * 7 % packet.len();
                packet[at] ^= how | 1;
                _ = wire.deliver(&packet[..packet.len() - usize::from(how % 8)]);
            }
            7 | 8 => {
                let whole = if wire.multi_buffer { size * 3 } else { size * 9 };
                host.deliver(&talker.super_packet(whole, size.max(1) as u16, flags));
            }
            9 => {
                let mut packet = talker.super_packet(size * 3, 500, flags);
                packet[usize::from(what >> 4) % 12] ^= how | 1;
                packet.truncate(packet.len().saturating_sub(usize::from(how)));
                host.deliver(&packet);
            }
            10 => {
                wire.withhold_completions = how & 1 == 0;
                wire.give_back();
            }
            11 => wire.stalled = how & 1 == 0,
            12 => {
                if let Some(socket) = &mut wire.socket {
                    socket.behave(how);
                }
                host.answer =
                    [Sent::Done, Sent::Full, Sent::Refused, Sent::Gone][usize::from(how & 3)];
            }
            13 => {
                hops.link = (how & 1 == 0).then_some(([6; 6], [8; 6]));
                hops.refuse = how & 2 == 0;
            }
            14 => self.now += u64::from(how) * 1_000,
            _ if how == u8::MAX => wire.gone = true,
            _ if how > 0xe0 => wire.taken_at_once = usize::from(how & 7),
            _ => wire.sent_at_once = usize::from(how),
        }
    }

    fn turn(&mut self) -> Turn {
        self.now += 1_000;
        let turn = self.worker.turn(self.now);
        if let Err(wrong) = audit(&mut self.worker) {
            panic!("{wrong}");
        }
        turn
    }

    fn stop(mut self) {
        self.worker.begin_stop(End::Stopped, self.now);
        let bound = self.now + 300_000_000;
        while self.turn() != Turn::Ended {
            self.now += 1_000_000;
            assert!(self.now < bound, "it does not end: {}", self.worker.ledger());
        }
        let ledger = self.worker.ledger();
        assert_eq!((ledger.held, ledger.backlog), (0, 0), "something is left: {ledger}");
        assert!(!self.worker.has_waiting(), "a packet still waits");
    }
}

/// Delivers up to two more pieces than a packet may have, and whether they have an end depends on `how`.
fn pieces(wire: &mut MemPort<'_>, count: u8, how: u8) {
    let count = usize::from(count) * (MOST_PIECES + 2) / 15;
    let piece = vec![how; usize::from(how) * 15];
    _ = wire.deliver_pieces(&vec![&piece[..]; count], !how.is_multiple_of(4));
}
