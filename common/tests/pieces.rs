//! A packet whose bytes stand in several buffers is judged, joined and written as if they stood in one.

use etherparse::{NetHeaders, PacketHeaders, TransportHeader};
use proptest::prelude::*;
use sluice_common::offload::{
    Checksum, ChecksumMode, Coalescer, GroConfig, RxChecksum, Segmenter, Train, VnetHeader,
};
use sluice_common::reason::FlushReason;
use sluice_common::testing::{Cut, Event, Field, Packet, stream};
use sluice_common::wire::tcp::Flags;
use sluice_common::wire::{Headers, Link, Tunnel, TunnelPorts};

/// All there is to say of what came out: reason, shape, headers, bytes, and the packets themselves.
#[derive(Debug, PartialEq)]
struct Outcome {
    reason: FlushReason,
    packets: Vec<Vec<u8>>,
    vnet: VnetHeader,
    ip_len: usize,
    checksum: Checksum,
    partial: Vec<u8>,
    full: Vec<u8>,
}

fn outcome(train: &Train<Cut>, reason: FlushReason) -> Outcome {
    Outcome {
        reason,
        packets: train.packets().iter().map(Cut::bytes).collect(),
        vnet: train.vnet_header(),
        ip_len: train.ip_len(),
        checksum: train.checksum(),
        partial: linear(train, Link::None, ChecksumMode::Partial),
        full: linear(train, Link::Ethernet, ChecksumMode::Full),
    }
}

fn linear(train: &Train<Cut>, link: Link, mode: ChecksumMode) -> Vec<u8> {
    let mut bytes = vec![0; train.header_len(link)];
    train.write_header(&mut bytes, link, mode);
    train.payloads().for_each(|payload| bytes.extend(payload));
    bytes
}

fn coalesce(config: GroConfig, packets: &[Cut]) -> Vec<Outcome> {
    let mut coalescer = Coalescer::new(config);
    let mut out = Vec::new();
    let mut sink = |train: Train<Cut>, reason| out.push(outcome(&train, reason));
    for packet in packets {
        coalescer.push(packet.clone(), 0, &mut sink);
    }
    coalescer.end_of_burst(0, &mut sink);
    out
}

/// What comes out is the same wherever behind its headers each of `packets` is cut once, and where it is
/// cut twice with `gap` bytes between.
#[track_caller]
fn assert_same_wherever_cut(config: GroConfig, packets: &[Packet], gap: usize) -> Vec<Outcome> {
    let built: Vec<_> = packets.iter().map(Packet::build).collect();
    let whole: Vec<_> = built.iter().map(|bytes| Cut::at(bytes, &[])).collect();
    let expected = coalesce(config, &whole);
    let header = |packet: &Packet| packet.build().len() - packet.padding - packet.payload.len();
    let first = packets.iter().map(header).max().unwrap();
    let last = built.iter().map(Vec::len).max().unwrap();
    for place in first..=last {
        for places in [&[place][..], &[place, place + gap]] {
            let cut: Vec<_> = built.iter().map(|bytes| Cut::at(bytes, places)).collect();
            assert_eq!(coalesce(config, &cut), expected, "cut at {places:?}");
        }
    }
    expected
}

/// Three packets in a row, of odd and even length, whose bytes differ.
fn three(first: Packet) -> [Packet; 3] {
    let payload: Vec<u8> = (0..=250).cycle().take(333).collect();
    let first = first.with_payload(&payload);
    let second = first.next();
    let mut third = second.next().with_payload(&payload[..332]);
    third.flags = third.flags.with(Flags::PSH);
    [first, second, third]
}

#[test]
fn g28_g30_a_train_of_packets_in_pieces_has_the_header_and_the_bytes_of_whole_ones() {
    for first in [Packet::tcp4(), Packet::tcp6()] {
        for gap in [1, 2, 101] {
            let out = assert_same_wherever_cut(GroConfig::default(), &three(first.clone()), gap);
            assert_eq!(out.len(), 1, "they are one train");
            assert_eq!(out[0].reason, FlushReason::Push);
            assert!(checksum_is_right(&out[0].full), "G28: the checksum of the whole");
            let segments = Segmenter::new(&out[0].partial, &out[0].vnet, 1500).unwrap();
            let mut segment = vec![0; segments.segment_len(1)];
            segments.write(1, &mut segment);
            assert_eq!(segment, out[0].packets[1][14..], "G30");
        }
    }
}

