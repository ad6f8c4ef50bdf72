//! A super-packet of 64 KB from a TUN device, cut for Ethernet. An operation is a wire packet.

use std::hint::black_box;

use sluice_bench::MSS;
use sluice_common::offload::{ChecksumMode, GsoType, Segmenter, VnetHeader};
use sluice_common::testing::{Field, Packet};
use sluice_common::wire::Link;

use crate::Case;
use crate::meter::measured;

pub(crate) const CASES: &[Case] = &[
    ("segment_tcp4_headers", || headers(&TCP)),
    ("segment_tcp4_and_copy", || copies(&TCP)),
    ("segment_udp4_headers", || headers(&UDP)),
    ("segment_udp4_and_copy", || copies(&UDP)),
];

/// What a sender that fills its packets hands over.
const PAYLOAD: usize = 45 * MSS;

const TCP: VnetHeader = VnetHeader {
    flags: VnetHeader::NEEDS_CSUM,
    gso_type: GsoType::TCPV4.0 as u8,
    hdr_len: 52,
    gso_size: MSS as u16,
    csum_start: 20,
    csum_offset: 16,
};

const UDP: VnetHeader =
    VnetHeader { gso_type: GsoType::UDP_L4.0 as u8, hdr_len: 28, csum_offset: 6, ..TCP };

fn super_packet(vnet: &VnetHeader) -> Vec<u8> {
    let packet = if vnet.gso_type == UDP.gso_type { Packet::udp4() } else { Packet::tcp4() };
    let packet = Packet { link: Link::None, checksum: Field::Partial, ..packet };
    packet.with_payload(&[0x5a; PAYLOAD]).build()
}

fn segmenter<'p>(bytes: &'p [u8], vnet: &VnetHeader) -> Segmenter<'p> {
    Segmenter::new(black_box(bytes), vnet, 1500).expect("the super-packet is sound")
}

/// For a port that gathers and sums.
fn headers(vnet: &VnetHeader) -> usize {
    let (bytes, mut out) = (super_packet(vnet), [0; 100]);
    measured(|| {
        let segmenter = segmenter(&bytes, vnet);
        for i in 0..segmenter.count() {
            segmenter.write_header(i, black_box(&mut out), ChecksumMode::Partial);
        }
        segmenter.count()
    })
}

/// For a port that does neither.
fn copies(vnet: &VnetHeader) -> usize {
    let (bytes, mut out) = (super_packet(vnet), vec![0; 2048]);
    measured(|| {
        let segmenter = segmenter(&bytes, vnet);
        for i in 0..segmenter.count() {
            segmenter.write(i, black_box(&mut out));
        }
        segmenter.count()
    })
}
