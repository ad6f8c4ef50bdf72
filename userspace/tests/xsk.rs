//! Real AF_XDP sockets on a veth pair in namespaces of their own. Needs root.

use std::io::IoSlice;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, poll};
use nix::time::{ClockId, clock_gettime};
use sluice::config::{Idle, Transmit, XdpMode, ZeroCopy};
use sluice::pipeline::{End, Worker, WorkerConfig};
use sluice::port::{FramePort, Liveness, Rings, Sent, SuperPort};
use sluice::sim::{FixedHops, MemHost, Talker};
use sluice::steer::{Buffers, Steering, insert_socket};
use sluice::xsk::{
    Binding, Frame, FrameCount, Heartbeat, MAX_MTU, OpenError, Packet, Pool, QueueConfig, RingSize,
    Umem, XskPort, open_pair, open_queue,
};
use sluice_common::classify::{Action, PortRange, Rule};
use sluice_common::offload::{Buffer, GroConfig, VnetHeader};
use sluice_common::wire::tcp::Flags;
use sluice_lab::{
    A, B, Capture, DUT, Direction, LEFT, Lab, PEER, RIGHT, WireLab, WireWiring, Wiring,
};

const FRAMES: u32 = 1024;
const RING: u32 = 256;
/// Nothing here takes a tenth of it.
const LONG: Duration = Duration::from_secs(20);

/// One queue, so that every packet arrives where the socket is.
fn lab() -> Lab {
    lab_with(1500)
}

fn lab_with(mtu: u32) -> Lab {
    Lab::wired(Wiring { queues: 1, mtu, ..Wiring::default() })
        .expect("namespaces and a wire: are we root?")
}

/// Packet memory. Its socket belongs to the namespace it is made in.
fn umem() -> Umem {
    let [frames, ring] = [FRAMES, RING];
    let (frames, ring) = (FrameCount::new(frames).unwrap(), RingSize::new(ring).unwrap());
    Umem::map(frames, ring, 1).unwrap().remove(0)
}

fn wanted() -> QueueConfig {
    QueueConfig {
        iface: DUT.into(),
        queue: 0,
        ring: RingSize::new(RING).unwrap(),
        zero_copy: ZeroCopy::Auto,
        transmit: Transmit::Ring,
        multi_buffer: false,
        busy_poll: None,
    }
}

/// A socket under an XDP program that steers what talkers say to it.
struct Bench<'u> {
    umem: &'u Umem,
    pool: Pool<'u>,
    port: XskPort<'u>,
    heartbeat: Arc<Heartbeat>,
    steering: Steering,
    burst: Vec<Frame<'u, Packet>>,
}

impl<'u> Bench<'u> {
    fn open(umem: &'u Umem, config: &QueueConfig) -> Self {
        Self::attached(umem, config, XdpMode::Auto)
    }

    fn attached(umem: &'u Umem, config: &QueueConfig, mode: XdpMode) -> Self {
        let buffers = if config.multi_buffer { Buffers::Several } else { Buffers::One };
        let mut pool = umem.pool();
        let (port, _) = open_queue(umem, &mut pool, config).unwrap();
        let mut steering = Steering::load_for(buffers).unwrap();
        let rule = Rule { dst_port: PortRange::new(5001, 5001), ..Rule::any(Action::Steer) };
        steering.set_rules(&[rule], Duration::from_secs(1)).unwrap();
        insert_socket(steering.xsk_map_fd(), 0, port.as_fd()).unwrap();
        steering.attach(DUT, mode).unwrap();
        let heartbeat = Arc::new(Heartbeat::map(steering.heartbeat_fd(), 1).unwrap());
        Self { umem, pool, port, heartbeat, steering, burst: Vec::with_capacity(64) }
    }

    /// Waits until `count` packets are on the burst. A sign of life, as a worker would give, precedes
    /// each look.
    fn receive(&mut self, count: usize) {
        let patience = Instant::now() + LONG;
        while self.burst.len() < count {
            assert!(Instant::now() < patience, "{} of {count} packets came", self.burst.len());
            self.live();
            let mut fds = [PollFd::new(self.port.as_fd(), PollFlags::POLLIN)];
            poll(&mut fds, 20_u16).unwrap();
            self.port.receive(&mut self.pool, &mut self.burst, 7);
            assert_eq!(self.port.doorbell(), Liveness::Alive);
        }
        self.check();
    }

    fn live(&self) {
        self.heartbeat.beat(0).alive(monotonic());
    }

    /// Gives the received packets back.
    fn release(&mut self) {
        self.pool.extend(self.burst.drain(..).flat_map(Frame::release));
        self.port.fill(&mut self.pool, RING as usize);
        self.check();
    }

