//! A worker between two hostile wires, played from bytes.

use std::sync::Arc;
use std::time::Duration;

use sluice_common::Side;
use sluice_common::answer::AnswerFrom;
use sluice_common::classify::Field;
use sluice_common::offload::{GroConfig, Hold, RxChecksum};
use sluice_common::stage::{Edit, Seen, Stage, To, Verdict};
use sluice_common::wire::tcp::Flags;

use super::{MemHost, MemPort, Talker, audit_wire};
use crate::config::Idle;
use crate::pipeline::{Answers, End, Turn, WireConfig, WireHelper, WireWorker};
use crate::port::Sent;
use crate::xsk::{FRAME_MTU, FrameCount, Heartbeat, RingSize, Umem};

/// MTUs of the two sides: the same, or not.
const MTUS: [[u16; 2]; 4] = [[1500, 1500], [9000, 1500], [1500, 9000], [576, 4000]];

/// Plays a schedule: three bytes for sizes, MTUs, how trains are held and by which way they leave, then two a step, whatever they are. After
/// each step the worker and its helper, if it has one, have a turn, and the [audit](audit_wire) must be clean; at the
/// end they stop, in time and with all frames accounted for.
///
/// # Panics
/// When it is not so.
pub fn play_wire(schedule: &[u8]) {
    let (head, steps) = schedule.split_at_checked(3).unwrap_or((&[0x33, 0x33, 0], schedule));
    // With a helper there are frames to be lent.
    let has_helper = head[2] & 4 != 0;
    let least = if has_helper { 9 } else { 3 };
    let frames = FrameCount::new(1 << (least + head[0] % 4)).expect("a power of two");
    let ring = RingSize::new(1 << (head[1] % 7)).expect("a power of two");
    let umem = Umem::heap(frames);
    let mut scene = Scene::new(&umem, ring, head[2], has_helper);
    for step in steps.chunks(2) {
        scene.step(step[0], step.get(1).copied().unwrap_or(0));
        scene.turn();
    }
    scene.stop();
}

/// A stage that says of a train what it was told to say.
#[derive(Clone, Copy, Debug)]
struct Fickle(u8);

impl Stage for Fickle {
    fn judge(&mut self, seen: &Seen<'_>) -> Verdict {
        // By the port, so that the trains of a flow are treated alike.
        let port = seen.headers.ports.map_or(0, |ports| ports.src as u8);
        let whim = self.0.rotate_left(u32::from(port) % 8);
        let to = match whim % 16 {
            0 => To::Nowhere,
            1 => To::Same,
            2 => To::Host,
            _ => To::Other,
        };
        let edit = match whim >> 5 {
            0 => Edit::default().with_mac(Field::Destination, [whim; 6]),
            1 => Edit::default().with_address(Field::Source, [10, 0, 0, whim].into()),
            2 => Edit::default().with_port(Field::Destination, 80).with_vlan(7),
            _ => Edit::default(),
        };
        Verdict { to, edit }
    }
}

type Simulated<'u> = WireWorker<'u, MemPort<'u>, MemHost, Fickle>;

struct Scene<'u> {
    worker: Simulated<'u>,
    helper: Option<WireHelper<'u, Fickle>>,
    talkers: [Talker; 4],
    now: u64,
}

impl<'u> Scene<'u> {
    fn new(umem: &'u Umem, ring: RingSize, how: u8, has_helper: bool) -> Self {
        let mtus = MTUS[usize::from(how & 3)];
        let hold = if how & 8 == 0 { Hold::EndOfBurst } else { Hold::AtMost(50_000) };
        let rx_checksum = if how & 16 == 0 { RxChecksum::Verify } else { RxChecksum::Partial };
        let config = WireConfig {
            queue: 0,
            gro: GroConfig { hold, rx_checksum, flows: 4, ..GroConfig::default() },
            mtus,
            translate: how & 32 == 0,
            flows: 8,
            answers: Answers { from: AnswerFrom::default(), per_second: 1_000 },
            idle: Idle::Spin,
            fail_open: Duration::from_millis(100),
        };
        let beat = || Arc::new(Heartbeat::unwatched(1).expect("a page")).beat(0);
        let multi_buffer = mtus.iter().any(|&mtu| usize::from(mtu) > FRAME_MTU);
        let ports = [(); 2].map(|()| {
            let mut port = MemPort::new(ring);
            port.multi_buffer = multi_buffer;
            port.socket = (how & 64 != 0).then(MemHost::default);
            port
        });
        let (host, beats) = (MemHost::default(), [beat(), beat()]);
        let made = WireWorker::new(config, umem.pool(), ports, host, Fickle(how), beats);
        let (mut worker, _) = made.expect("a descriptor");
        let helper = has_helper.then(|| worker.helper(1, Fickle(how)).expect("a descriptor").0);
        let talkers = [1, 2, 3, 4].map(|port| Talker::new(port, u32::from(port) << 30));
        Self { worker, helper, talkers, now: 1_000_000 }
    }

    fn step(&mut self, what: u8, how: u8) {
        let side = if how & 8 == 0 { Side::A } else { Side::B };
        let talker = &mut self.talkers[usize::from(how & 3)];
        let size = [0, 1, 7, 536, 1448, 1460, 3_900, 8_960][usize::from(how >> 5)];
        let flags = if how & 4 == 0 { Flags::ACK } else { Flags::ACK.with(Flags::PSH) };
        let port = &mut self.worker.ports()[side.index()];
        match what % 16 {
            0..=5 => _ = port.deliver(&talker.packet(size, flags)),
            6 => _ = port.deliver(&talker.packet(size, Flags(how.rotate_left(3)))),
            7 => _ = port.deliver(&vec![how; usize::from(how)]),
            8 => {
                let mut packet = talker.packet(size, flags);
                let at = usize::from(what) * 7 % packet.len();
                packet[at] ^= how | 1;
                _ = port.deliver(&packet[..packet.len() - usize::from(how % 8)]);
            }
            9 => {
                port.withhold_completions = how & 1 == 0;
                port.give_back();
            }
            10 => port.stalled = how & 1 == 0,
            11 => {
                if let Some(socket) = &mut port.socket {
                    socket.behave(how);
                }
                self.worker.host().answer =
                    [Sent::Done, Sent::Full, Sent::Refused, Sent::Gone][usize::from(how & 3)];
            }
            12 => self.now += u64::from(how) * 1_000,
            13 => port.taken_at_once = usize::from(how & 7),
            14 => port.sent_at_once = usize::from(how),
            _ => port.gone |= how == u8::MAX,
        }
    }

    fn turn(&mut self) -> Turn {
        self.now += 1_000;
        let turn = self.worker.turn(self.now);
        if let Some(helper) = &mut self.helper {
            helper.turn(self.now);
        }
        let helpers: Vec<_> = self.helper.iter().collect();
        if let Err(wrong) = audit_wire(&mut self.worker, &helpers) {
            panic!("{wrong}");
        }
        turn
    }

    fn stop(mut self) {
        self.worker.begin_stop(End::Stopped, self.now);
        if let Some(helper) = &mut self.helper {
            helper.begin_stop(End::Stopped, self.now);
        }
        let bound = self.now + 300_000_000;
        while self.turn() != Turn::Ended {
            self.now += 1_000_000;
            assert!(self.now < bound, "it does not end: {}", self.worker.ledger());
        }
        let ledger = self.worker.ledger();
        let left = (ledger.held, ledger.backlog, ledger.handed);
        assert_eq!(left, (0, 0, 0), "something is left: {ledger}");
    }
}
