//! What people wait for is not held: a small packet leaves in the turn that takes its burst.

use sluice::pipeline::WireConfig;
use sluice_common::Side;
use sluice_common::offload::Hold;
use sluice_common::stage::Forward;
use sluice_common::testing::Packet;
use sluice_common::wire::{Headers, Link, tcp};

use super::rig::{Rig, config, umem};

/// Where the small packets come from, as SSH's do.
const SSH: u16 = 22;

/// Nanoseconds between two of them: the fastest that a program which answers its user sends on its own.
const APART: u64 = 1_000_000;

const MTUS: [[u16; 2]; 2] = [[1500, 1500], [9000, 1500]];

/// One side of a connection that carries keystrokes and what they echo.
struct Keys(Packet);

impl Keys {
    fn new(mut packet: Packet) -> Self {
        packet.src_port = SSH;
        Self(packet)
    }

    /// The next packet: `payload` bytes, none being an acknowledgement. Not each program has PSH set.
    fn packet(&mut self, payload: usize, pushes: bool) -> Vec<u8> {
        let flags = if pushes { tcp::Flags::ACK.with(tcp::Flags::PSH) } else { tcp::Flags::ACK };
        self.0 = Packet { flags, ..self.0.clone().with_payload(&vec![7; payload]) };
        let packet = self.0.build();
        self.0 = self.0.next();
        packet
    }
}

/// A transfer that keeps its side busy with packets that fill its MTU.
struct Bulk {
    next: Packet,
    payload: usize,
}

impl Bulk {
    fn new(mtu: u16) -> Self {
        let next = Packet::tcp4();
        let payload = usize::from(mtu) - 20 - tcp::HEADER_LEN - next.options.len();
        Self { next, payload }
    }

    fn packet(&mut self) -> Vec<u8> {
        let packet = self.next.clone().with_payload(&vec![9; self.payload]);
        self.next = packet.next();
        packet.build()
    }
}

/// How many bytes of keystrokes have left through `side` since the last call, and in how many packets.
fn keys_that_left(rig: &mut Rig<'_>, side: Side) -> [usize; 2] {
    let payload = |packet: &Vec<u8>| {
        let headers = Headers::parse(&packet[..], Link::Ethernet).unwrap();
        let segment = tcp::Segment::new(&packet[headers.transport.into()..]).unwrap();
        let carried = packet.len() - usize::from(headers.transport) - segment.header_len();
        (headers.ports.unwrap().src == SSH).then_some(carried)
    };
    let left = rig.left(side);
    rig.port(side).wire.clear();
    let keys: Vec<usize> = left.iter().filter_map(payload).collect();
    [keys.iter().sum(), keys.len()]
}

/// A worker that waits for the next packet of a flow as long as one does that nobody has configured.
fn waiting(mtus: [u16; 2]) -> WireConfig {
    let mut config = config(mtus);
    config.gro.hold = Hold::Adaptive { ceiling: 30_000 };
    config
}

/// Sends `burst` small packets at once, every millisecond, in the middle of a transfer whose packets are waited for;
/// each must have left when the turn ends that took it.
fn never_held(mtus: [u16; 2], keys: &Packet, from: Side, burst: usize) {
    let umem = umem(4096);
    let mut rig = Rig::with(&umem, 256, waiting(mtus), Forward);
    let mut keys = Keys::new(keys.clone());
    let mut bulk = Bulk::new(mtus[from.index()]);
    let mut held = false;
    for round in 0..100_usize {
        rig.now += APART;
        for _ in 0..9 {
            rig.deliver(from, &bulk.packet());
            rig.turn();
        }
        rig.deliver(from, &bulk.packet());
        let mut bytes = 0;
        for n in 0..burst {
            // Acknowledgements, single letters, lines.
            let payload = [1, 36, 0, 200][(round + n) % 4];
            rig.deliver(from, &keys.packet(payload, round % 3 == 0));
            bytes += payload;
        }
        rig.deliver(from, &bulk.packet());
        rig.turn();
        held |= rig.worker.held(from) > 0;
        let [bytes_left, packets_left] = keys_that_left(&mut rig, from.other());
        assert_eq!(bytes_left, bytes, "round {round}: keystrokes were held");
        if mtus[0] == mtus[1] {
            assert_eq!(packets_left, burst, "round {round}: packets were held");
        }
    }
    assert!(held, "the transfer was never held");
}

#[test]
fn a_small_packet_leaves_in_the_turn_that_takes_its_burst() {
    for mtus in MTUS {
        for keys in [Packet::tcp4(), Packet::tcp6()] {
            for from in Side::BOTH {
                for burst in 1..=3 {
                    never_held(mtus, &keys, from, burst);
                }
            }
        }
    }
}