    /// Sends the received packets, and waits for the frames of all that are on their way.
    fn send_back(&mut self) {
        self.port.transmit(&mut self.burst);
        assert!(self.burst.is_empty(), "the ring has room");
        let patience = Instant::now() + LONG;
        while self.port.rings().outbound() > 0 {
            assert!(Instant::now() < patience, "{:?}", self.port.rings());
            assert_eq!(self.port.doorbell(), Liveness::Alive);
            self.port.complete(&mut self.pool);
            self.check();
        }
    }

    /// Every frame is somewhere.
    fn check(&mut self) {
        let Rings { fill, receive, transmit, completion } = self.port.rings();
        let burst: usize = self.burst.iter().map(Frame::frames).sum();
        let here = (self.pool.len() + burst) as u32;
        assert_eq!(here + fill + receive + transmit + completion, FRAMES);
        assert_eq!(self.umem.lost(), 0);
    }
}

fn monotonic() -> u64 {
    Duration::from(clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap()).as_nanos() as u64
}

fn inject(capture: &Capture, talker: &mut Talker, count: usize) -> Vec<Vec<u8>> {
    let packets: Vec<_> = (0..count).map(|len| talker.packet(len + 30, Flags::ACK)).collect();
    for packet in &packets {
        capture.inject(packet).unwrap();
    }
    packets
}