/// Whether the TCP checksum of an Ethernet frame is right, by an independent parser.
fn checksum_is_right(frame: &[u8]) -> bool {
    let headers = PacketHeaders::from_ethernet_slice(frame).unwrap();
    let Some(TransportHeader::Tcp(tcp)) = headers.transport else { panic!("no TCP header") };
    let payload = headers.payload.slice();
    let right = match headers.net.unwrap() {
        NetHeaders::Ipv4(ip, _) => tcp.calc_checksum_ipv4(&ip, payload),
        NetHeaders::Ipv6(ip, _) => tcp.calc_checksum_ipv6(&ip, payload),
        other => panic!("{other:?}"),
    };
    right.unwrap() == tcp.checksum
}

#[test]
fn g7_a_wrong_checksum_is_found_over_all_pieces() {
    for field in [Field::Wrong, Field::Partial] {
        let mut packets = three(Packet::tcp4());
        packets[1].checksum = field;
        let out = assert_same_wherever_cut(GroConfig::default(), &packets, 7);
        assert!(out.iter().any(|out| out.reason == FlushReason::BadChecksum));
    }
}

/// A byte that is wrong in the last piece only is a wrong checksum, too.
#[test]
fn g7_a_wrong_byte_in_any_piece_is_found() {
    let packet = three(Packet::tcp4())[0].build();
    for place in 66..packet.len() {
        let mut bytes = packet.clone();
        bytes[place] ^= 0x10;
        for cut in [67, 68, place, place + 1, packet.len() - 1] {
            let out = coalesce(GroConfig::default(), &[Cut::at(&bytes, &[cut])]);
            assert_eq!(out[0].reason, FlushReason::BadChecksum, "byte {place}, cut at {cut}");
        }
    }
}

#[test]
fn g7_a_partial_checksum_stays_partial_in_pieces() {
    let mut first = Packet::tcp6();
    first.checksum = Field::Partial;
    let config = GroConfig { rx_checksum: RxChecksum::Partial, ..GroConfig::default() };
    let out = assert_same_wherever_cut(config, &three(first), 3);
    assert_eq!(out[0].checksum, Checksum::Partial);
}

#[test]
fn g4_padding_in_a_piece_of_its_own_is_trimmed() {
    let mut packet = Packet { options: Vec::new(), ..Packet::tcp4() }.with_payload(b"ab");
    packet.padding = 4;
    let out = assert_same_wherever_cut(GroConfig::default(), &[packet], 1);
    assert_eq!(out[0].full.len(), 14 + 40 + 2);
}

