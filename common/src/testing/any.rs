//! Bodies of fuzz targets: what must hold whatever the bytes are.

use alloc::vec;

use super::{Event, round_trip};
use crate::offload::{GroConfig, Segmenter, VnetHeader};
use crate::wire::{Fragment, Headers, Link, vlan};

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
    let (network, transport) = (usize::from(headers.network), usize::from(headers.transport));
    assert!(network <= data.len() && network < transport);
    if headers.fragment == Fragment::Later {
        assert_eq!(headers.ports, None);
    }
    if let Some(ports) = headers.ports {
        let bytes = [ports.src, ports.dst].map(u16::to_be_bytes);
        assert_eq!(data[transport..transport + 4], *bytes.as_flattened());
        assert_eq!(Headers::parse(&data[..transport + 4], link).as_ref(), Ok(headers));
    }
    let alone = Headers {
        vlan: vlan::Tags::default(),
        network: 0,
        transport: headers.transport - headers.network,
        ..*headers
    };
    assert_eq!(Headers::parse(&data[network..], Link::None), Ok(alone));
}

/// Segments what stands behind a vnet header in `data` for an Ethernet's MTU.
///
/// # Panics
/// If a segment is longer than the MTU or than it says, or bytes are lost or added.
pub fn segment_any(data: &[u8]) {
    const MTU: usize = 1500;
    let Some((vnet, packet)) = data.split_first_chunk::<{ VnetHeader::LEN }>() else { return };
    let Some(vnet) = VnetHeader::parse(vnet) else { return };
    let Ok(segmenter) = Segmenter::new(packet, &vnet, MTU) else { return };
    let mut total = 0;
    for i in 0..segmenter.count() {
        let len = segmenter.segment_len(i);
        assert!((1..=MTU).contains(&len));
        let mut out = vec![0; len];
        assert_eq!(segmenter.write(i, &mut out), len);
        assert!(out.ends_with(segmenter.payload(i)));
        total += segmenter.payload(i).len();
    }
    assert_eq!(total + segmenter.header_len(), packet.len());
}