/// The next `count` TCP packets the interface received.
fn captured(capture: &Capture, count: usize) -> Vec<Vec<u8>> {
    let (mut packets, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
    let patience = Instant::now() + LONG;
    while packets.len() < count {
        assert!(Instant::now() < patience, "{} of {count} packets came", packets.len());
        if let Some(packet) = capture.next(&mut buffer).unwrap()
            && packet.direction == Direction::In
            && packet.bytes[12..14] == [8, 0]
        {
            packets.push(packet.bytes.to_vec());
        }
    }
    packets
}

#[test]
fn steered_packets_arrive_in_order_and_what_is_sent_leaves_in_order() {
    let lab = lab();
    let peer = Capture::open(&lab.peer, PEER).unwrap();
    lab.dut.run(|| {
        let umem = umem();
        let mut bench = Bench::open(&umem, &wanted());
        bench.check();
        bench.live();
        let sent = inject(&peer, &mut Talker::new(40_000, 0), 50);
        bench.receive(50);
        let received: Vec<_> = bench.burst.iter().map(|packet| packet.as_ref().to_vec()).collect();
        assert_eq!(received, sent);
        assert!(bench.burst.iter().all(|packet| packet.received() == 7));
        bench.send_back();
        assert_eq!(captured(&peer, 50), sent);
        assert_eq!(
            bench.port.statistics(),
            sluice::port::Statistics {
                // Each look of the kernel at an empty ring counts.
                tx_ring_empty: bench.port.statistics().tx_ring_empty,
                ..Default::default()
            }
        );
    });
}

/// Bytes of a packet, wherever they stand.
fn whole(packet: &Frame<'_, Packet>) -> Vec<u8> {
    std::iter::once(packet.head()).chain(packet.rest()).collect::<Vec<_>>().concat()
}

#[test]
fn packets_that_span_frames_come_and_go_whole_and_in_order() {
    for mode in [XdpMode::Native, XdpMode::Generic] {
        let lab = lab_with(MAX_MTU as u32);
        let peer = Capture::open(&lab.peer, PEER).unwrap();
        lab.dut.run(|| {
            let umem = umem();
            let config = QueueConfig { multi_buffer: true, ..wanted() };
            let mut bench = Bench::attached(&umem, &config, mode);
            bench.live();
            let mut talker = Talker::new(40_000, 0);
            let lengths = [9_176, 100, 8_960, 3_786, 3_787, 7_626, 7_627, 1, 9_176];
            let lengths = lengths.iter().cycle().take(54);
            let sent: Vec<_> = lengths.map(|&len| talker.packet(len, Flags::ACK)).collect();
            for packet in &sent {
                peer.inject(packet).unwrap();
            }
            bench.receive(sent.len());
            assert_eq!(bench.burst.iter().map(whole).collect::<Vec<_>>(), sent, "{mode:?}");
            let most = bench.burst.iter().map(Frame::frames).max();
            assert_eq!(most, Some(3), "{mode:?}: nine KiB in frames of a page");
            bench.send_back();
            assert_eq!(captured(&peer, sent.len()), sent, "{mode:?}");
            let counted = bench.port.statistics();
            assert_eq!((counted.rx_dropped, counted.tx_invalid), (0, 0));
        });
    }
}

/// The fact that the choice of program rests on: without sockets that take them, packets in several
/// buffers are lost.
#[test]
fn a_socket_for_packets_of_one_frame_loses_larger_ones_and_counts_them() {
    let lab = lab_with(9_000);
    let peer = Capture::open(&lab.peer, PEER).unwrap();
    lab.dut.run(|| {
        let umem = umem();
        let mut bench = Bench::attached(&umem, &wanted(), XdpMode::Generic);
        bench.live();
        let mut talker = Talker::new(40_000, 0);
        peer.inject(&talker.packet(8_000, Flags::ACK)).unwrap();
        let small = talker.packet(1_000, Flags::ACK);
        peer.inject(&small).unwrap();
        bench.receive(1);
        assert_eq!(whole(&bench.burst[0]), small);
        assert_eq!(bench.port.statistics().rx_dropped, 1);
    });
}

#[test]
fn without_a_sign_of_life_packets_pass_to_the_kernel() {
    let lab = lab();
    let peer = Capture::open(&lab.peer, PEER).unwrap();
    lab.dut.run(|| {
        let umem = umem();
        let mut bench = Bench::open(&umem, &wanted());
        let mut talker = Talker::new(40_000, 0);
        inject(&peer, &mut talker, 5);
        bench.live();
        assert_eq!(bench.steering.heartbeat(0), bench.heartbeat.last(0), "one map, two views");
        let wanted = inject(&peer, &mut talker, 5);
        bench.receive(5);
        assert_eq!(bench.burst[0].as_ref(), wanted[0], "the first five went elsewhere");
        bench.heartbeat.beat(0).stop();
        assert_eq!(bench.steering.heartbeat(0), 0);
    });
}

#[test]
fn a_queue_is_opened_again_as_soon_as_it_is_closed() {
    let lab = lab();
    let peer = Capture::open(&lab.peer, PEER).unwrap();
    lab.dut.run(|| {
        for _ in 0..10 {
            let umem = umem();
            let mut bench = Bench::open(&umem, &wanted());
            bench.live();
            inject(&peer, &mut Talker::new(40_000, 0), 3);
            bench.receive(3);
            bench.send_back();
        }
    });
}

#[test]
fn a_queue_in_use_is_named_with_what_to_do() {
    let lab = lab();
    lab.dut.run(|| {
        let (first, second) = (umem(), umem());
        let (mut pool, mut other) = (first.pool(), second.pool());
        let (_port, _) = open_queue(&first, &mut pool, &wanted()).unwrap();
        let error = open_queue(&second, &mut other, &wanted()).err().expect("one socket a queue");
        assert!(matches!(error, OpenError::Busy { .. }), "{error:?}");
        let text = error.to_string();
        for word in [DUT, "queue 0", "EBUSY", "ss --xdp"] {
            assert!(text.contains(word), "{word} is missing: {text}");
        }
        assert_eq!(other.len() as u32, FRAMES, "no frame is lost to a socket that is not there");
    });
}

#[test]
fn what_one_socket_receives_another_of_the_same_memory_sends() {
    for multi_buffer in [false, true] {
        let wire = WireLab::wired(WireWiring {
            queues: 1,
            mtu: [if multi_buffer { MAX_MTU as u32 } else { 1500 }; 2],
            ..WireWiring::default()
        })
        .unwrap();
        let ends = [Capture::open(&wire.a, A).unwrap(), Capture::open(&wire.b, B).unwrap()];
        wire.dut.run(|| {
            let umem = umem();
            let mut pool = umem.pool();
            let wanted = |iface: &str| {
                let ring = RingSize::new(RING / 2).unwrap();
                QueueConfig { iface: iface.into(), ring, multi_buffer, ..wanted() }
            };
            let configs = [wanted(LEFT), wanted(RIGHT)];
            let pair = open_pair(&umem, &mut pool, configs.each_ref());
            let ([mut left, mut right], binding) = pair.unwrap();
            assert!(!binding.zero_copy && binding.reason.is_some(), "{binding:?}");
            assert_eq!(pool.len() as u32, FRAMES - RING, "each has its half to receive into");
            let buffers = if multi_buffer { Buffers::Several } else { Buffers::One };
            let mut steering = Steering::load_for(buffers).unwrap();
            let rule = Rule { dst_port: PortRange::new(5001, 5001), ..Rule::any(Action::Steer) };
            steering.set_rules(&[rule], Duration::from_secs(1)).unwrap();
            insert_socket(steering.xsk_map_fd(), 0, left.as_fd()).unwrap();
            steering.attach(LEFT, XdpMode::Auto).unwrap();
            let heartbeat = Arc::new(Heartbeat::map(steering.heartbeat_fd(), 1).unwrap());
            heartbeat.beat(0).alive(monotonic());
            let len = if multi_buffer { 9_000 } else { 1_000 };
            let mut talker = Talker::new(40_000, 0);
            let sent: Vec<_> = (0..5).map(|_| talker.packet(len, Flags::ACK)).collect();
            sent.iter().for_each(|packet| ends[0].inject(packet).unwrap());
            let (mut burst, patience) = (Vec::with_capacity(64), Instant::now() + LONG);
            while burst.len() < sent.len() {
                assert!(Instant::now() < patience, "{} packets came", burst.len());
                heartbeat.beat(0).alive(monotonic());
                left.receive(&mut pool, &mut burst, 7);
                assert_eq!(left.doorbell(), Liveness::Alive);
            }
            right.transmit(&mut burst);
            assert_eq!(right.doorbell(), Liveness::Alive);
            assert_eq!(captured(&ends[1], sent.len()), sent);
            while right.rings().outbound() > 0 {
                assert!(Instant::now() < patience, "{:?}", right.rings());
                right.complete(&mut pool);
                assert_eq!(right.doorbell(), Liveness::Alive);
            }
            let inbound = left.rings().inbound() + right.rings().inbound();
            assert_eq!(pool.len() as u32 + inbound, FRAMES, "every frame is somewhere");
        });
    }
}

#[test]
fn an_interface_goes_down_and_up_and_the_socket_goes_on() {
    let lab = lab();
    let peer = Capture::open(&lab.peer, PEER).unwrap();
    lab.dut.run(|| {
        let umem = umem();
        let mut bench = Bench::open(&umem, &wanted());
        let mut talker = Talker::new(40_000, 0);
        for _ in 0..3 {
            bench.live();
            inject(&peer, &mut talker, 8);
            bench.receive(8);
            lab.dut.ip(&format!("link set {DUT} down")).unwrap();
            bench.port.transmit(&mut bench.burst);
            assert_eq!(bench.port.doorbell(), Liveness::Alive, "down is not gone");
            bench.check();
            lab.dut.ip(&format!("link set {DUT} up")).unwrap();
            bench.send_back();
            bench.release();
        }
    });
}

#[test]
fn a_deleted_interface_is_gone() {
    let lab = lab();
    lab.dut.run(|| {
        let umem = umem();
        let mut bench = Bench::open(&umem, &wanted());
        let frame = bench.pool.take().unwrap();
        bench.burst.push(frame.copy_from(&[0; 60]));
        lab.dut.ip(&format!("link delete {DUT}")).unwrap();
        bench.port.transmit(&mut bench.burst);
        assert_eq!(bench.port.doorbell(), Liveness::Gone);
        bench.check();
    });
}

#[test]
fn copy_mode_is_reported_with_the_reason() {
    let lab = lab();
    lab.dut.run(|| {
        for (zero_copy, reason) in
            [(ZeroCopy::Auto, "EOPNOTSUPP"), (ZeroCopy::Never, "zero_copy = \"never\"")]
        {
            let umem = umem();
            let mut pool = umem.pool();
            let config = QueueConfig { zero_copy, ..wanted() };
            let (_port, binding) = open_queue(&umem, &mut pool, &config).unwrap();
            let Binding { zero_copy: false, reason: Some(text) } = binding else {
                panic!("{binding:?}")
            };
            assert!(text.contains(reason), "{text}");
        }
    });
}

/// Why the queue cannot be opened.
fn refused(change: impl Fn(&mut QueueConfig) + Sync) -> String {
    let lab = lab();
    lab.dut.run(|| {
        let (umem, mut config) = (umem(), wanted());
        let mut pool = umem.pool();
        change(&mut config);
        open_queue(&umem, &mut pool, &config).err().expect("it is refused").to_string()
    })
}

fn assert_names(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word} is missing: {text}");
    }
}

