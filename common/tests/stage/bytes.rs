//! What a packet's bytes say, in the plainest words, and packets to ask.

use std::net::IpAddr;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use sluice_common::Side;
use sluice_common::checksum::{Sum, naive};
use sluice_common::stage::{Seen, Stage, Verdict};
use sluice_common::testing::{Field as Value, Packet};
use sluice_common::wire::{EtherType, Headers, Link, Protocol};

/// The headers of an Ethernet frame.
pub(crate) fn parse(bytes: &[u8]) -> Headers {
    Headers::parse(bytes, Link::Ethernet).expect("an IP packet")
}

/// What `stage` says of this packet as a train of one.
pub(crate) fn judge(stage: &mut impl Stage, side: Side, bytes: &[u8]) -> Verdict {
    let headers = parse(bytes);
    let ip_len = bytes.len() - usize::from(headers.network);
    let (gso_size, gso_segs, partial) = (0, 1, false);
    stage.judge(&Seen { side, headers, head: bytes, ip_len, gso_size, gso_segs, partial })
}

/// The sum of an IPv4 header; 0xFFFF if its checksum holds.
pub(crate) fn sum_of_ipv4(bytes: &[u8], headers: &Headers) -> u16 {
    naive(&bytes[headers.network.into()..headers.transport.into()]).folded()
}

/// The sum of everything a transport checksum covers, and of the checksum; 0xFFFF if it holds.
pub(crate) fn sum_of_transport(packet: &Packet, bytes: &[u8], headers: &Headers) -> u16 {
    let transport = &bytes[headers.transport.into()..bytes.len() - packet.padding];
    (pseudo_header(bytes, headers, transport.len()) + naive(transport)).folded()
}

/// The sum of the pseudo header of a transport packet of `len` bytes.
pub(crate) fn pseudo_header(bytes: &[u8], headers: &Headers, len: usize) -> Sum {
    let network = usize::from(headers.network);
    let addresses = if headers.is_ipv6() { 8..40 } else { 12..20 };
    naive(&bytes[network + addresses.start..network + addresses.end])
        + Sum::of(headers.protocol.0.into())
        + Sum::of(len as u16)
}

/// What a transport checksum field holds.
pub(crate) fn field(bytes: &[u8], headers: &Headers) -> u16 {
    let at =
        usize::from(headers.transport) + if headers.protocol == Protocol::UDP { 6 } else { 16 };
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// Some address of this family; those whose sum is 0 or all ones among them.
pub(crate) fn address(is_ipv6: bool) -> BoxedStrategy<IpAddr> {
    match is_ipv6 {
        true => prop_oneof![any::<[u8; 16]>(), Just([0; 16]), Just([0xff; 16])]
            .prop_map(IpAddr::from)
            .boxed(),
        false => prop_oneof![any::<[u8; 4]>(), Just([0; 4]), Just([0xff; 4])]
            .prop_map(IpAddr::from)
            .boxed(),
    }
}

/// Some port, the ends of the range among them.
pub(crate) fn port() -> impl Strategy<Value = u16> {
    prop_oneof![any::<u16>(), Just(0), Just(0xffff)]
}

/// A packet of TCP or UDP with up to two tags and any checksum but a partial one.
pub(crate) fn packet() -> impl Strategy<Value = Packet> {
    any::<bool>().prop_flat_map(|is_ipv6| {
        let fields = (
            [address(is_ipv6), address(is_ipv6)],
            [port(), port()],
            select(vec![Protocol::TCP, Protocol::UDP]),
            vec((select(vec![EtherType::VLAN, EtherType::QINQ]), any::<u16>()), 0..=2),
            [any_checksum(), any_checksum()],
            vec(any::<u8>(), 0..40),
            0_usize..6,
            any::<bool>(),
        );
        fields.prop_map(made)
    })
}

fn any_checksum() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => Just(Value::Right),
        1 => Just(Value::Wrong),
        1 => select(vec![0, 0xffff]).prop_map(Value::Is),
    ]
}

type Fields =
    ([IpAddr; 2], [u16; 2], Protocol, Vec<(EtherType, u16)>, [Value; 2], Vec<u8>, usize, bool);

fn made(fields: Fields) -> Packet {
    let ([src, dst], ports, protocol, tags, checksums, payload, padding, more) = fields;
    let [src_port, dst_port] = ports;
    let [ip_checksum, checksum] = checksums;
    let mut packet = Packet { src, dst, src_port, dst_port, protocol, tags, ..Packet::tcp4() };
    if more {
        packet.ip_options = vec![1; 8];
        packet.extensions = vec![(Protocol::HOP_BY_HOP, vec![0; 8])];
    }
    Packet { ip_checksum, checksum, payload, padding, ..packet }
}
