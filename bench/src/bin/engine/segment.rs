//! Super-packets that become packets.

use std::hint::black_box;

use clap::ValueEnum;
use sluice_bench::said::Said;
use sluice_bench::stream::{FILL, FRAME, source};
use sluice_bench::{MSS, limits};
use sluice_common::offload::{GsoType, Segmenter, VnetHeader};
use sluice_common::testing::{Field, Packet};
use sluice_common::wire::Link;

use crate::Load;

/// The segmenter: each packet gets headers, payload and checksum.
#[derive(Debug, clap::Args)]
pub(crate) struct Segment {
    #[command(flatten)]
    load: Load,
    #[arg(long, value_enum, default_value_t = By::Sluice)]
    by: By,
}

/// Who does it.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum By {
    /// The segmenter.
    Sluice,
    /// The limit: as many bytes are copied and summed in one pass.
    Fused,
    /// The limit of that: they are copied.
    Memcpy,
}

/// Packets of a super-packet: 24 KB, so that 8,192 of them fit into memory.
const SEGMENTS: usize = 16;

/// Bytes of IP and TCP header.
const HEADER: usize = 52;

/// Super-packets cut in all, at the least.
const LEAST: usize = 1024;

impl Segment {
    /// As many super-packets as there are flows are cut by turns: the more, the further away they lie.
    pub(crate) fn measure(&self) -> Said {
        let supers: Vec<_> = (0..self.load.flows()).map(super_packet).collect();
        let mut out = vec![vec![0_u8; 2048]; self.load.burst()];
        let at_once = (self.load.burst() / SEGMENTS).max(1);
        let work = match self.by {
            By::Sluice => cut,
            By::Fused => fused,
            By::Memcpy => memcpy,
        };
        let turns = (LEAST / supers.len()).max(1);
        let packets = supers.len() * turns * SEGMENTS;
        let nanoseconds = self.load.meter().median(packets, |stopwatch| {
            for _ in 0..turns {
                for burst in supers.chunks(at_once) {
                    stopwatch.time(|| {
                        for (packet, out) in burst.iter().zip(out.chunks_mut(SEGMENTS)) {
                            work(black_box(packet), black_box(out));
                        }
                    });
                }
            }
        });
        Said::per_packet(nanoseconds, FRAME)
    }
}

fn super_packet(flow: usize) -> Vec<u8> {
    let packet = Packet { link: Link::None, checksum: Field::Partial, ..Packet::tcp4() };
    let mut packet = packet.with_payload(&[FILL; SEGMENTS * MSS]);
    packet.src = source(flow).into();
    packet.build()
}

const VNET: VnetHeader = VnetHeader {
    flags: VnetHeader::NEEDS_CSUM,
    gso_type: GsoType::TCPV4.0 as u8,
    hdr_len: HEADER as u16,
    gso_size: MSS as u16,
    csum_start: 20,
    csum_offset: 16,
};

fn cut(packet: &[u8], out: &mut [Vec<u8>]) {
    let segmenter = Segmenter::new(packet, &VNET, 1500).expect("the super-packet is sound");
    for (segment, out) in (0..segmenter.count()).zip(out) {
        segmenter.write(segment, out);
    }
}

fn fused(packet: &[u8], out: &mut [Vec<u8>]) {
    for (payload, out) in packet[HEADER..].chunks(MSS).zip(out) {
        let (head, tail) = out[..HEADER + MSS].split_at_mut(HEADER);
        limits::copy(&packet[..HEADER], head);
        black_box(limits::copy_and_sum(payload, tail));
    }
}

fn memcpy(packet: &[u8], out: &mut [Vec<u8>]) {
    for (payload, out) in packet[HEADER..].chunks(MSS).zip(out) {
        let (head, tail) = out[..HEADER + MSS].split_at_mut(HEADER);
        limits::copy(&packet[..HEADER], head);
        limits::copy(payload, tail);
    }
}