#[test]
fn zero_copy_always_is_refused_where_the_driver_has_none() {
    let text = refused(|config| config.zero_copy = ZeroCopy::Always);
    assert_names(&text, &[DUT, "queue 0", "EOPNOTSUPP", "zero_copy = \"auto\""]);
}

#[test]
fn an_interface_that_is_not_there_is_named() {
    let text = refused(|config| config.iface = "nowhere0".into());
    assert_names(&text, &["nowhere0", "ip link"]);
}

#[test]
fn a_queue_that_is_not_there_is_named() {
    let text = refused(|config| config.queue = 7);
    assert_names(&text, &[DUT, "queue 7", "ethtool -l"]);
}

#[test]
fn rings_that_the_frames_cannot_serve_are_refused() {
    let text = refused(|config| config.ring = RingSize::new(FRAMES).unwrap());
    assert_names(&text, &["1024 frames", "rings of 1024", "takes 2048"]);
}

#[test]
fn memory_on_the_heap_is_refused() {
    let umem = Umem::heap(FrameCount::new(FRAMES).unwrap());
    let mut pool = umem.pool();
    let error =
        open_queue(&umem, &mut pool, &wanted()).err().expect("the kernel knows nothing of it");
    assert!(matches!(error, OpenError::HeapUmem { .. }), "{error}");
}

