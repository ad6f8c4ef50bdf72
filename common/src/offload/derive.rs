//! The derived header (G27, G28): the first packet's, with the lengths, flags and checksums of the
//! whole. `out` holds the first packet's header from byte `start` of the packet on.

use super::template::{Outer, OuterPlace};
use super::train::{Shape, checksum_offset};
use crate::checksum::{Sum, pseudo_header, sum};
use crate::wire::{Addresses, Headers, Link, Protocol, ipv4, ipv6, tcp, udp};

/// G27: lengths, header checksum and flags of the whole.
pub(super) fn lengths_and_flags(out: &mut [u8], start: usize, shape: &Shape) {
    let (network, transport) = offsets(start, shape);
    if let Some(mut packet) = ipv6_packet(&mut out[network..]) {
        packet.set_payload_len((shape.inner_ip_len() - ipv6::HEADER_LEN) as u16);
    } else if let Some(mut packet) = ipv4::Packet::new(&mut out[network..transport]) {
        packet.set_total_len(shape.inner_ip_len() as u16);
        packet.set_checksum(0);
        let checksum = sum(&out[network..transport]).checksum();
        out[network + 10..network + 12].copy_from_slice(&checksum.to_be_bytes());
    }
    let header = &mut out[transport..];
    if shape.protocol == Some(Protocol::UDP) {
        if let Some(mut datagram) = udp::Datagram::new(header) {
            datagram.set_len((shape.inner_ip_len() - (transport - network)) as u16);
        }
    } else if let Some(mut segment) = tcp::Segment::new(header) {
        segment.set_flags(shape.flags);
    }
}

/// Profile `lro`: acknowledgement number, window and options are the `last` packet's, whose headers stand where
/// the first one's do.
pub(super) fn last_says(out: &mut [u8], start: usize, shape: &Shape, last: &[u8]) {
    let (_, transport) = offsets(start, shape);
    if shape.protocol != Some(Protocol::TCP) {
        return;
    }
    for field in [8..12, 14..16, tcp::HEADER_LEN..out.len() - transport] {
        let from = transport + start + field.start..transport + start + field.end;
        if let Some(bytes) = last.get(from) {
            out[transport + field.start..transport + field.end].copy_from_slice(bytes);
        }
    }
}

/// G28: the folded pseudo-header sum, not inverted, for whoever completes it.
pub(super) fn partial_checksum(out: &mut [u8], start: usize, shape: &Shape) {
    let folded = pseudo_sum(out, start, shape).folded();
    put_checksum(out, start, shape, folded);
}

/// G28: the checksum of the whole.
pub(super) fn full_checksum<'a>(
    out: &mut [u8],
    start: usize,
    shape: &Shape,
    payloads: impl Iterator<Item = &'a [u8]>,
) {
    let (_, transport) = offsets(start, shape);
    put_checksum(out, start, shape, 0);
    let mut total = pseudo_sum(out, start, shape) + sum(&out[transport..]);
    let mut before = 0;
    for payload in payloads {
        total = total.then(sum(payload), before);
        before += payload.len();
    }
    put_checksum(out, start, shape, completed(total, shape.protocol));
}

/// S9: the transport checksum over `total`. A UDP checksum of 0 would say that there is none.
pub(super) fn completed(total: Sum, protocol: Option<Protocol>) -> u16 {
    match (total.checksum(), protocol) {
        (0, Some(Protocol::UDP)) => 0xffff,
        (checksum, _) => checksum,
    }
}

/// G27, G28: lengths, header checksum and outer checksum of what stands around the whole, whose inner headers
/// are written. The outer checksum is that of the packet with its inner checksum completed.
pub(super) fn outer_headers(out: &mut [u8], start: usize, shape: &Shape) {
    let Some(outer) = shape.layout.outer else { return };
    let at = |offset: u16| usize::from(offset) - start;
    let place = OuterPlace {
        kind: outer.kind,
        network: at(outer.network),
        transport: at(outer.transport),
        inner_transport: at(shape.layout.transport),
    };
    let len = place.network + shape.ip_len as usize;
    let pseudo_sum = pseudo_sum(out, start, shape);
    let addresses = addresses(&out[place.network..]);
    Outer::new(out, place, &addresses).write(0, len, pseudo_sum, out);
}

fn pseudo_sum(out: &[u8], start: usize, shape: &Shape) -> Sum {
    let (network, transport) = offsets(start, shape);
    let len = shape.inner_ip_len() - (transport - network);
    let addresses = addresses(&out[network..]);
    pseudo_header(&addresses, shape.protocol.unwrap_or(Protocol::TCP), len as u16)
}

/// Of the IP packet that begins with `bytes`.
fn addresses(bytes: &[u8]) -> Addresses {
    Headers::parse(bytes, Link::None)
        .map_or(Addresses::V4 { src: [0; 4], dst: [0; 4] }, |headers| headers.addresses)
}

fn put_checksum(out: &mut [u8], start: usize, shape: &Shape, checksum: u16) {
    let at = offsets(start, shape).1 + checksum_offset(shape.protocol);
    out[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
}

fn offsets(start: usize, shape: &Shape) -> (usize, usize) {
    (usize::from(shape.layout.network) - start, usize::from(shape.layout.transport) - start)
}

fn ipv6_packet(bytes: &mut [u8]) -> Option<ipv6::Packet<&mut [u8]>> {
    (bytes.first()? >> 4 == 6).then(|| ipv6::Packet::new(bytes)).flatten()
}
