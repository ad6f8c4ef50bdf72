//! Bodies of fuzz targets: what must hold whatever the bytes are.

use alloc::vec;
use alloc::vec::Vec;

use super::round_trip::checksums_hold;
use super::{Event, round_trip};
use crate::offload::{ChecksumMode, GroConfig, GsoType, Limits, Segmenter, VnetHeader};
use crate::wire::{Fragment, Headers, Link, Tunnel, TunnelPorts, vlan};

/// Parses `data` with and without a link header, and coalesces it as the only packet.
///
/// # Panics
/// If the parser points outside the packet, looks further than the ports, or disagrees with itself
/// about the same packet without its link header; or if the packet does not come out again.
pub fn parse_any(data: &[u8]) {
    for link in [Link::Ethernet, Link::None] {
        if let Ok(headers) = Headers::parse(data, link) {
            check_headers(data, link, &headers);
        }
        let event = Event::Packet(data.to_vec());
        round_trip(&[event], GroConfig { link, ..GroConfig::default() });
    }
}

fn check_headers(data: &[u8], link: Link, headers: &Headers) {
    check_alone(data, headers);
    if headers.ports.is_some() {
        let end = usize::from(headers.transport) + 4;
        assert_eq!(Headers::parse(&data[..end], link).as_ref(), Ok(headers));
    }
    if let Some(Ok(tunnel)) = Tunnel::find(data, headers, &TunnelPorts::default()) {
        let offsets = [headers.transport, tunnel.header, tunnel.payload, tunnel.inner.network];
        assert!(offsets.is_sorted());
        check_alone(data, &tunnel.inner);
    }
}

/// What is said of the packet at `headers.network` is true, and is said of it alone as well.
fn check_alone(data: &[u8], headers: &Headers) {
    let (network, transport) = (usize::from(headers.network), usize::from(headers.transport));
    assert!(network <= data.len() && network < transport);
    if headers.fragment == Fragment::Later {
        assert_eq!(headers.ports, None);
    }
    if let Some(ports) = headers.ports {
        let bytes = [ports.src, ports.dst].map(u16::to_be_bytes);
        assert_eq!(data[transport..transport + 4], *bytes.as_flattened());
    }
    let alone = Headers {
        vlan: vlan::Tags::default(),
        network: 0,
        transport: headers.transport - headers.network,
        ..*headers
    };
    assert_eq!(Headers::parse(&data[network..], Link::None), Ok(alone));
}

/// Segments what stands behind a vnet header in `data` for an Ethernet's MTU: TCP, datagrams, fragments, and
/// what is inside a tunnel.
///
/// # Panics
/// If a segment is longer than the MTU or than it says, bytes are lost, added or changed, or one that was
/// cut is no sound packet.
pub fn segment_any(data: &[u8]) {
    let Some((vnet, packet)) = data.split_first_chunk::<{ VnetHeader::LEN }>() else { return };
    let Some(vnet) = VnetHeader::parse(vnet) else { return };
    let limits = Limits { mtu: MTU, fragment_id: Some(0x0102_0304) };
    let ports = TunnelPorts::default();
    let Ok(segmenter) = Segmenter::encapsulated(packet, &vnet, &ports, limits) else { return };
    let mut payload = Vec::new();
    for i in 0..segmenter.count() {
        let segment = write(&segmenter, i);
        payload.extend(segmenter.payload(i));
        if segmenter.count() > 1 {
            check_cut(&segment, &vnet);
        }
    }
    assert!(packet.ends_with(&payload));
    assert_eq!(payload.len() + segmenter.header_len() - added(&segmenter, &vnet), packet.len());
}

/// The longest wire packet, from its IP header on.
const MTU: usize = 1500;

/// Wire packet `i`, as a whole and in two parts.
fn write(segmenter: &Segmenter<'_>, i: usize) -> Vec<u8> {
    let len = segmenter.segment_len(i);
    assert!((1..=MTU).contains(&len));
    let mut out = vec![0; len];
    assert_eq!(segmenter.write(i, &mut out), len);
    let mut header = vec![0; segmenter.header_len()];
    let header_len = segmenter.write_header(i, &mut header, ChecksumMode::Full);
    assert_eq!([&header[..header_len], segmenter.payload(i)].concat(), out);
    out
}

/// A packet that was cut is as long as it says, and its checksums hold; those of a fragment are the
/// datagram's.
fn check_cut(segment: &[u8], vnet: &VnetHeader) {
    let field = |at: usize| usize::from(u16::from_be_bytes([segment[at], segment[at + 1]]));
    let len = if segment[0] >> 4 == 6 { 40 + field(4) } else { field(2) };
    assert_eq!(len, segment.len());
    let is_fragment = matches!(GsoType(vnet.gso_type.into()), GsoType::NONE | GsoType::UDP);
    assert!(is_fragment || checksums_hold(segment, &GroConfig::default()));
}

/// Bytes a fragment has that its datagram has not: IPv6's Fragment header.
fn added(segmenter: &Segmenter<'_>, vnet: &VnetHeader) -> usize {
    let is_fragment = matches!(GsoType(vnet.gso_type.into()), GsoType::NONE | GsoType::UDP);
    let is_cut = segmenter.count() > 1;
    if is_fragment && is_cut && segmenter.headers().is_ipv6() { 8 } else { 0 }
}
