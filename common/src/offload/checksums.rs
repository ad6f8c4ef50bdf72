//! The transport checksums of a train's packets, each by itself: verified, or completed.

use super::packet::{Verified, sum_of};
use super::train::checksum_offset;
use super::{Buffer, Checksum, Train, derive};
use crate::checksum::{Sum, pseudo_header};
use crate::wire::{Bytes, Headers, Protocol};

impl<H: Buffer> Train<H> {
    /// Whether the transport checksum is right, or right once it is completed. Nothing is summed of what is known
    /// already; what is [`Checksum::Unknown`] is summed now, and is [`Checksum::Valid`] from then on if it is
    /// right. In a tunnel the inner checksum is meant.
    ///
    /// A packet that is neither TCP nor UDP has none, nor has a fragment, nor a datagram whose field is 0.
    #[must_use]
    pub fn verify(&mut self) -> bool {
        if self.checksum() == Checksum::Unknown && self.sums_hold() {
            self.shape.checksum = Checksum::Valid;
        }
        self.checksum() != Checksum::Unknown
    }

    /// Whether each packet's checksum is right by the sum of its bytes.
    fn sums_hold(&self) -> bool {
        let Some(covered) = Covered::by(self) else { return false };
        let is_udp = covered.headers.protocol == Protocol::UDP;
        self.packets.iter().all(|packet| {
            let field = packet.head().be16(covered.at).unwrap_or(0);
            let total = covered.sum(packet, self.payload_end(packet.head()));
            let verified = Verified::of(total, field, is_udp);
            matches!(verified, Verified::Good | Verified::AllOnes) && !(is_udp && field == 0)
        })
    }

    /// Completes the transport checksum of every packet where it is [`Checksum::Partial`], which is then
    /// [`Checksum::Valid`]: what is to be done before packets leave on a wire as they came. In a tunnel the
    /// outer checksum stays as it is, for it was made of the completed packet.
    ///
    /// `as_mut` gives a packet's first piece, as [`Buffer::head`] does.
    pub fn complete_checksums(&mut self)
    where
        H: AsMut<[u8]>,
    {
        if self.checksum() != Checksum::Partial {
            return;
        }
        let Some(covered) = Covered::by(self) else { return };
        for index in 0..self.packets.len() {
            let end = self.payload_end(self.packets[index].head());
            let packet = &mut self.packets[index];
            covered.put(packet.as_mut(), 0);
            let total = covered.sum(packet, end);
            covered.put(packet.as_mut(), derive::completed(total, Some(covered.headers.protocol)));
        }
        self.shape.checksum = Checksum::Valid;
    }
}

/// What the transport checksum of each packet of a train covers, but for its bytes.
struct Covered {
    headers: Headers,
    /// Where the transport header begins.
    transport: usize,
    /// Where the checksum stands.
    at: usize,
}

impl Covered {
    /// `None` where there is no checksum: the transport header is another one, or not all there.
    fn by<H: Buffer>(train: &Train<H>) -> Option<Self> {
        let layout = train.shape.layout;
        train.transport_header_len()?;
        let transport = usize::from(layout.transport);
        let at = transport + checksum_offset(train.shape.protocol);
        Some(Self { headers: train.headers_at(layout.network)?, transport, at })
    }

    /// Of all that is covered of `packet`, which ends at `end`.
    fn sum<H: Buffer>(&self, packet: &H, end: usize) -> Sum {
        let Headers { addresses, protocol, .. } = &self.headers;
        let len = (end - self.transport) as u16;
        pseudo_header(addresses, *protocol, len) + sum_of(packet, self.transport..end)
    }

    fn put(&self, head: &mut [u8], checksum: u16) {
        head[self.at..self.at + 2].copy_from_slice(&checksum.to_be_bytes());
    }
}
