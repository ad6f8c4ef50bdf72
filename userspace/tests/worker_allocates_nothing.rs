//! A turn allocates nothing, whatever it meets. A test binary of its own: the counting allocator is
//! the whole program's.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use sluice::config::Idle;
use sluice::pipeline::{Answers, End, NoHost, Turn, WireConfig, WireWorker, Worker, WorkerConfig};
use sluice::port::Sent;
use sluice::sim::{FixedHops, MemHost, MemPort, Talker};
use sluice::xsk::{FrameCount, Heartbeat, RingSize, Umem};
use sluice_common::answer::AnswerFrom;
use sluice_common::offload::{GroConfig, Hold};
use sluice_common::reason::DropReason;
use sluice_common::stage::Forward;
use sluice_common::testing::{Packet, Tunnel};
use sluice_common::wire::tcp::Flags;

struct Counting;

thread_local! {
    /// Calls of the allocator by this thread while it looks.
    static CALLS: Cell<Option<usize>> = const { Cell::new(None) };
}

fn count() {
    CALLS.with(|calls| calls.set(calls.get().map(|count| count + 1)));
}

// SAFETY: every call goes to the system's allocator, unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        count();
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often `work` called the allocator, freeing included.
fn calls(work: impl FnOnce()) -> usize {
    CALLS.with(|calls| calls.set(Some(0)));
    work();
    CALLS.with(Cell::take).unwrap_or(0)
}

struct Rig<'u> {
    worker: Worker<'u, MemPort<'u>, MemHost, FixedHops>,
    now: u64,
}

impl<'u> Rig<'u> {
    fn new(umem: &'u Umem, hold: Hold) -> Self {
        Self::with(umem, hold, 1500)
    }

    fn with_mtu(umem: &'u Umem, mtu: usize) -> Self {
        let mut rig = Self::with(umem, Hold::EndOfBurst, mtu);
        rig.worker.sides().0.multi_buffer = true;
        rig
    }

    fn with(umem: &'u Umem, hold: Hold, mtu: usize) -> Self {
        let config = WorkerConfig {
            queue: 0,
            gro: GroConfig { hold, ..GroConfig::default() },
            mtu,
            idle: Idle::Spin,
            fail_open: Duration::from_millis(100),
        };
        let beat = Arc::new(Heartbeat::unwatched(1).unwrap()).beat(0);
        let (port, hops) =
            (MemPort::new(RingSize::new(256).unwrap()), FixedHops::known([6; 6], [8; 6]));
        let (mut worker, _) =
            Worker::new(config, umem.pool(), port, MemHost::default(), hops, beat).unwrap();
        // The other sides' records are not the worker's memory: room for all they will hold.
        let (wire, host, hops) = worker.sides();
        for record in [&mut wire.wire, &mut host.taken, &mut hops.kernel] {
            record.reserve(20_000, 32 << 20);
        }
        Self { worker, now: 0 }
    }

    /// A turn, which must not call the allocator. What the host waits to give is freed by the host
    /// made of memory as it is taken: `given` calls are its own.
    fn turn(&mut self, given: usize) -> Turn {
        self.now += 20_000;
        let mut turn = Turn::Idle;
        let calls = calls(|| turn = self.worker.turn(self.now));
        assert!(calls <= given, "{calls} calls of the allocator in a turn, {given} of the host's");
        turn
    }
}

#[test]
fn the_allocator_is_watched() {
    assert_eq!(calls(|| drop(std::hint::black_box(Box::new(1)))), 2);
    assert_eq!(calls(|| ()), 0);
}

#[test]
fn receiving_allocates_nothing_and_frees_nothing() {
    for hold in [Hold::EndOfBurst, Hold::AtMost(50_000), Hold::Adaptive { ceiling: 100_000 }] {
        let umem = Umem::heap(FrameCount::new(1024).unwrap());
        let mut rig = Rig::new(&umem, hold);
        let mut talkers: Vec<_> = (0..300).map(|port| Talker::new(port, 0)).collect();
        for round in 0..200 {
            let (wire, host, _) = rig.worker.sides();
            host.answer = [Sent::Done, Sent::Done, Sent::Full, Sent::Refused][round / 10 % 4];
            for burst in 0..64 {
                let one = if round % 2 == 0 { round } else { round * 64 + burst } % 300;
                wire.deliver(&talkers[one].packet(100, Flags::ACK));
            }
            rig.turn(0);
        }
        assert!(rig.worker.counts().to_host_supers > 0, "trains were made");
    }
}

