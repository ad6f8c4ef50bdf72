//! `--write`: the super-packets, read back by another implementation.

use std::fs;

use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use pcap_file::pcapng::blocks::enhanced_packet::EnhancedPacketOption;
use pcap_file::pcapng::{Block, PcapNgReader};
use proptest::prelude::*;
use sluice_common::checksum::naive;
use sluice_common::offload::{Coalescer, GroConfig, Train};
use sluice_common::reason::FlushReason;
use sluice_common::testing::{Event, Packet, stream};
use sluice_common::wire::{Headers, Link, Protocol, tcp::Flags};

use super::captures::{Folder, Pcap};

/// A packet of the written capture.
struct Written {
    bytes: Vec<u8>,
    len: usize,
    comment: String,
}

fn written(folder: &Folder, options: &[&str]) -> Vec<Written> {
    let out = folder.path("out.pcapng");
    folder.text(&[&["--write", out.to_str().unwrap()], options].concat());
    read_back(&fs::read(out).unwrap())
}

fn read_back(file: &[u8]) -> Vec<Written> {
    let mut reader = PcapNgReader::new(file).unwrap();
    let mut packets = Vec::new();
    while let Some(block) = reader.next_block() {
        let Block::EnhancedPacket(packet) = block.unwrap() else { continue };
        let EnhancedPacketOption::Comment(comment) = &packet.options[0] else {
            panic!("no comment: {:?}", packet.options)
        };
        packets.push(Written {
            bytes: packet.data.to_vec(),
            len: packet.original_len as usize,
            comment: comment.to_string(),
        });
    }
    packets
}

/// Both checksums, by an independent parser. Returns the payload.
fn checked_payload(packet: &[u8]) -> Vec<u8> {
    let sliced = SlicedPacket::from_ethernet(packet).unwrap();
    let Some(TransportSlice::Tcp(tcp)) = sliced.transport else { panic!("not TCP") };
    let sum = match sliced.net.unwrap() {
        NetSlice::Ipv4(ip) => {
            let header = ip.header().to_header();
            assert_eq!(header.calc_header_checksum(), header.header_checksum);
            tcp.calc_checksum_ipv4(header.source, header.destination)
        }
        NetSlice::Ipv6(ip) => {
            let header = ip.header();
            tcp.calc_checksum_ipv6(header.source(), header.destination())
        }
        NetSlice::Arp(_) => panic!("ARP"),
    };
    assert_eq!(sum.unwrap(), tcp.checksum());
    tcp.payload().to_vec()
}

fn numbered_payload(count: u8) -> Vec<(u64, Vec<u8>)> {
    let mut packet = Packet::tcp4();
    let mut packets = Vec::new();
    for n in 0..count {
        packet.payload = vec![n; if n + 1 == count { 33 } else { 100 }];
        packet.flags = if n + 1 == count { Flags::ACK.with(Flags::PSH) } else { Flags::ACK };
        packets.push((u64::from(n) * 1_000, packet.build()));
        packet = packet.next();
    }
    packets
}

#[test]
fn g27_g28_a_train_is_written_with_full_checksums_and_its_gso_fields() {
    let folder = Folder::with(&Pcap::default().file(&numbered_payload(4)));
    let packets = written(&folder, &[]);
    assert_eq!(packets.len(), 1);
    let whole: Vec<u8> = [vec![0; 100], vec![1; 100], vec![2; 100], vec![3; 33]].concat();
    assert_eq!(checked_payload(&packets[0].bytes), whole);
    assert_eq!(
        packets[0].comment,
        "packets=1-4 gso_size=100 gso_segs=4 gso_type=tcpv4 \
         released=push (G21: a packet with PSH closed the train)"
    );
}

#[test]
fn g29_what_goes_alone_is_written_as_it_came() {
    let ack = Packet { padding: 6, options: vec![], ..Packet::tcp4().with_payload(&[]) };
    let folder = Folder::with(&Pcap::default().file(&[(0, ack.build())]));
    let packets = written(&folder, &[]);
    assert_eq!(packets[0].bytes, ack.build());
    assert!(
        packets[0].comment.contains("gso_type=none released=no_payload ("),
        "{}",
        packets[0].comment
    );
}

#[test]
fn a_train_of_packets_that_were_cut_short_is_written_as_far_as_it_is_known() {
    let folder = Folder::with(&Pcap { snaplen: 80, ..Pcap::default() }.file(&numbered_payload(3)));
    let packets = written(&folder, &[]);
    assert_eq!((packets.len(), packets[0].bytes.len()), (1, 80));
    assert_eq!(packets[0].len, 14 + 20 + 32 + 233);
}