#[test]
fn g18_the_largest_super_packet_counts_the_bytes_of_all_pieces() {
    let packets = three(Packet::tcp4());
    let header = 20 + 20 + 12;
    let exact = GroConfig { max_size: header + 2 * 333 + 332, ..GroConfig::default() };
    let out = assert_same_wherever_cut(exact, &packets, 9);
    assert_eq!((out.len(), out[0].ip_len), (1, exact.max_size as usize));
    let less = GroConfig { max_size: exact.max_size - 1, ..exact };
    let out = assert_same_wherever_cut(less, &packets, 9);
    assert_eq!(out.iter().map(|out| out.packets.len()).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(out[0].reason, FlushReason::MaxSize);
}

#[test]
fn max_segments_counts_pieces() {
    let config = GroConfig { max_segments: 6, ..GroConfig::default() };
    let first = Packet::tcp4();
    let mut row = vec![first];
    for _ in 1..6 {
        row.push(row[row.len() - 1].next());
    }
    let lengths = |pieces: &[usize]| {
        let cut: Vec<_> = row
            .iter()
            .zip(pieces)
            .map(|(packet, pieces)| Cut::at(&packet.build(), &[70, 80, 90, 100, 110][..pieces - 1]))
            .collect();
        let out = coalesce(config, &cut);
        let counts: Vec<_> = out.iter().map(|out| out.packets.len()).collect();
        (counts, out[0].reason)
    };
    assert_eq!(lengths(&[1; 6]), (vec![6], FlushReason::MaxSegments));
    assert_eq!(lengths(&[3; 6]), (vec![2, 2, 2], FlushReason::MaxSegments));
    // The next packet would have as many pieces as the last one: it goes before that one comes.
    assert_eq!(lengths(&[4; 6]), (vec![1; 6], FlushReason::MaxSegments));
    assert_eq!(lengths(&[1, 1, 1, 1, 3]), (vec![4, 1], FlushReason::MaxSegments));
    assert_eq!(lengths(&[6, 1, 1]), (vec![1, 2], FlushReason::MaxSegments));
}

/// All headers have to stand in the first piece: a packet whose headers do not takes no part, and is
/// passed on with every byte it had.
#[test]
fn g6_a_packet_whose_headers_are_cut_takes_no_part() {
    for packet in [Packet::tcp4(), Packet::tcp6()] {
        let bytes = packet.build();
        let header = bytes.len() - packet.payload.len();
        for place in 0..header {
            let out = coalesce(GroConfig::default(), &[Cut::at(&bytes, &[place])]);
            assert_eq!(out.len(), 1);
            assert!(
                matches!(
                    out[0].reason,
                    FlushReason::NotMergeable | FlushReason::BadLength | FlushReason::BadIpChecksum
                ),
                "cut at {place}: {:?}",
                out[0].reason
            );
            let all = bytes.ends_with(&out[0].partial) && out[0].partial.len() >= bytes.len() - 14;
            assert!(all, "cut at {place}: {} bytes go on", out[0].partial.len());
            assert_eq!(out[0].packets, [&bytes[..]]);
        }
    }
}

/// Where the headers of a packet end at the latest, whatever they say.
fn headers_end(bytes: &[u8]) -> usize {
    const LARGEST_TCP_HEADER: usize = 60;
    let Ok(outer) = Headers::parse(bytes, Link::Ethernet) else { return bytes.len() };
    let innermost = match Tunnel::find(bytes, &outer, &TunnelPorts::default()) {
        None => outer,
        Some(Ok(tunnel)) => tunnel.inner,
        Some(Err(_)) => return bytes.len(),
    };
    usize::from(innermost.transport) + LARGEST_TCP_HEADER
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..<_>::default() })]

    /// Whatever arrives, cut anywhere behind its headers, comes out as if it had not been cut.
    #[test]
    fn g23_g29_g30_any_stream_in_pieces_comes_out_as_in_one(
        plan in proptest::collection::vec(any::<u8>(), 0..400),
        cuts in proptest::collection::vec((0_usize..1600, 0_usize..600), 1..20),
        partial in any::<bool>(),
    ) {
        let rx_checksum = if partial { RxChecksum::Partial } else { RxChecksum::Verify };
        // As many pieces as there can be: the limit is another test's.
        let config = GroConfig { rx_checksum, max_segments: 1024, ..GroConfig::default() };
        let arrivals: Vec<_> = stream(&plan, partial)
            .into_iter()
            .filter_map(|event| match event {
                Event::Packet(bytes) => Some(bytes),
                Event::EndOfBurst(_) => None,
            })
            .collect();
        let whole: Vec<_> = arrivals.iter().map(|bytes| Cut::at(bytes, &[])).collect();
        let cut: Vec<_> = arrivals
            .iter()
            .zip(cuts.iter().cycle())
            .map(|(bytes, (place, gap))| {
                let place = headers_end(bytes) + place;
                Cut::at(bytes, &[place, place + gap])
            })
            .collect();
        prop_assert_eq!(coalesce(config, &cut), coalesce(config, &whole));
    }
}