/// Trains of tunnels, which the host is given packet by packet, and not always all of one.
#[test]
fn receiving_out_of_tunnels_allocates_nothing() {
    let umem = Umem::heap(FrameCount::new(1024).unwrap());
    let mut rig = Rig::new(&umem, Hold::EndOfBurst);
    let tunnels = [Tunnel::vxlan(), Tunnel::geneve(), Tunnel::gre(), Tunnel::ip6()];
    let mut senders = tunnels.map(|tunnel| Packet::tcp4().inside(tunnel));
    for round in 0..100 {
        let (wire, host, _) = rig.worker.sides();
        host.full_after = (round % 3 == 1).then_some(host.taken.len() + 20);
        for burst in 0..64 {
            let sender = &mut senders[burst / 16];
            wire.deliver(&sender.build());
            *sender = sender.next();
        }
        rig.turn(0);
    }
    let counts = rig.worker.counts();
    assert!(counts.to_host_packets > 4_000, "{}", counts.to_host_packets);
    assert_eq!(counts.to_host_supers, 0);
}

#[test]
fn sending_allocates_nothing() {
    let umem = Umem::heap(FrameCount::new(1024).unwrap());
    let mut rig = Rig::new(&umem, Hold::EndOfBurst);
    let mut talker = Talker::new(9, 0);
    for round in 0..200 {
        let packet = talker.super_packet(30 * 1460, 1460, Flags::ACK);
        let (wire, host, hops) = rig.worker.sides();
        wire.withhold_completions = round % 7 == 3;
        hops.link = (round % 11 != 5).then_some(([6; 6], [8; 6]));
        host.deliver(&packet);
        // A turn sends up to three of thirty.
        rig.turn(3);
    }
    assert!(rig.worker.counts().to_wire_packets > 5_000);
    assert!(rig.worker.counts().to_kernel_packets > 0);
}

/// Packets that span frames, some of them cut in two by a batch.
#[test]
fn jumbo_packets_allocate_nothing() {
    let umem = Umem::heap(FrameCount::new(2048).unwrap());
    let mut rig = Rig::with_mtu(&umem, 9_000);
    let [mut back, mut out] = [9, 10].map(|port| Talker::new(port, 0));
    for round in 0..200 {
        let (wire, host, _) = rig.worker.sides();
        wire.taken_at_once = if round % 3 == 0 { 5 } else { usize::MAX };
        host.answer = [Sent::Done, Sent::Done, Sent::Full, Sent::Refused][round / 10 % 4];
        for _ in 0..20 {
            wire.deliver(&back.packet(8_960, Flags::ACK));
        }
        wire.deliver_pieces(&[&[0; 60][..]; 19], true);
        host.deliver(&out.super_packet(7 * 8_960, 8_960, Flags::ACK));
        rig.turn(3);
    }
    assert!(rig.worker.counts().to_host_supers > 0, "trains were made");
    assert!(rig.worker.counts().to_wire_packets > 500, "and packets were sent");
    assert!(rig.worker.counts().dropped(DropReason::TooManyPieces) > 0, "and some were too long");
}

#[test]
fn stopping_allocates_nothing() {
    let umem = Umem::heap(FrameCount::new(1024).unwrap());
    let mut rig = Rig::new(&umem, Hold::EndOfBurst);
    let (wire, host, _) = rig.worker.sides();
    host.answer = Sent::Full;
    for port in 0..50 {
        wire.deliver(&Talker::new(port, 0).packet(100, Flags::ACK));
    }
    rig.turn(0);
    let now = rig.now;
    rig.worker.begin_stop(End::Stopped, now);
    while rig.turn(0) != Turn::Ended {
        rig.now += 10_000_000;
    }
}