#[test]
fn a_cooked_capture_keeps_its_header() {
    let header = [0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0];
    let packets = numbered_payload(2).into_iter();
    let cooked: Vec<_> =
        packets.map(|(time, bytes)| (time, [&header[..], &bytes[14..]].concat())).collect();
    let folder = Folder::with(&Pcap { link_type: 113, ..Pcap::default() }.file(&cooked));
    let packets = written(&folder, &[]);
    assert_eq!(packets[0].bytes[..16], header);
    let sliced = SlicedPacket::from_ip(&packets[0].bytes[16..]).unwrap();
    assert!(
        matches!(sliced.transport, Some(TransportSlice::Tcp(tcp)) if tcp.payload().len() == 133)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Every super-packet that is written is sound, and all payload is in it, in order.
    #[test]
    fn g27_g28_every_super_packet_that_is_written_is_sound(
        plan in prop::collection::vec(any::<u8>(), 0..800),
    ) {
        let events = stream(&plan, false).into_iter();
        let packets: Vec<_> = events
            .filter_map(|event| match event {
                Event::Packet(bytes) => Some((0, bytes)),
                Event::EndOfBurst(_) => None,
            })
            .collect();
        let folder = Folder::with(&Pcap::default().file(&packets));
        for one in written(&folder, &["--summary"]) {
            let numbers = one.comment.split_once("packets=").unwrap().1.split(' ').next().unwrap();
            if !numbers.contains(['-', ',']) {
                let number: usize = numbers.parse().unwrap();
                prop_assert_eq!(&one.bytes, &packets[number - 1].1);
                continue;
            }
            let payload: Vec<u8> = members(numbers)
                .flat_map(|number| transport_payload(&packets[number - 1].1))
                .collect();
            if ["tunnel", "gre", "ipxip"].iter().any(|kind| one.comment.contains(kind)) {
                prop_assert!(may_take_part(&one.bytes), "{}", one.comment);
                continue;
            }
            prop_assert!(checksums_hold(&one.bytes), "{}", one.comment);
            prop_assert_eq!(transport_payload(&one.bytes), payload);
        }
    }
}

/// Whether the engine finds nothing wrong with a packet: headers, lengths and checksums, of a tunnel too.
fn may_take_part(packet: &[u8]) -> bool {
    let mut coalescer = Coalescer::new(GroConfig::default());
    let mut reasons = Vec::new();
    let mut note = |_: Train<Vec<u8>>, reason| reasons.push(reason);
    coalescer.push(packet.to_vec(), 0, &mut note);
    coalescer.end_of_burst(0, &mut note);
    let closed = [FlushReason::EndOfBurst, FlushReason::Push, FlushReason::Fin];
    closed.contains(&reasons[0])
}

/// `3-5,9` → 3, 4, 5, 9.
fn members(numbers: &str) -> impl Iterator<Item = usize> + '_ {
    numbers.split(',').flat_map(|run| {
        let (first, last) = run.split_once('-').unwrap_or((run, run));
        first.parse().unwrap()..=last.parse().unwrap()
    })
}

/// Both checksums, summed in the plainest way: the streams have headers that other parsers refuse.
fn checksums_hold(packet: &[u8]) -> bool {
    let headers = Headers::parse(packet, Link::Ethernet).unwrap();
    let ip = &packet[headers.network.into()..];
    let transport = usize::from(headers.transport - headers.network);
    let addresses = if headers.is_ipv6() { 8..40 } else { 12..20 };
    let len = (ip.len() - transport) as u16;
    let pseudo = [&ip[addresses], &[0, headers.protocol.0], &len.to_be_bytes()].concat();
    let ip_holds = headers.is_ipv6() || naive(&ip[..transport]).folded() == 0xffff;
    ip_holds && naive(&[&pseudo, &ip[transport..]].concat()).folded() == 0xffff
}

fn transport_payload(packet: &[u8]) -> Vec<u8> {
    let headers = Headers::parse(packet, Link::Ethernet).unwrap();
    let transport = usize::from(headers.transport);
    let header = match headers.protocol {
        Protocol::UDP => 8,
        _ => usize::from(packet[transport + 12] >> 4) * 4,
    };
    let network = usize::from(headers.network);
    let word = |at: usize| usize::from(u16::from_be_bytes([packet[at], packet[at + 1]]));
    let end = network + if headers.is_ipv6() { 40 + word(network + 4) } else { word(network + 2) };
    packet[transport + header..end].to_vec()
}
