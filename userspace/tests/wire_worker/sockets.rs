//! A port with a packet socket: trains leave whole where whoever segments them gives the same packets back, and packet
//! by packet where not.

use std::iter;

use sluice::port::Sent;
use sluice::sim::Talker;
use sluice_common::Side;
use sluice_common::offload::{GroConfig, GsoType, Profile, RxChecksum, Segmenter, VnetHeader};
use sluice_common::reason::DropReason;
use sluice_common::stage::Forward;
use sluice_common::testing::{Field, Packet, Tunnel};
use sluice_common::wire::tcp::Flags;
use sluice_common::wire::{EtherType, ethernet};

use super::rig::{Rig, config, umem};

const LINK: usize = ethernet::HEADER_LEN;

/// What the socket of `side` was given, oldest first.
fn given(rig: &mut Rig<'_>, side: Side) -> Vec<(VnetHeader, Vec<u8>)> {
    let socket = rig.port(side).socket.as_ref().unwrap();
    let split = |bytes| VnetHeader::split(bytes).map(|(vnet, packet)| (vnet, packet.to_vec()));
    socket.taken.iter().map(|bytes| split(bytes).unwrap()).collect()
}

/// What whoever is behind the socket makes of it: wire packets, link headers included.
fn segmented((vnet, packet): &(VnetHeader, Vec<u8>)) -> Vec<Vec<u8>> {
    if !vnet.needs_csum() {
        assert_eq!(*vnet, VnetHeader { flags: vnet.flags, ..VnetHeader::default() });
        return vec![packet.clone()];
    }
    let (link, ip) = packet.split_at(LINK);
    let vnet = VnetHeader { csum_start: vnet.csum_start - LINK as u16, ..*vnet };
    let segments = Segmenter::new(ip, &vnet, usize::from(u16::MAX)).unwrap();
    (0..segments.count())
        .map(|index| {
            let mut wire = [link, &vec![0; segments.segment_len(index)]].concat();
            segments.write(index, &mut wire[LINK..]);
            wire
        })
        .collect()
}

/// The wire packets that have left through `side` by its socket.
fn left(rig: &mut Rig<'_>, side: Side) -> Vec<Vec<u8>> {
    given(rig, side).iter().flat_map(segmented).collect()
}

/// Both ports with a socket.
fn rig(umem: &sluice::xsk::Umem, gro: GroConfig) -> Rig<'_> {
    let mut config = config([1500, 1500]);
    config.gro = GroConfig { hash_keys: [1, 2, 3, 4], ..gro };
    Rig::with_sockets(umem, 64, config, Forward)
}

/// So many packets, `first` and what follows it.
fn run_of(first: &Packet, count: usize) -> Vec<Vec<u8>> {
    let packets = iter::successors(Some(first.clone()), |packet| Some(packet.next()));
    packets.take(count).map(|packet| packet.build()).collect()
}

/// Sends these packets; what the socket was given, which must become the same packets again.
#[track_caller]
fn cross(packets: &[Vec<u8>], gro: GroConfig) -> Vec<(VnetHeader, Vec<u8>)> {
    let umem = umem(512);
    let mut rig = rig(&umem, gro);
    packets.iter().for_each(|packet| rig.deliver(Side::A, packet));
    rig.settle();
    assert_eq!(left(&mut rig, Side::B), packets);
    assert_eq!(rig.port(Side::B).wire.len(), 0, "nothing leaves by the ring");
    let [a, b] = rig.worker.counts().sides;
    let count = packets.len() as u64;
    assert_eq!((a.forwarded_packets, b.sent_packets), (count, count));
    let bytes: usize = packets.iter().map(Vec::len).sum();
    assert_eq!(b.sent_bytes, bytes as u64);
    let given = given(&mut rig, Side::B);
    let supers = given.iter().filter(|(vnet, _)| vnet.gso_type != 0).count();
    assert_eq!(b.sent_supers, supers as u64);
    given
}

#[test]
fn g30_a_train_leaves_whole_and_its_segments_are_the_packets_that_came() {
    let kinds = [
        (Packet::tcp4(), GsoType::TCPV4),
        (Packet::tcp6(), GsoType::TCPV6),
        (Packet::udp4(), GsoType::UDP_L4),
        (Packet::udp6(), GsoType::UDP_L4),
    ];
    for (packet, kind) in kinds {
        let packets = run_of(&packet.with_payload(&[7; 1000]), 20);
        let given = cross(&packets, GroConfig::default());
        assert_eq!(given.len(), 1, "{kind:?}: one train");
        let (vnet, _) = given[0];
        assert_eq!((vnet.gso_type, vnet.gso_size), (kind.0 as u8, 1000));
    }
}

