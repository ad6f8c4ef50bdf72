//! The same stream of bytes in other segments, and back again.

use proptest::prelude::*;
use sluice_common::checksum::naive;
use sluice_common::testing::Packet;
use sluice_common::wire::tcp::Flags;
use sluice_common::wire::{Headers, Link};

use crate::train::{
    all_kinds, config, left_partial, parse_all, partial, payload, row, segments, train_of,
    write_all,
};

/// Whether IP and TCP checksum hold, by the naive sum.
fn checksums_hold(segment: &[u8]) -> bool {
    let headers = Headers::parse(segment, Link::Ethernet).unwrap();
    let (network, transport) = (usize::from(headers.network), usize::from(headers.transport));
    let is_ipv6 = headers.is_ipv6();
    let addresses = if is_ipv6 { network + 8..network + 40 } else { network + 12..network + 20 };
    let len = ((segment.len() - transport) as u16).to_be_bytes();
    let pseudo = [&segment[addresses], &[0, 6][..], &len].concat();
    let total = naive(&pseudo) + naive(&segment[transport..]);
    let ip = naive(&segment[network..transport]).folded();
    total.folded() == 0xffff && (is_ipv6 || ip == 0xffff)
}

#[test]
fn s2_s4_s6_s9_g30_to_another_size_and_back_gives_the_packets_back() {
    for first in all_kinds() {
        let packets = row(&first, 1448, 44 * 1448 + 77);
        let came: Vec<_> = packets.iter().map(Packet::build).collect();
        let jumbo = segments(&packets, 8948);
        assert_eq!(jumbo.len(), 8);
        let back = train_of(config(), jumbo);
        assert_eq!(write_all(back.cut(1448).unwrap()), came);
    }
}

/// One jumbo packet after the other is cut as it comes.
#[test]
fn s2_s4_jumbo_packets_one_by_one_are_the_same_stream_as_the_whole() {
    for first in all_kinds() {
        let packets = row(&first, 8948, 5 * 8948);
        let one_by_one: Vec<_> = packets
            .iter()
            .flat_map(|packet| segments(std::slice::from_ref(packet), 1448))
            .collect();
        let parsed = parse_all(&one_by_one);
        let stream: Vec<u8> = parsed.iter().flat_map(|one| one.payload.clone()).collect();
        assert_eq!(stream, payload(5 * 8948));
        let mut seq = first.seq;
        for one in parsed {
            assert_eq!(one.tcp.sequence_number, seq);
            seq = seq.wrapping_add(one.payload.len() as u32);
        }
    }
}

#[test]
fn s2_ethernet_padding_is_no_payload() {
    let mut first = Packet { options: Vec::new(), ..Packet::tcp4() };
    first.padding = 2;
    let packets = row(&first, 4, 12);
    assert_eq!(packets[0].build().len(), 60);
    let parsed = parse_all(&segments(&packets, 5));
    let parts: Vec<_> = parsed.iter().map(|one| &one.payload[..]).collect();
    assert_eq!(parts, payload(12).chunks(5).collect::<Vec<_>>());
    let one = Packet { padding: 6, ..first }.with_payload(b"");
    let unpadded = Packet { padding: 0, ..one.clone() };
    assert_eq!(segments(&[one], 5), [unpadded.build()], "nor alone");
}

#[derive(Clone, Debug)]
struct Plan {
    packets: Vec<Packet>,
    size: usize,
    partial: bool,
}

fn plan() -> impl Strategy<Value = Plan> {
    let kind = prop::sample::select(all_kinds().to_vec());
    let fields = (any::<u32>(), any::<u16>(), any::<bool>(), any::<bool>(), any::<bool>());
    let lens = (1_usize..1500, 1_usize..20_000, 1_usize..9000);
    (kind, fields, lens).prop_map(|(first, (seq, id, fixed, fin, partial), (own, len, size))| {
        let mut packets = row(&Packet { seq, id, ..first }, own, len.min(own * 100));
        if fixed {
            packets.iter_mut().for_each(|packet| packet.id = id);
        }
        if let (true, Some(last)) = (fin, packets.last_mut()) {
            last.flags = last.flags.with(Flags::FIN);
        }
        Plan { packets, size, partial }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..<_>::default() })]

    #[test]
    fn s2_s4_s5_s6_s8_s9_cutting_and_coalescing_gives_the_same_stream(plan in plan()) {
        let Plan { packets, size, partial: is_partial } = plan;
        let came = if is_partial { left_partial(&packets) } else { packets.clone() };
        let expects = if is_partial { partial() } else { config() };
        let train = train_of(expects, came.iter().map(Packet::build));
        let sent = write_all(train.cut(size).unwrap());
        let stream: Vec<u8> = packets.iter().flat_map(|packet| packet.payload.clone()).collect();

        prop_assert_eq!(sent.len(), stream.len().div_ceil(size));
        let parsed = parse_all(&sent);
        let (last, full) = parsed.split_last().unwrap();
        prop_assert!(full.iter().all(|one| one.payload.len() == size && !one.tcp.psh && !one.tcp.fin));
        let closes = packets.last().unwrap().flags;
        prop_assert_eq!((last.tcp.psh, last.tcp.fin), (true, closes.intersects(Flags::FIN)));
        let mut seq = packets[0].seq;
        for one in &parsed {
            prop_assert_eq!(one.tcp.sequence_number, seq);
            seq = seq.wrapping_add(one.payload.len() as u32);
        }
        prop_assert!(sent.iter().all(|segment| checksums_hold(segment)));

        let again = train_of(config(), sent);
        let again: Vec<u8> = again.payloads().flatten().copied().collect();
        prop_assert_eq!(again, stream);
    }
}
