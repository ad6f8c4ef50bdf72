//! What a packet's own bytes say, before any train is looked at.

#[cfg(feature = "alloc")]
use super::{
    GroConfig, GsoType,
    train::{Checksum, Layout, Shape},
};
use crate::wire::{Bytes, ipv6};
#[cfg(feature = "alloc")]
use crate::wire::{Headers, tcp};

/// Length of the IP packet at `network` as its header has it, `None` where the header is cut short.
#[inline]
pub(super) fn ip_len(packet: &[u8], network: usize) -> Option<usize> {
    match packet.byte(network)? >> 4 {
        6 => Some(usize::from(packet.be16(network + 4)?) + ipv6::HEADER_LEN),
        _ => packet.be16(network + 2).map(usize::from),
    }
}

/// The shape of a packet that goes on as it came.
#[cfg(feature = "alloc")]
pub(super) fn shape_of_one(packet: &[u8], config: &GroConfig) -> Shape {
    let mut shape = Shape {
        layout: Layout::default(),
        protocol: None,
        ip_len: packet.len() as u32,
        gso_size: 0,
        gso_segs: 1,
        gso_type: GsoType::NONE,
        flags: tcp::Flags::default(),
        checksum: Checksum::Unknown,
    };
    if let Ok(headers) = Headers::parse(packet, config.link) {
        let present = packet.len() - usize::from(headers.network);
        let network = headers.network;
        shape.protocol = Some(headers.protocol);
        shape.layout = Layout { network, transport: headers.transport, payload: network };
        shape.ip_len =
            ip_len(packet, network.into()).filter(|len| *len <= present).unwrap_or(present) as u32;
    }
    shape
}