/// A receiver's GRO might pass a last segment with PSH or FIN on before those it holds.
#[test]
fn what_closes_a_train_leaves_by_itself() {
    for flag in [Flags::PSH, Flags::FIN] {
        for len in [2, 3, 20] {
            let first = Packet::tcp4().with_payload(&[7; 1000]);
            let mut packets = run_of(&first, len);
            let mut all = iter::successors(Some(first), |packet| Some(packet.next()));
            let last = Packet { flags: Flags::ACK.with(flag), ..all.nth(len - 1).unwrap() };
            packets[len - 1] = last.build();
            let given = cross(&packets, GroConfig::default());
            assert_eq!(given.len(), 2, "{len} packets");
            let (vnet, last) = &given[1];
            assert_eq!((vnet.gso_type, last), (0, packets.last().unwrap()));
        }
    }
}

#[test]
fn what_a_vnet_header_cannot_say_leaves_packet_by_packet() {
    let tcp = || Packet::tcp4().with_payload(&[7; 1000]);
    let fixed = iter::successors(Some(tcp()), |packet| Some(Packet { id: 7, ..packet.next() }));
    let fixed: Vec<_> = fixed.skip(1).take(20).map(|packet| packet.build()).collect();
    let plain = GroConfig::default();
    let accecn = GroConfig { profile: Profile::AccEcn, ..plain };
    let cases = [
        ("a fixed identification", fixed, plain),
        ("a tunnel", run_of(&tcp().inside(Tunnel::vxlan()), 20), plain),
        (
            "a counter of congestion",
            run_of(&Packet { flags: Flags::ACK.with(Flags::CWR), ..tcp() }, 20),
            accecn,
        ),
    ];
    for (what, packets, gro) in cases {
        let umem = umem(512);
        let mut rig = rig(&umem, gro);
        packets.iter().for_each(|packet| rig.deliver(Side::A, packet));
        rig.settle();
        assert_eq!(rig.worker.counts().sides[0].trains, 1, "{what}: they are a train");
        assert_eq!(cross(&packets, gro).len(), 20, "{what}");
    }
}

/// The kernel does not find the flow of a tagged packet that a socket sends, and would spread it over the NIC's queues.
#[test]
fn what_is_tagged_or_not_ip_leaves_by_the_ring() {
    let umem = umem(512);
    let mut rig = rig(&umem, GroConfig::default());
    let tagged = Packet { tags: vec![(EtherType::VLAN, 7)], ..Packet::tcp4() };
    // What is of no flow waits for none.
    let mut packets = vec![[&[0xff; 6][..], &[2; 6], &[8, 6], &[1; 46]].concat(), vec![9; 3]];
    packets.extend(run_of(&tagged.with_payload(&[7; 1000]), 20));
    packets.iter().for_each(|packet| rig.deliver(Side::A, packet));
    rig.settle();
    assert_eq!(rig.left(Side::B), packets);
    assert!(given(&mut rig, Side::B).is_empty());
}

#[test]
fn a_train_that_is_refused_leaves_packet_by_packet() {
    for refuses in [vec![GsoType::TCPV4], Vec::new()] {
        let umem = umem(512);
        let mut rig = rig(&umem, GroConfig::default());
        let socket = rig.port(Side::B).socket.as_mut().unwrap();
        // Said beforehand, or only when it is given one.
        socket.refuses_supers = refuses.is_empty();
        socket.refuses = refuses;
        let packets = run_of(&Packet::tcp4().with_payload(&[7; 1000]), 20);
        packets.iter().for_each(|packet| rig.deliver(Side::A, packet));
        rig.settle();
        let given = given(&mut rig, Side::B);
        assert_eq!(given.into_iter().map(|(_, packet)| packet).collect::<Vec<_>>(), packets);
        assert_eq!(rig.worker.counts().sides[1].sent_supers, 0);
    }
}

#[test]
fn a_partial_checksum_is_left_to_whoever_segments() {
    let gro = GroConfig { rx_checksum: RxChecksum::Partial, ..GroConfig::default() };
    for refuses in [Vec::new(), vec![GsoType::TCPV4]] {
        let umem = umem(512);
        let mut rig = rig(&umem, gro);
        rig.port(Side::B).socket.as_mut().unwrap().refuses = refuses;
        let complete = Packet::tcp4().with_payload(&[7; 1000]);
        let partial = Packet { checksum: Field::Partial, ..complete.clone() };
        run_of(&partial, 5).iter().for_each(|packet| rig.deliver(Side::A, packet));
        rig.settle();
        assert_eq!(left(&mut rig, Side::B), run_of(&complete, 5));
    }
}

