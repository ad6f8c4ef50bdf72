//! The header every segment of a super-packet has, and what differs between them (S3–S9).
//!
//! | file | what it holds |
//! |---|---|
//! | `network` | lengths, identification and header checksum of an IP header |
//! | `outer` | what stands around the packet in a tunnel |
//! | `transport` | either of the following |
//! | `tcp` | sequence number and flags |
//! | `udp` | length |

mod network;
mod outer;
mod tcp;
mod transport;
mod udp;

use core::ops::Range;

use network::Network;
pub(super) use outer::{Outer, OuterPlace};
use transport::Transport;

use super::GsoType;
use crate::checksum::{Sum, pseudo_header, sum};
use crate::wire::Headers;

/// What is the same in all segments, summed once: per segment only the words that differ are added.
#[derive(Clone, Debug)]
pub(super) struct Template {
    /// Around all the others.
    outer: Option<Outer>,
    network: Network,
    transport: Transport,
    /// Where the transport header begins.
    transport_at: usize,
    header_len: usize,
    payload_len: usize,
    gso_size: usize,
    count: usize,
    /// Pseudo header without length.
    pseudo_sum: Sum,
}

impl Template {
    /// The template of a super-packet that begins with `header` and ends `payload_len` bytes behind it. Its
    /// headers have been judged: TCP or UDP, all there, not a fragment.
    pub(super) fn new(
        header: &[u8],
        headers: &Headers,
        payload_len: usize,
        gso_size: usize,
        gso_type: GsoType,
    ) -> Self {
        let (network_at, transport_at) = (headers.network.into(), headers.transport.into());
        let pseudo_sum = pseudo_header(&headers.addresses, headers.protocol, 0);
        let transport = &header[transport_at..];
        Self {
            outer: None,
            network: Network::new(
                header,
                network_at..transport_at,
                gso_type.has(GsoType::FIXED_ID),
            ),
            transport: Transport::new(headers.protocol, transport, pseudo_sum, gso_type),
            transport_at,
            header_len: header.len(),
            payload_len,
            gso_size,
            count: payload_len.div_ceil(gso_size).max(1),
            pseudo_sum,
        }
    }

    /// S13: the same with these headers around each segment. `header_len` counts them.
    pub(super) fn inside(mut self, outer: Outer) -> Self {
        self.outer = Some(outer);
        self
    }

    /// What of `gso_type` a vnet header has no room for; `packet` is the super-packet.
    pub(super) fn keep(&mut self, gso_type: GsoType, packet: &[u8]) {
        if let (true, Some(outer)) = (gso_type.has(GsoType::OUTER_FIXED_ID), &mut self.outer) {
            outer.fix_id(packet);
        }
        if gso_type.has(GsoType::FIXED_ID) {
            self.network.fix_id();
        }
        if gso_type.has(GsoType::ACCECN) {
            self.transport.keep_cwr();
        }
    }

    pub(super) const fn count(&self) -> usize {
        self.count
    }

    pub(super) const fn header_len(&self) -> usize {
        self.header_len
    }

    /// Where the checksum begins to sum and where it stands, in bytes from the start of the packet.
    pub(super) const fn checksum_at(&self) -> (usize, usize) {
        (self.transport_at, self.transport_at + self.transport.checksum_at())
    }

    /// S2: where in the packet segment `i`'s payload stands.
    pub(super) fn payload_range(&self, i: usize) -> Range<usize> {
        let start = self.header_len + i * self.gso_size;
        start..(start + self.gso_size).min(self.header_len + self.payload_len)
    }

    /// Writes segment `i`'s header to `out`, which is as long as `header`. Without `payload_sum` the
    /// checksum stays partial (S9).
    pub(super) fn write(&self, i: usize, header: &[u8], payload_sum: Option<Sum>, out: &mut [u8]) {
        out.copy_from_slice(header);
        let payload_len = self.payload_range(i).len();
        let transport_len = self.header_len - self.transport_at + payload_len;
        self.network.write(i, transport_len, out);
        let place = Place {
            offset: i * self.gso_size,
            is_last: i + 1 == self.count,
            transport_len: transport_len as u16,
        };
        let transport = &mut out[self.transport_at..];
        let sum = self.transport.write(place, transport);
        let pseudo_sum = self.pseudo_sum + Sum::of(place.transport_len);
        let checksum = match payload_sum {
            Some(payload_sum) => self.transport.completed(sum + payload_sum),
            None => pseudo_sum.folded(),
        };
        let at = self.transport.checksum_at();
        transport[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
        if let Some(outer) = &self.outer {
            outer.write(i, self.header_len + payload_len, pseudo_sum, out);
        }
    }
}

/// S14: one header for several segments.
impl Template {
    pub(super) const fn gso_size(&self) -> usize {
        self.gso_size
    }

    /// Bytes of payload in the full segments, which all but perhaps the last are.
    pub(super) const fn full_payload(&self) -> usize {
        self.payload_len / self.gso_size * self.gso_size
    }

    /// Whether there is a tunnel around it.
    pub(super) const fn is_encapsulated(&self) -> bool {
        self.outer.is_some()
    }

    /// Writes the header of the first `count` segments, all full, to `out`, which is as long as `header`:
    /// IP headers and tunnel as in the first segment, the transport header as of a super-packet, its
    /// checksum partial.
    pub(super) fn write_full(&self, count: usize, header: &[u8], out: &mut [u8]) {
        self.write_together(count, self.gso_size, header, out);
        if let Some(outer) = &self.outer {
            let before = self.header_len - self.transport_at;
            let pseudo_sum = self.pseudo_sum + Sum::of((before + self.gso_size) as u16);
            outer.write(0, self.header_len + self.gso_size, pseudo_sum, out);
        }
    }

    /// Writes the header of the first `count` segments, all full and in no tunnel, as of a super-packet that has no others.
    pub(super) fn write_super(&self, count: usize, header: &[u8], out: &mut [u8]) {
        self.write_together(count, count * self.gso_size, header, out);
    }

    /// The header of the first `count` segments, an IP header that tells of `payload` bytes behind it.
    fn write_together(&self, count: usize, payload: usize, header: &[u8], out: &mut [u8]) {
        out.copy_from_slice(header);
        let before = self.header_len - self.transport_at;
        self.network.write(0, before + payload, out);
        let place = Place {
            offset: 0,
            is_last: count == self.count,
            transport_len: (before + count * self.gso_size) as u16,
        };
        let transport = &mut out[self.transport_at..];
        self.transport.write(place, transport);
        let checksum = (self.pseudo_sum + Sum::of(place.transport_len)).folded();
        let at = self.transport.checksum_at();
        transport[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
    }
}

/// Which segment it is.
#[derive(Clone, Copy, Debug)]
struct Place {
    /// Bytes of payload in the segments before it.
    offset: usize,
    is_last: bool,
    /// Bytes of its transport header and payload.
    transport_len: u16,
}

/// The sum of a header but for the words at these offsets: a word's complement takes it out.
fn sum_without(header: &[u8], words: &[usize]) -> Sum {
    let holes = words.iter().fold(Sum::default(), |holes, at| {
        holes + Sum::of(!u16::from_be_bytes([header[*at], header[*at + 1]]))
    });
    sum(header) + holes
}
