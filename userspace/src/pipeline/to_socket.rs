//! Host → wire through a port's socket: super-packets as the kernel made them, only the link header is put before.

use std::io::IoSlice;

use sluice_common::offload::{GsoType, Segmenter, VnetHeader};
use sluice_common::wire::ethernet;

use crate::port::{LinkHeader, Sent, SuperPort};

/// A packet of the host, judged, with the link header it is to have.
pub(super) struct ToSocket<'a> {
    pub(super) vnet: VnetHeader,
    /// From the IP header on.
    pub(super) packet: &'a [u8],
    pub(super) segments: &'a Segmenter<'a>,
    pub(super) link: &'a LinkHeader,
}

impl ToSocket<'_> {
    /// Gives it to the socket whole where that takes it, else segment by segment, each made in `scratch`. Of a
    /// packet that goes in segments, those behind the first one that is not taken are lost with it.
    pub(super) fn give(&self, socket: &mut impl SuperPort, scratch: &mut [u8]) -> Sent {
        match self.as_it_is(socket) {
            Some(vnet) => match write(socket, vnet, self.link, self.packet) {
                // A kernel that does not know this kind of super-packet.
                Sent::Refused if self.segments.count() > 1 => self.give_apart(socket, scratch),
                sent => sent,
            },
            None => self.give_apart(socket, scratch),
        }
    }

    /// The vnet header with which it goes whole, before the link header is counted in.
    fn as_it_is(&self, socket: &impl SuperPort) -> Option<VnetHeader> {
        let Some((start, at)) = self.segments.checksum_at() else {
            // Complete as it is, or to become fragments, which no vnet header asks for.
            return (self.segments.count() == 1).then(VnetHeader::default);
        };
        if self.segments.count() == 1 {
            return Some(VnetHeader {
                flags: VnetHeader::NEEDS_CSUM,
                csum_start: start as u16,
                csum_offset: (at - start) as u16,
                ..VnetHeader::default()
            });
        }
        // What a tag is to be put in all segments by is not the vnet header's to say.
        let is_plain = self.link.as_bytes().len() == ethernet::HEADER_LEN;
        (is_plain && socket.takes(GsoType(self.vnet.gso_type.into()))).then_some(self.vnet)
    }

    fn give_apart(&self, socket: &mut impl SuperPort, scratch: &mut [u8]) -> Sent {
        for index in 0..self.segments.count() {
            let len = self.segments.write(index, scratch);
            match write(socket, VnetHeader::default(), self.link, &scratch[..len]) {
                Sent::Done => {}
                Sent::Full if index > 0 => return Sent::Dropped,
                sent => return sent,
            }
        }
        Sent::Done
    }

    /// Bytes of the wire packets it becomes, link headers included.
    pub(super) fn bytes(&self) -> usize {
        let count = self.segments.count();
        let segments: usize = (0..count).map(|index| self.segments.segment_len(index)).sum();
        segments + count * self.link.as_bytes().len()
    }
}

fn write(socket: &mut impl SuperPort, vnet: VnetHeader, link: &LinkHeader, packet: &[u8]) -> Sent {
    let link = link.as_bytes();
    let vnet = vnet.behind(link.len() as u16).to_bytes();
    socket.send(&[&vnet, link, packet].map(IoSlice::new))
}
