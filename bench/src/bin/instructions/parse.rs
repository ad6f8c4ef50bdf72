//! Headers. An operation is a packet.

use std::hint::black_box;

use sluice_common::testing::Packet;
use sluice_common::wire::{EtherType, Headers, Link, Protocol};

use crate::Case;
use crate::meter::repeated;

pub(crate) const CASES: &[Case] = &[
    ("parse_tcp4", || parse(&Packet::tcp4())),
    ("parse_tcp6", || parse(&Packet::tcp6())),
    ("parse_tcp4_vlan", || parse(&Packet { tags: vec![(EtherType::VLAN, 5)], ..Packet::tcp4() })),
    ("parse_tcp6_extensions", || {
        let extensions =
            vec![(Protocol::HOP_BY_HOP, vec![0; 8]), (Protocol::DESTINATION_OPTIONS, vec![0; 8])];
        parse(&Packet { extensions, ..Packet::tcp6() })
    }),
    ("parse_udp4", || parse(&Packet::udp4())),
];

fn parse(packet: &Packet) -> usize {
    let bytes = packet.build();
    repeated(|| Headers::parse(black_box(&bytes[..]), Link::Ethernet))
}