#[test]
fn what_finds_no_room_waits_in_order_and_harms_no_other() {
    let umem = umem(256);
    let mut rig = rig(&umem, GroConfig::default());
    rig.port(Side::B).socket.as_mut().unwrap().answer = Sent::Full;
    let mut talkers = [Talker::new(1, 0), Talker::new(2, 0)];
    let (mut there, mut back) = (Vec::new(), Vec::new());
    for round in 0..50_usize {
        for _ in 0..4 {
            // Acknowledgements among the data: single packets among trains.
            let len = if round % 5 == 4 { 0 } else { 1460 };
            for (talker, sent) in talkers.iter_mut().zip([&mut there, &mut back]) {
                sent.push(talker.packet(len, Flags::ACK));
            }
            rig.deliver(Side::A, &there[there.len() - 1]);
            rig.deliver(Side::B, &back[back.len() - 1]);
        }
        rig.turn();
    }
    rig.settle();
    assert_eq!(left(&mut rig, Side::A), back, "the other direction");
    let waiting = rig.worker.waiting(Side::B);
    assert!(waiting > 0 && waiting < 200, "{waiting} wait");
    assert_eq!(rig.dropped(Side::A, DropReason::BacklogFull), 200 - waiting as u64);
    rig.port(Side::B).socket.as_mut().unwrap().answer = Sent::Done;
    rig.settle();
    assert_eq!(left(&mut rig, Side::B), there[..waiting], "in order");
    assert_eq!(rig.worker.ledger().backlog, 0);
}

#[test]
fn a_train_that_finds_room_for_some_of_its_packets_goes_on_where_it_stopped() {
    let umem = umem(512);
    let mut rig = rig(&umem, GroConfig::default());
    let socket = rig.port(Side::B).socket.as_mut().unwrap();
    socket.refuses = vec![GsoType::TCPV4];
    socket.full_after = Some(7);
    let packets = run_of(&Packet::tcp4().with_payload(&[7; 1000]), 20);
    packets.iter().for_each(|packet| rig.deliver(Side::A, packet));
    rig.settle();
    assert_eq!((rig.worker.waiting(Side::B), rig.worker.counts().sides[1].sent_packets), (13, 7));
    rig.port(Side::B).socket.as_mut().unwrap().full_after = None;
    rig.settle();
    assert_eq!(left(&mut rig, Side::B), packets);
}

#[test]
fn what_the_kernel_drops_is_counted() {
    for answer in [Sent::Dropped, Sent::Refused] {
        let umem = umem(512);
        let mut rig = rig(&umem, GroConfig::default());
        rig.port(Side::B).socket.as_mut().unwrap().answer = answer;
        let packets = run_of(&Packet::tcp4().with_payload(&[7; 1000]), 20);
        packets.iter().for_each(|packet| rig.deliver(Side::A, packet));
        rig.settle();
        let sent = rig.worker.counts().sides[1];
        assert_eq!((sent.sent_packets, sent.sent_supers, sent.refused_packets), (0, 0, 20));
    }
}

#[test]
fn what_waits_at_the_end_is_dropped_and_counted() {
    let umem = umem(512);
    let mut rig = rig(&umem, GroConfig::default());
    rig.port(Side::B).socket.as_mut().unwrap().answer = Sent::Full;
    let packets = run_of(&Packet::tcp4().with_payload(&[7; 1000]), 20);
    packets.iter().for_each(|packet| rig.deliver(Side::A, packet));
    rig.turn();
    rig.stop();
    assert_eq!(rig.worker.counts().sides[1].unsent_packets, 20);
    assert_eq!(rig.worker.ledger().backlog, 0);
}

/// Between different MTUs too: what the ring's segments are is what the socket's are to become.
#[test]
fn a_train_that_is_to_be_cut_or_filled_leaves_whole_and_becomes_what_would_be_cut_here() {
    for (from, to, payload) in [(Side::A, Side::B, 8_900), (Side::B, Side::A, 1_448)] {
        for first in [Packet::tcp4(), Packet::tcp6()] {
            let packets = run_of(&first.with_payload(&vec![7; payload]), 20);
            let made = |sockets: bool| {
                let umem = umem(2048);
                let config = config([9000, 1500]);
                let mut rig = match sockets {
                    true => Rig::with_sockets(&umem, 256, config, Forward),
                    false => Rig::with(&umem, 256, config, Forward),
                };
                packets.iter().for_each(|packet| rig.deliver(from, packet));
                rig.settle();
                let counts = rig.worker.counts().sides;
                let [from, to] = [from, to].map(Side::index);
                let counted =
                    (counts[from].recut_into, counts[to].sent_packets, counts[to].sent_bytes);
                let sides = Side::BOTH[to];
                let wire = if sockets { left(&mut rig, sides) } else { rig.left(sides) };
                (wire, counted, counts[to].sent_supers)
            };
            let [(cut_here, counted, none), (cut_there, same, supers)] = [false, true].map(made);
            assert_eq!(cut_there, cut_here);
            assert_eq!(same, counted);
            assert!(none == 0 && supers > 0, "{none} {supers}");
        }
    }
}
