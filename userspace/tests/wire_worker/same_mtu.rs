//! Packets leave byte for byte as they came, in order, in the frames they came in.

use sluice::sim::Talker;
use sluice_common::Side;
use sluice_common::wire::tcp::Flags;

use super::rig::{Rig, umem};

#[test]
fn both_directions_at_once_and_each_in_order() {
    let umem = umem(512);
    let mut rig = Rig::new(&umem, 64);
    let mut talkers = [Talker::new(1, 0), Talker::new(2, 1 << 20)];
    let mut sent = [Vec::new(), Vec::new()];
    for round in 0..200_usize {
        for side in Side::BOTH {
            for n in 0..=round % 7 {
                let flags = if n % 5 == 4 { Flags::ACK.with(Flags::PSH) } else { Flags::ACK };
                let packet =
                    talkers[side.index()].packet([1460, 700, 0, 1][(round + n) % 4], flags);
                rig.deliver(side, &packet);
                sent[side.index()].push(packet);
            }
        }
        rig.turn();
    }
    rig.settle();
    assert_eq!(rig.left(Side::B), sent[0]);
    assert_eq!(rig.left(Side::A), sent[1]);
    let counts = rig.worker.counts().sides;
    assert_eq!(counts[0].forwarded_packets, sent[0].len() as u64);
    assert_eq!(counts[1].sent_packets, sent[0].len() as u64);
    assert!(counts[0].trains < counts[0].received_packets, "nothing was coalesced");
}

#[test]
fn what_is_not_ip_goes_on_as_it_came() {
    let umem = umem(64);
    let mut rig = Rig::new(&umem, 8);
    let arp = [&[0xff; 6][..], &[2; 6], &[8, 6], &[1; 46]].concat();
    for packet in [&arp[..], &[7; 14], &[9; 3], &[]] {
        rig.deliver(Side::B, packet);
    }
    rig.settle();
    assert_eq!(rig.left(Side::A), [&arp[..], &[7; 14], &[9; 3], &[]]);
}
