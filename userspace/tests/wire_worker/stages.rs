//! What a stage says is done: to each packet of the train, and nothing else.

use sluice::pipeline::{Answers, WireSettings};
use sluice_common::Side;
use sluice_common::answer::AnswerFrom;
use sluice_common::classify::Field;
use sluice_common::offload::VnetHeader;
use sluice_common::reason::DropReason;
use sluice_common::stage::{Edit, Seen, Stage, To, Verdict};
use sluice_common::testing::Packet;

use super::rig::{Rig, config, umem};

/// Sends everything to one place, counts how often it was asked, and sets a port.
#[derive(Debug)]
struct Says {
    to: To,
    port: Option<u16>,
    asked: usize,
}

impl Says {
    const fn to(to: To) -> Self {
        Self { to, port: None, asked: 0 }
    }
}

impl Stage for Says {
    fn judge(&mut self, _: &Seen<'_>) -> Verdict {
        self.asked += 1;
        let edit = Edit::default();
        let edit = self.port.map_or(edit, |port| edit.with_port(Field::Destination, port));
        Verdict { to: self.to, edit }
    }
}

/// Five full packets of one flow.
fn packets() -> Vec<Packet> {
    let first = Packet::tcp4().with_payload(&[7; 1448]);
    std::iter::successors(Some(first), |packet| Some(packet.next())).take(5).collect()
}

fn played(stage: Says, from: Side) -> [Vec<Vec<u8>>; 2] {
    let umem = umem(256);
    let mut rig = Rig::with(&umem, 32, config([1500, 1500]), stage);
    packets().iter().for_each(|packet| rig.deliver(from, &packet.build()));
    rig.settle();
    Side::BOTH.map(|side| rig.left(side))
}

#[test]
fn a_train_goes_where_the_stage_says() {
    let bytes: Vec<_> = packets().iter().map(Packet::build).collect();
    assert_eq!(played(Says::to(To::Other), Side::A), [vec![], bytes.clone()]);
    assert_eq!(played(Says::to(To::Same), Side::A), [bytes.clone(), vec![]]);
    assert_eq!(played(Says::to(To::Same), Side::B), [vec![], bytes]);
    assert_eq!(played(Says::to(To::Nowhere), Side::A).concat().len(), 0);
}

#[test]
fn what_the_stage_drops_has_its_reason() {
    let umem = umem(256);
    let mut rig = Rig::with(&umem, 32, config([1500, 1500]), Says::to(To::Nowhere));
    packets().iter().for_each(|packet| rig.deliver(Side::B, &packet.build()));
    rig.settle();
    assert_eq!(rig.dropped(Side::B, DropReason::Stage), 5);
}

#[test]
fn each_packet_of_a_train_is_edited_and_its_checksum_follows() {
    let stage = Says { port: Some(8080), ..Says::to(To::Other) };
    let expected = packets().into_iter().map(|packet| Packet { dst_port: 8080, ..packet }.build());
    assert_eq!(played(stage, Side::A)[1], expected.collect::<Vec<_>>());
}

#[test]
fn the_local_kernel_gets_whole_trains() {
    let umem = umem(256);
    let mut rig = Rig::with(&umem, 32, config([1500, 1500]), Says::to(To::Host));
    packets().iter().for_each(|packet| rig.deliver(Side::A, &packet.build()));
    rig.settle();
    assert_eq!(Side::BOTH.map(|side| rig.left(side).len()), [0, 0]);
    let taken = &rig.worker.host().taken;
    let sizes: Vec<_> = taken.iter().map(|bytes| bytes.len() - VnetHeader::LEN).collect();
    assert_eq!(sizes, [20 + 32 + 5 * 1448]);
    assert_eq!(rig.worker.counts().sides[0].to_host_packets, 5);
}

#[test]
fn another_stage_takes_over_while_packets_flow_and_none_is_lost() {
    let umem = umem(256);
    let mut rig = Rig::with(&umem, 32, config([1500, 1500]), Says::to(To::Other));
    let answers = Answers { from: AnswerFrom::default(), per_second: 1 };
    for to in [To::Same, To::Other, To::Same] {
        packets().iter().for_each(|packet| rig.deliver(Side::A, &packet.build()));
        rig.turn();
        assert!(rig.handle.settler().settle(WireSettings { stage: Says::to(to), answers }));
        // A stage that has not been taken yet is not overtaken by another.
        assert!(
            !rig.handle.settler().settle(WireSettings { stage: Says::to(To::Nowhere), answers })
        );
        rig.now += 10_000_000;
        rig.turn();
    }
    rig.settle();
    let left = Side::BOTH.map(|side| rig.left(side).len());
    assert_eq!(left, [5, 10]);
}
