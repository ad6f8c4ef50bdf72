//! A super-packet of 64 KB from a TUN device, cut for Ethernet. An operation is a wire packet.

use std::hint::black_box;

use sluice_bench::MSS;
use sluice_common::offload::{ChecksumMode, GsoType, Segmenter, VnetHeader};
use sluice_common::testing::{Field, Packet};
use sluice_common::wire::Link;

use crate::Case;
use crate::meter::measured;

pub(crate) const CASES: &[Case] =
    &[("segment_tcp4_headers", headers), ("segment_tcp4_and_copy", copies)];

/// What a sender that fills its packets hands over.
const PAYLOAD: usize = 45 * MSS;

const VNET: VnetHeader = VnetHeader {
    flags: VnetHeader::NEEDS_CSUM,
    gso_type: GsoType::TCPV4.0 as u8,
    hdr_len: 52,
    gso_size: MSS as u16,
    csum_start: 20,
    csum_offset: 16,
};

fn super_packet() -> Vec<u8> {
    let packet = Packet { link: Link::None, checksum: Field::Partial, ..Packet::tcp4() };
    packet.with_payload(&[0x5a; PAYLOAD]).build()
}

fn segmenter(bytes: &[u8]) -> Segmenter<'_> {
    Segmenter::new(black_box(bytes), &VNET, 1500).expect("the super-packet is sound")
}

/// For a port that gathers and sums.
fn headers() -> usize {
    let (bytes, mut out) = (super_packet(), [0; 100]);
    measured(|| {
        let segmenter = segmenter(&bytes);
        for i in 0..segmenter.count() {
            segmenter.write_header(i, black_box(&mut out), ChecksumMode::Partial);
        }
        segmenter.count()
    })
}

/// For a port that does neither.
fn copies() -> usize {
    let (bytes, mut out) = (super_packet(), vec![0; 2048]);
    measured(|| {
        let segmenter = segmenter(&bytes);
        for i in 0..segmenter.count() {
            segmenter.write(i, black_box(&mut out));
        }
        segmenter.count()
    })
}