/// The sockets' errors that say whether a packet waits, is lost, or has nowhere to go.
#[test]
fn a_packet_socket_waits_while_the_interface_is_down_and_ends_with_it() {
    let lab = lab();
    let peer = Capture::open(&lab.peer, PEER).unwrap();
    lab.dut.run(|| {
        let umem = umem();
        let mut pool = umem.pool();
        let config = QueueConfig { transmit: Transmit::Auto, ..wanted() };
        let (mut port, _) = open_queue(&umem, &mut pool, &config).unwrap();
        let socket = port.socket().expect("copy mode sends by a socket");
        let vnet = VnetHeader::default().to_bytes();
        let packet = Talker::new(40_000, 0).packet(100, Flags::ACK);
        let whole = [&vnet[..], &packet].map(IoSlice::new);
        assert_eq!(socket.send(&whole), Sent::Done);
        assert_eq!(captured(&peer, 1).concat(), packet);
        let long = [&packet[..], &[0; 2000]].concat();
        assert_eq!(socket.send(&[&vnet[..], &long].map(IoSlice::new)), Sent::Refused);
        let unknown = VnetHeader { gso_type: 77, gso_size: 9, ..VnetHeader::default() }.to_bytes();
        assert_eq!(socket.send(&[&unknown[..], &packet].map(IoSlice::new)), Sent::Refused);
        lab.dut.exec("ip", &format!("link set {DUT} down")).unwrap();
        assert_eq!(socket.send(&whole), Sent::Full);
        lab.dut.exec("ip", &format!("link del {DUT}")).unwrap();
        // The first says that the interface went down, if that was not said.
        let gone = [socket.send(&whole), socket.send(&whole)];
        assert_eq!(gone[1], Sent::Gone, "{gone:?}");
    });
}

#[test]
fn busy_polling_receives() {
    let lab = lab();
    let peer = Capture::open(&lab.peer, PEER).unwrap();
    lab.dut.run(|| {
        let umem = umem();
        let mut bench = Bench::open(&umem, &QueueConfig { busy_poll: Some(64), ..wanted() });
        bench.live();
        inject(&peer, &mut Talker::new(40_000, 0), 20);
        bench.receive(20);
        bench.send_back();
    });
}

#[test]
fn a_worker_runs_on_a_real_socket_until_it_is_told_to_stop() {
    let lab = lab();
    let peer = Capture::open(&lab.peer, PEER).unwrap();
    lab.dut.run(|| {
        let umem = umem();
        let Bench { pool, port, heartbeat, steering, .. } = Bench::open(&umem, &wanted());
        let config = WorkerConfig {
            queue: 0,
            gro: GroConfig::default(),
            mtu: 1500,
            idle: Idle::Adaptive,
            fail_open: Duration::from_secs(1),
        };
        let mut host = MemHost::default();
        host.deliver(&Talker::new(40_001, 0).super_packet(30_000, 1448, Flags::ACK));
        let hops = FixedHops::known([2; 6], [4; 6]);
        let (worker, handle) =
            Worker::new(config, pool, port, host, hops, heartbeat.beat(0)).unwrap();
        let report = std::thread::scope(|scope| {
            let running = scope.spawn(move || worker.run());
            let cut = captured(&peer, 21);
            assert!(cut.iter().all(|packet| packet.len() <= 1514));
            inject(&peer, &mut Talker::new(40_000, 0), 100);
            let patience = Instant::now() + LONG;
            while handle.counters().to_host_packets < 100 {
                assert!(Instant::now() < patience, "{:?}", handle.counters());
                std::thread::sleep(Duration::from_millis(1));
            }
            assert!(handle.stop());
            running.join().unwrap()
        });
        assert_eq!(report.end, End::Stopped);
        assert!(report.counts.ledger.is_balanced(), "{}", report.counts.ledger);
        assert_eq!(report.counts.ledger.rings.outbound(), 0, "all completions came");
        assert_eq!(steering.heartbeat(0), 0);
    });
}
