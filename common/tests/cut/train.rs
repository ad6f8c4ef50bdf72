//! What all tests of cutting cut, and how.

use etherparse::{NetHeaders, PacketHeaders, TcpHeader, TransportHeader};
use sluice_common::offload::{Buffer, Coalescer, Cut, GroConfig, RxChecksum, Train};
use sluice_common::reason::FlushReason;
use sluice_common::testing::{Field, Packet};
use sluice_common::wire::tcp::Flags;
use sluice_common::wire::{EtherType, Protocol};

/// A packet in as many buffers as it was divided into.
#[derive(Clone, Debug)]
pub(crate) struct Divided(Vec<Vec<u8>>);

impl Divided {
    /// `bytes` with `head` of them in the first buffer, and `piece` in each of the others.
    pub(crate) fn new(bytes: &[u8], head: usize, piece: usize) -> Self {
        let (head, rest) = bytes.split_at(head.min(bytes.len()));
        Self([head].into_iter().chain(rest.chunks(piece)).map(<[u8]>::to_vec).collect())
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.0.concat()
    }
}

impl Buffer for Divided {
    fn head(&self) -> &[u8] {
        &self.0[0]
    }

    fn rest(&self) -> impl Iterator<Item = &[u8]> {
        self.0[1..].iter().map(Vec::as_slice)
    }
}

impl AsMut<[u8]> for Divided {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.0[0]
    }
}

/// Bytes in which no two segments are alike.
pub(crate) fn payload(len: usize) -> Vec<u8> {
    (0..len as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// What a sender sends of `len` bytes in packets of `size`, the last with PSH.
pub(crate) fn row(first: &Packet, size: usize, len: usize) -> Vec<Packet> {
    let bytes = payload(len);
    let mut packets: Vec<Packet> = Vec::new();
    for part in bytes.chunks(size) {
        let packet = packets.last().map_or_else(|| first.clone(), Packet::next);
        packets.push(packet.with_payload(part));
    }
    let last = packets.last_mut().expect("there is payload");
    last.flags = last.flags.with(Flags::PSH);
    packets
}

/// Rules for trains as long as they can be: of as many pieces as an IP packet has bytes.
pub(crate) fn config() -> GroConfig {
    GroConfig { max_segments: 65_535, flows: 4, spare_trains: 0, ..GroConfig::default() }
}

/// Rules that take a partial checksum for right. One in 65,536 complete ones looks like one, too.
pub(crate) fn partial() -> GroConfig {
    GroConfig { rx_checksum: RxChecksum::Partial, ..config() }
}

/// Every train that comes out of a coalescer.
pub(crate) fn coalesce<H: Buffer>(
    config: GroConfig,
    packets: impl IntoIterator<Item = H>,
) -> Vec<Train<H>> {
    let mut coalescer = Coalescer::new(config);
    let mut trains = Vec::new();
    let mut sink = |train: Train<H>, _: FlushReason| trains.push(train);
    for packet in packets {
        coalescer.push(packet, 0, &mut sink);
    }
    coalescer.end_of_burst(0, &mut sink);
    trains
}

/// The one train that packets make.
#[track_caller]
pub(crate) fn train_of<H: Buffer>(
    config: GroConfig,
    packets: impl IntoIterator<Item = H>,
) -> Train<H> {
    let mut trains = coalesce(config, packets);
    assert_eq!(trains.len(), 1, "they are one train");
    trains.remove(0)
}

#[track_caller]
pub(crate) fn train(packets: &[Packet]) -> Train<Vec<u8>> {
    train_of(config(), packets.iter().map(Packet::build))
}

/// Every segment, each as long as was said and not written beyond its end.
#[track_caller]
pub(crate) fn write_all<H: Buffer>(mut cut: Cut<'_, H>) -> Vec<Vec<u8>> {
    let count = cut.count();
    let write = |i| {
        let mut out = vec![0xee; cut.segment_len(i) + 16];
        let len = cut.write(&mut out);
        assert_eq!(len, cut.segment_len(i));
        assert!(out[len..].iter().all(|byte| *byte == 0xee), "nothing is written behind it");
        out.truncate(len);
        out
    };
    (0..count).map(write).collect()
}

/// The segments that packets are cut to.
#[track_caller]
pub(crate) fn segments(packets: &[Packet], size: usize) -> Vec<Vec<u8>> {
    write_all(train(packets).cut(size).expect("they can be cut"))
}

/// A segment as an independent parser sees it.
#[derive(Debug)]
pub(crate) struct Parsed {
    pub(crate) tcp: TcpHeader,
    pub(crate) id: u16,
    pub(crate) payload: Vec<u8>,
}

/// Parses a segment with etherparse and checks its lengths and checksums with etherparse's own sums.
#[track_caller]
pub(crate) fn parse(segment: &[u8]) -> Parsed {
    let headers = PacketHeaders::from_ethernet_slice(segment).unwrap();
    let link = 14 + 4 * headers.vlan().map_or(0, |_| headers.vlan_ids().len());
    let payload = headers.payload.slice().to_vec();
    let Some(TransportHeader::Tcp(tcp)) = headers.transport else { panic!("no TCP header") };
    let (expected, id) = match headers.net.unwrap() {
        NetHeaders::Ipv4(ip, _) => {
            assert_eq!(usize::from(ip.total_len), segment.len() - link, "S8");
            assert_eq!(ip.header_checksum, ip.calc_header_checksum(), "S8");
            assert_eq!(u16::from(ip.fragment_offset), 0, "S7");
            assert!(!ip.more_fragments, "S7");
            (tcp.calc_checksum_ipv4(&ip, &payload).unwrap(), ip.identification)
        }
        NetHeaders::Ipv6(ip, _) => {
            assert_eq!(usize::from(ip.payload_length) + 40, segment.len() - link, "S8");
            (tcp.calc_checksum_ipv6(&ip, &payload).unwrap(), 0)
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(tcp.checksum, expected, "S9");
    Parsed { tcp, id, payload }
}

pub(crate) fn parse_all(segments: &[Vec<u8>]) -> Vec<Parsed> {
    segments.iter().map(|segment| parse(segment)).collect()
}

/// Both families, plain and with as many headers as there can be between the link and the payload.
pub(crate) fn all_kinds() -> [Packet; 4] {
    let mut tagged = Packet { fragment_word: 0, options: Vec::new(), ..Packet::tcp4() };
    tagged.tags = vec![(EtherType::QINQ, 5), (EtherType::VLAN, 0x2006)];
    let mut extended = Packet { seq: u32::MAX - 2000, ..Packet::tcp6() };
    extended.extensions = vec![(Protocol::DESTINATION_OPTIONS, vec![0, 0, 1, 4, 0, 0, 0, 0])];
    extended.tags = vec![(EtherType::VLAN, 5)];
    [Packet::tcp4(), Packet::tcp6(), tagged, extended]
}

/// The same with their checksums left to a NIC.
pub(crate) fn left_partial(packets: &[Packet]) -> Vec<Packet> {
    let partial = |packet: &Packet| Packet { checksum: Field::Partial, ..packet.clone() };
    packets.iter().map(partial).collect()
}
