//! Trains and super-packets for a port that segments them itself: it makes the segments that would be made here.

use sluice_common::offload::{ChecksumMode, Coalescer, GroConfig, Segmenter, Train, VnetHeader};
use sluice_common::reason::FlushReason;
use sluice_common::testing::{Packet, Tunnel};
use sluice_common::wire::tcp::Flags;
use sluice_common::wire::{Link, TunnelPorts};

/// What a port of any MTU makes of a packet without link header.
fn segments(packet: &[u8], vnet: &VnetHeader) -> Vec<Vec<u8>> {
    let segments = Segmenter::new(packet, vnet, usize::from(u16::MAX)).unwrap();
    let segment = |index| {
        let mut segment = vec![0; segments.segment_len(index)];
        segments.write(index, &mut segment);
        segment
    };
    (0..segments.count()).map(segment).collect()
}

/// So many packets, `first` and what follows it.
fn run_of(first: &Packet, count: usize) -> Vec<Packet> {
    std::iter::successors(Some(first.clone()), |packet| Some(packet.next())).take(count).collect()
}

/// The one train that these packets make.
fn with_train(packets: &[Packet], mut then: impl FnMut(Train<Vec<u8>>)) {
    let mut coalescer = Coalescer::new(GroConfig::default());
    let mut trains = 0;
    let mut sink = |train: Train<Vec<u8>>, _: FlushReason| {
        trains += 1;
        then(train);
    };
    packets.iter().for_each(|packet| coalescer.push(packet.build(), 0, &mut sink));
    coalescer.end_of_burst(0, &mut sink);
    assert_eq!(trains, 1);
}

/// What a port is given of a train, link header apart, with all that is known of it.
fn known(train: &Train<Vec<u8>>) -> (Vec<u8>, VnetHeader, usize, u16, Option<Flags>) {
    let mut bytes = vec![0; train.header_len(Link::None)];
    train.write_header(&mut bytes, Link::None, ChecksumMode::Partial);
    train.payloads().for_each(|payload| bytes.extend(payload));
    (bytes, train.vnet_header(), train.ip_len(), train.gso_segs(), train.tcp_flags())
}

fn kinds() -> [Packet; 2] {
    [Packet::tcp4(), Packet::tcp6()].map(|packet| packet.with_payload(&[7; 333]))
}

#[test]
fn a_train_without_its_last_packet_is_the_train_of_the_others() {
    for first in kinds() {
        for (count, last_len) in [(2, 333), (3, 333), (3, 1), (20, 100)] {
            let mut packets = run_of(&first, count);
            let last = packets.last_mut().unwrap();
            *last = last.clone().with_payload(&vec![9; last_len]);
            last.flags = Flags::ACK.with(Flags::PSH);
            let last = last.build();
            let mut without = None;
            with_train(&packets[..count - 1], |train| without = Some(known(&train)));
            with_train(&packets, |mut train| {
                assert_eq!(train.pop(), Some(last.clone()));
                assert_eq!(Some(known(&train)), without);
            });
        }
    }
}

#[test]
fn a_train_of_one_keeps_its_packet() {
    with_train(&kinds()[..1], |mut train| assert_eq!(train.pop(), None));
}

#[test]
fn an_uncut_train_becomes_what_it_is_cut_to_here() {
    for first in kinds() {
        for (count, size) in [(1, 100), (1, 332), (1, 333), (5, 100), (5, 400), (5, 5 * 333)] {
            with_train(&run_of(&first, count), |train| {
                let mut cut = train.cut(size).unwrap();
                let here = (0..cut.count()).map(|index| {
                    let mut segment = vec![0; cut.segment_len(index)];
                    cut.write(&mut segment);
                    segment[14..].to_vec()
                });
                let here: Vec<_> = here.collect();
                let mut uncut = vec![0; train.header_len(Link::None)];
                assert_eq!(train.write_uncut_header(&mut uncut, Link::None), uncut.len());
                train.payloads().for_each(|payload| uncut.extend(payload));
                let vnet = train.vnet_header_at(size as u16);
                assert_eq!(segments(&uncut, &vnet), here, "{count} packets to {size}");
            });
        }
    }
}

#[test]
fn the_leading_segments_are_a_super_packet_by_themselves() {
    for first in kinds() {
        let mut packets = run_of(&first, 7);
        let last = packets.last_mut().unwrap();
        *last = last.clone().with_payload(&[9; 10]);
        last.flags = Flags::ACK.with(Flags::PSH);
        with_train(&packets, |train| {
            let (bytes, vnet, ..) = known(&train);
            let whole = Segmenter::new(&bytes, &vnet, 1500).unwrap();
            let all = segments(&bytes, &vnet);
            assert_eq!(all.len(), 7);
            for count in 2..=6 {
                let piece = whole.leading(count).unwrap();
                let mut leading = vec![0; whole.header_len()];
                whole.write_super_header(piece, &mut leading);
                leading.extend(whole.piece_payload(piece));
                assert_eq!(segments(&leading, &vnet), all[..count], "of {count}");
            }
            assert_eq!(whole.leading(0), None);
            assert_eq!(whole.leading(7), None, "the last one is not full");
        });
    }
}

#[test]
fn what_is_in_a_tunnel_has_no_leading_segments() {
    let first = Packet::tcp4().with_payload(&[7; 333]).inside(Tunnel::vxlan());
    with_train(&run_of(&first, 3), |train| {
        let (bytes, vnet, ..) = known(&train);
        let ports = TunnelPorts::default();
        let whole = Segmenter::encapsulated(&bytes, &vnet, &ports, 1500).unwrap();
        assert_eq!((whole.count(), whole.leading(2)), (3, None));
    });
}
