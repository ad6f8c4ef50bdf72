//! Host → wire through a port's socket: super-packets as the kernel made them, only the link header is put before.

use std::io::IoSlice;

use arrayvec::ArrayVec;
use sluice_common::offload::{GsoType, Piece, Segmenter, VnetHeader};
use sluice_common::wire::{Protocol, tcp};

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
    /// Gives it to the socket, of which `given` wire packets have gone already: as super-packets where the socket takes
    /// them, else one by one. Headers, and what goes by itself, are made in `scratch`.
    ///
    /// What is dropped or refused takes with it what has not gone.
    pub(super) fn give(
        &self,
        socket: &mut impl SuperPort,
        given: &mut usize,
        scratch: &mut [u8],
    ) -> Sent {
        while *given < self.segments.count() {
            let together = if *given == 0 { self.together(socket) } else { 1 };
            let (sent, packets) = match self.give_first(socket, together, scratch) {
                // A kernel that does not know this kind of super-packet.
                None | Some(Sent::Refused) => (self.give_one(socket, *given, scratch), 1),
                Some(sent) => (sent, together),
            };
            match sent {
                Sent::Done => *given += packets,
                // Of a datagram the next attempt would make fragments with another identification.
                Sent::Full if *given > 0 && self.segments.checksum_at().is_none() => {
                    return Sent::Dropped;
                }
                sent => return sent,
            }
        }
        Sent::Done
    }

    /// How many wire packets, from the first on, the socket may be given at once. The last one leaves by itself if it
    /// has PSH or FIN; see `parcels` of wire mode for the reason.
    fn together(&self, socket: &impl SuperPort) -> usize {
        let count = self.segments.count();
        let is_cut = self.segments.checksum_at().is_some();
        if !is_cut || !socket.takes(GsoType(self.vnet.gso_type.into())) {
            return 1;
        }
        if self.ends_at_once() { count - 1 } else { count }
    }

    fn ends_at_once(&self) -> bool {
        let headers = self.segments.headers();
        let segment = self.packet.get(headers.transport.into()..).and_then(tcp::Segment::new);
        headers.protocol == Protocol::TCP
            && segment.is_some_and(|segment| segment.flags().intersects(tcp::Flags::CLOSING))
    }

    /// The first `together` wire packets as a super-packet; `None` for a single one.
    fn give_first(
        &self,
        socket: &mut impl SuperPort,
        together: usize,
        scratch: &mut [u8],
    ) -> Option<Sent> {
        if together == self.segments.count() && together > 1 {
            return Some(self.write(socket, self.vnet, &[self.packet]));
        }
        let piece = self.segments.leading(together).filter(|piece| piece.count() > 1)?;
        Some(self.write_piece(socket, piece, scratch))
    }

    fn write_piece(&self, socket: &mut impl SuperPort, piece: Piece, scratch: &mut [u8]) -> Sent {
        let len = self.segments.write_super_header(piece, scratch);
        self.write(socket, self.vnet, &[&scratch[..len], self.segments.piece_payload(piece)])
    }

    /// One wire packet. The checksum of a packet that is not cut is left to the device.
    fn give_one(&self, socket: &mut impl SuperPort, index: usize, scratch: &mut [u8]) -> Sent {
        if self.segments.count() > 1 {
            let len = self.segments.write(index, scratch);
            return self.write(socket, VnetHeader::default(), &[&scratch[..len]]);
        }
        let vnet = self.segments.checksum_at().map(|(start, at)| VnetHeader {
            flags: VnetHeader::NEEDS_CSUM,
            csum_start: start as u16,
            csum_offset: (at - start) as u16,
            ..VnetHeader::default()
        });
        self.write(socket, vnet.unwrap_or_default(), &[self.packet])
    }

    fn write(&self, socket: &mut impl SuperPort, vnet: VnetHeader, parts: &[&[u8]]) -> Sent {
        let link = self.link.as_bytes();
        let vnet = vnet.behind(link.len() as u16).to_bytes();
        let slices = [&vnet, link].into_iter().chain(parts.iter().copied());
        let slices: ArrayVec<_, 4> = slices.map(IoSlice::new).collect();
        socket.send(&slices)
    }

    /// Bytes of the wire packets it becomes, link headers included.
    pub(super) fn bytes(&self) -> usize {
        let count = self.segments.count();
        let segments: usize = (0..count).map(|index| self.segments.segment_len(index)).sum();
        segments + count * self.link.as_bytes().len()
    }
}
