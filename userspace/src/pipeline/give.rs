//! Packets for a port that takes super-packets: one vectored write, nothing copied but the header.

use std::io::IoSlice;

use arrayvec::ArrayVec;
use sluice_common::offload::{Buffer, ChecksumMode, Train, VnetHeader};
use sluice_common::wire::Link;

use crate::port::{Sent, SuperPort};
use crate::xsk::{FRAME_SIZE, Frame, Packet};

/// Most slices of one write: a header and 255 pieces of packets. A super-packet of 64 KiB with the smallest
/// segment size a sane peer negotiates (536) has 122; each costs 16 bytes of stack.
pub(super) const SLICES: usize = 256;

/// Where a vnet header and the headers of a train are made.
#[derive(Debug)]
pub(super) struct Head(Box<[u8]>);

impl Default for Head {
    fn default() -> Self {
        Self(vec![0; VnetHeader::LEN + FRAME_SIZE].into())
    }
}

impl Head {
    /// A vnet header and what `write` puts behind it, which is as long as it returns.
    fn made(&mut self, vnet: VnetHeader, write: impl FnOnce(&mut [u8]) -> usize) -> &[u8] {
        let (place, packet) = self.0.split_at_mut(VnetHeader::LEN);
        place.copy_from_slice(&vnet.to_bytes());
        let len = write(packet);
        &self.0[..VnetHeader::LEN + len]
    }
}

/// A train for a port that is to cut it to segments of `size`, link header included.
pub(super) fn uncut(
    port: &mut impl SuperPort,
    head: &mut Head,
    train: &Train<Frame<'_, Packet>>,
    size: u16,
) -> Sent {
    let vnet = train.vnet_header_at(size).behind(link_len(train, Link::Ethernet));
    let head = head.made(vnet, |packet| train.write_uncut_header(packet, Link::Ethernet));
    gather(port, head, train.payloads())
}

/// A train as a super-packet: vnet header and derived header from `head`, the payloads from where they lie.
pub(super) fn whole(
    port: &mut impl SuperPort,
    head: &mut Head,
    train: &Train<Frame<'_, Packet>>,
    link: Link,
) -> Sent {
    let vnet = train.vnet_header().behind(link_len(train, link));
    let head = head.made(vnet, |packet| train.write_header(packet, link, ChecksumMode::Partial));
    gather(port, head, train.payloads())
}

/// Packet `index` of a train, as it came.
pub(super) fn one(
    port: &mut impl SuperPort,
    train: &Train<Frame<'_, Packet>>,
    index: usize,
    link: Link,
) -> Sent {
    let vnet = train.packet_vnet_header().behind(link_len(train, link));
    match link {
        Link::None => gather(port, &vnet.to_bytes(), train.packet(index)),
        Link::Ethernet => packet(port, vnet, &train.packets()[index]),
    }
}

/// A packet as it is, link header included.
pub(super) fn packet(
    port: &mut impl SuperPort,
    vnet: VnetHeader,
    packet: &Frame<'_, Packet>,
) -> Sent {
    gather(port, &vnet.to_bytes(), std::iter::once(packet.head()).chain(packet.rest()))
}

fn gather<'a>(
    port: &mut impl SuperPort,
    head: &'a [u8],
    pieces: impl Iterator<Item = &'a [u8]>,
) -> Sent {
    let mut slices = ArrayVec::<IoSlice<'_>, SLICES>::new();
    slices.push(IoSlice::new(head));
    slices.extend(pieces.map(IoSlice::new));
    port.send(&slices)
}

/// Bytes before the IP header, as the port is given the train.
fn link_len(train: &Train<Frame<'_, Packet>>, link: Link) -> u16 {
    (train.header_len(link) - train.header_len(Link::None)) as u16
}