#[test]
fn wire_mode_allocates_nothing_whether_it_forwards_cuts_fragments_or_answers() {
    let umem = Umem::heap(FrameCount::new(4096).unwrap());
    let mut worker = wire(&umem, false);
    let large = |packet: Packet| packet.with_payload(&[7; 5_000]).build();
    let packets = [
        large(Packet::tcp4()),
        large(Packet { fragment_word: 0, ..Packet::udp4() }),
        large(Packet::udp4()),
        large(Packet::udp6()),
        Packet { options: vec![2, 4, 0x23, 0], flags: Flags::SYN, ..Packet::tcp4() }.build(),
        Packet::tcp6().build(),
    ];
    let mut talker = Talker::new(9, 0);
    for turn in 0..400_u64 {
        for packet in &packets {
            worker.ports()[0].deliver(packet);
        }
        for _ in 0..20 {
            worker.ports()[1].deliver(&talker.packet(1460, Flags::ACK));
        }
        let calls = calls(|| _ = worker.turn(turn * 20_000));
        assert_eq!(calls, 0, "calls of the allocator in turn {turn}");
    }
    let [a, b] = worker.counts().sides;
    let did = [a.recut_packets, a.fragmented_packets, a.answered_packets, a.mss_rewritten];
    assert!(did.iter().all(|&count| count > 0), "{a:?}");
    assert!(b.recut_packets > 0, "{b:?}");
}

#[test]
fn sending_by_a_socket_allocates_nothing() {
    let umem = Umem::heap(FrameCount::new(1024).unwrap());
    let mut rig = Rig::new(&umem, Hold::EndOfBurst);
    rig.worker.sides().0.socket = Some(socket());
    let mut talker = Talker::new(9, 0);
    for round in 0..200 {
        let packet = talker.super_packet(30 * 1460, 1460, Flags::ACK);
        let (wire, host, _) = rig.worker.sides();
        disturb(wire, round);
        host.deliver(&packet);
        // A turn sends up to three of thirty.
        rig.turn(3);
    }
    assert!(rig.worker.counts().to_wire_packets > 1_000);
}

#[test]
fn wire_mode_allocates_nothing_whether_trains_leave_whole_or_wait() {
    let umem = Umem::heap(FrameCount::new(4096).unwrap());
    let mut worker = wire(&umem, true);
    let mut talkers: Vec<_> = (0..300).map(|port| Talker::new(port, 0)).collect();
    for turn in 0..400_usize {
        disturb(&mut worker.ports()[0], turn / 40);
        for burst in 0..64 {
            let one = if turn % 2 == 0 { burst % 8 } else { turn * 64 + burst } % 300;
            worker.ports()[1].deliver(&talkers[one].packet(1000, Flags::ACK));
        }
        let calls = calls(|| _ = worker.turn(turn as u64 * 20_000));
        assert_eq!(calls, 0, "calls of the allocator in turn {turn}");
    }
    let [a, b] = worker.counts().sides;
    assert!(a.sent_supers > 100 && b.forwarded_packets > 10_000, "{a:?} {b:?}");
    assert!(b.dropped[DropReason::BacklogFull.index()] > 0, "and some found no room: {b:?}");
}

/// A socket whose record has room for all that it will hold.
fn socket() -> MemHost {
    let mut socket = MemHost::default();
    socket.taken.reserve(40_000, 64 << 20);
    socket
}

/// The kernel takes what it is given, has no room, drops it, or does not take super-packets.
fn disturb(port: &mut MemPort<'_>, round: usize) {
    let Some(socket) = &mut port.socket else { return };
    socket.answer = [Sent::Done, Sent::Done, Sent::Full, Sent::Dropped][round % 4];
    socket.refuses_supers = round % 8 == 1;
}

/// A worker between a jumbo network and another, or between equal ones by sockets.
fn wire(umem: &Umem, by_socket: bool) -> WireWorker<'_, MemPort<'_>, NoHost, Forward> {
    let config = WireConfig {
        queue: 0,
        gro: GroConfig::default(),
        mtus: if by_socket { [1500, 1500] } else { [9000, 1500] },
        translate: true,
        flows: 64,
        answers: Answers { from: AnswerFrom::default(), per_second: 1_000_000 },
        idle: Idle::Spin,
        fail_open: Duration::from_millis(100),
    };
    let beats = [(); 2].map(|()| Arc::new(Heartbeat::unwatched(1).unwrap()).beat(0));
    let ports = [(); 2].map(|()| {
        let mut port = MemPort::new(RingSize::new(256).unwrap());
        port.multi_buffer = true;
        port.wire.reserve(40_000, 64 << 20);
        port.socket = by_socket.then(socket);
        port
    });
    WireWorker::new(config, umem.pool(), ports, NoHost, Forward, beats).unwrap().0
}
