//! A worker, its wire and its host, and an audit after every turn.

use std::sync::Arc;
use std::time::Duration;

use sluice::config::Idle;
use sluice::pipeline::{Handle, Turn, Worker, WorkerConfig};
use sluice::sim::{FixedHops, MemHost, MemPort, audit};
use sluice::xsk::{FrameCount, Heartbeat, RingSize, Umem};
use sluice_common::offload::{GroConfig, VnetHeader};
use sluice_common::reason::DropReason;
use sluice_common::wire::tcp;

pub(crate) const LINK: [u8; 14] = [6, 6, 6, 6, 6, 6, 8, 8, 8, 8, 8, 8, 8, 0];
pub(crate) const ACK: tcp::Flags = tcp::Flags::ACK;
/// What a full packet carries with an MTU of 1,500.
pub(crate) const MSS: usize = 1460;

pub(crate) type Simulated<'u> = Worker<'u, MemPort<'u>, MemHost, FixedHops>;

pub(crate) fn umem(frames: u32) -> Umem {
    Umem::heap(FrameCount::new(frames).unwrap())
}

pub(crate) fn config() -> WorkerConfig {
    WorkerConfig {
        queue: 0,
        gro: GroConfig::default(),
        mtu: 1500,
        idle: Idle::Adaptive,
        fail_open: Duration::from_millis(100),
    }
}

pub(crate) struct Rig<'u> {
    pub(crate) worker: Simulated<'u>,
    pub(crate) handle: Handle,
    pub(crate) heartbeat: Arc<Heartbeat>,
    pub(crate) now: u64,
    mtu: usize,
}

impl<'u> Rig<'u> {
    /// With rings of `ring` slots, filled.
    pub(crate) fn new(umem: &'u Umem, ring: u32) -> Self {
        Self::with(umem, ring, config())
    }

    pub(crate) fn with(umem: &'u Umem, ring: u32, config: WorkerConfig) -> Self {
        Self::made(umem, ring, config, None)
    }

    /// The same, the port with a socket.
    pub(crate) fn with_socket(umem: &'u Umem, config: WorkerConfig) -> Self {
        Self::made(umem, 64, config, Some(MemHost::default()))
    }

    fn made(umem: &'u Umem, ring: u32, config: WorkerConfig, socket: Option<MemHost>) -> Self {
        let heartbeat = Arc::new(Heartbeat::unwatched(1).unwrap());
        let mut port = MemPort::new(RingSize::new(ring).unwrap());
        port.socket = socket;
        let hops = FixedHops::known([6; 6], [8; 6]);
        let (worker, handle) =
            Worker::new(config, umem.pool(), port, MemHost::default(), hops, heartbeat.beat(0))
                .unwrap();
        let mut rig = Self { worker, handle, heartbeat, now: 0, mtu: config.mtu };
        rig.turn();
        rig
    }

    pub(crate) fn wire(&mut self) -> &mut MemPort<'u> {
        self.worker.sides().0
    }

    pub(crate) fn host(&mut self) -> &mut MemHost {
        self.worker.sides().1
    }

    pub(crate) fn hops(&mut self) -> &mut FixedHops {
        self.worker.sides().2
    }

    /// A microsecond passes, and the worker has a turn.
    pub(crate) fn turn(&mut self) -> Turn {
        self.now += 1_000;
        let turn = self.worker.turn(self.now);
        audit(&mut self.worker).unwrap();
        turn
    }

    /// Turns until one moves nothing.
    pub(crate) fn settle(&mut self) {
        while self.turn() == Turn::Busy {}
    }

    /// Long enough for housekeeping.
    pub(crate) fn later(&mut self) -> Turn {
        self.now += 10_000_000;
        self.turn()
    }

    pub(crate) fn dropped(&self, reason: DropReason) -> u64 {
        self.worker.counts().dropped(reason)
    }

    /// The TCP payload of everything the host took, in order.
    pub(crate) fn host_payload(&mut self) -> Vec<u8> {
        let taken = self.host().taken.iter();
        taken.flat_map(|bytes| tcp_payload(&bytes[VnetHeader::LEN..]).to_vec()).collect()
    }

    /// The TCP payload of everything that went out on the wire, in order, with every header checked.
    pub(crate) fn wire_payload(&mut self) -> Vec<u8> {
        let mtu = self.mtu;
        let sent = self.wire().wire.iter();
        sent.flat_map(|bytes| checked_payload(bytes, mtu).to_vec()).collect()
    }
}

/// Its payload, as far as the IP header says.
pub(crate) fn tcp_payload(ip: &[u8]) -> &[u8] {
    let sliced = etherparse::SlicedPacket::from_ip(ip).unwrap();
    let Some(etherparse::TransportSlice::Tcp(tcp)) = sliced.transport else {
        panic!("not TCP: {ip:02x?}")
    };
    tcp.payload()
}

/// Its payload, after an independent parser has found lengths and checksums right.
pub(crate) fn checked_payload(packet: &[u8], mtu: usize) -> &[u8] {
    assert!(packet.len() <= 14 + mtu, "{} bytes on the wire", packet.len());
    assert_eq!(packet[..14], LINK);
    let sliced = etherparse::SlicedPacket::from_ethernet(packet).unwrap();
    let Some(etherparse::NetSlice::Ipv4(ip)) = sliced.net else { panic!("not IPv4") };
    let header = ip.header().to_header();
    assert_eq!(header.calc_header_checksum(), header.header_checksum);
    let Some(etherparse::TransportSlice::Tcp(tcp)) = sliced.transport else { panic!("not TCP") };
    let sum = tcp.calc_checksum_ipv4(header.source, header.destination).unwrap();
    assert_eq!(sum, tcp.checksum());
    tcp.payload()
}
