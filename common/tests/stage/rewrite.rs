//! MAC addresses and VLANs, and the wire that changes nothing.

use sluice_common::Side;
use sluice_common::stage::{AnyStage, Forward, Leaving, Rewrite, Stage, To, Verdict, VlanMap};
use sluice_common::testing::Packet;
use sluice_common::wire::EtherType;

use crate::bytes::{judge, parse};

/// What comes out of `stage`.
fn through(stage: &mut impl Stage, side: Side, packet: &Packet) -> (To, Vec<u8>) {
    let mut bytes = packet.build();
    let Verdict { to, edit } = judge(stage, side, &bytes);
    let headers = parse(&bytes);
    edit.apply(&mut bytes, &headers, false);
    (to, bytes)
}

fn tagged(tci: u16) -> Packet {
    Packet { tags: vec![(EtherType::VLAN, tci)], ..Packet::tcp4() }
}

#[test]
fn a_wire_sends_everything_on_as_it_came() {
    for side in Side::BOTH {
        let packet = tagged(0x6005);
        assert_eq!(through(&mut Forward, side, &packet), (To::Other, packet.build()));
        assert!(judge(&mut AnyStage::default(), side, &packet.build()).edit.is_nothing());
    }
}

#[test]
fn what_is_rewritten_is_that_of_the_port_it_leaves_through() {
    let leaving = |mac: u8, pair| Leaving {
        src_mac: Some([mac; 6]),
        dst_mac: None,
        vlans: VlanMap::new([pair]).unwrap(),
    };
    let rewrite = Rewrite::new([leaving(0xa, (20, 10)), leaving(0xb, (10, 20))]);
    let mut stage = AnyStage::Rewrite(rewrite.clone());
    for (side, from, to, mac) in [(Side::A, 0x600a, 0x6014, 0xb), (Side::B, 0x6014, 0x600a, 0xa)] {
        let mut expected = tagged(to);
        expected.macs[1] = [mac; 6];
        assert_eq!(through(&mut stage, side, &tagged(from)), (To::Other, expected.build()));
        let mut other = tagged(30);
        other.macs[1] = [mac; 6];
        assert_eq!(through(&mut stage, side, &tagged(30)), (To::Other, other.build()));
        assert_eq!(rewrite.leaving(side.other()).src_mac, Some([mac; 6]));
    }
}

#[test]
fn what_is_not_named_is_not_rewritten() {
    let only = Leaving { dst_mac: Some([9; 6]), ..Leaving::default() };
    let mut stage = Rewrite::new([Leaving::default(), only]);
    let packet = tagged(5);
    let mut expected = packet.clone();
    expected.macs[0] = [9; 6];
    assert_eq!(through(&mut stage, Side::A, &packet), (To::Other, expected.build()));
    assert_eq!(through(&mut stage, Side::B, &packet), (To::Other, packet.build()));
}
