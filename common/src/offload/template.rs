//! The header every segment of a super-packet has, and what differs between them (S3–S9).

use core::ops::Range;

use super::GsoType;
use crate::checksum::{Sum, pseudo_header, sum};
use crate::wire::{Headers, Protocol, ipv4, ipv6, tcp};

/// What is the same in all segments, summed once: per segment only the words that differ are added.
#[derive(Clone, Debug)]
pub(super) struct Template {
    is_ipv6: bool,
    transport: usize,
    header_len: usize,
    gso_size: usize,
    count: usize,
    gso_type: GsoType,
    seq: u32,
    flags: tcp::Flags,
    id: u16,
    /// IPv4 header without total length, identification and checksum.
    network_sum: Sum,
    /// Pseudo header without length.
    pseudo_sum: Sum,
    /// The same and the TCP header without sequence number, flags and checksum.
    transport_sum: Sum,
}

impl Template {
    /// The template of `packet`, whose headers have been judged: TCP, all there, not a fragment.
    pub(super) fn new(
        packet: &[u8],
        headers: &Headers,
        header_len: usize,
        gso_size: usize,
        gso_type: GsoType,
    ) -> Self {
        let transport = usize::from(headers.transport);
        let is_ipv6 = headers.is_ipv6();
        let (network_sum, id) = if is_ipv6 {
            (Sum::default(), 0)
        } else {
            let header = &packet[..transport];
            (sum_without(header, &[2, 4, 10]), u16::from_be_bytes([packet[4], packet[5]]))
        };
        let tcp_header = &packet[transport..header_len];
        let [.., s0, s1, s2, s3] = *tcp_header.first_chunk::<8>().unwrap_or(&[0; 8]);
        let pseudo_sum = pseudo_header(&headers.addresses, Protocol::TCP, 0);
        Self {
            is_ipv6,
            transport,
            header_len,
            gso_size,
            count: (packet.len() - header_len).div_ceil(gso_size),
            gso_type,
            seq: u32::from_be_bytes([s0, s1, s2, s3]),
            flags: tcp::Flags(tcp_header[13]),
            id,
            network_sum,
            pseudo_sum,
            transport_sum: pseudo_sum + sum_without(tcp_header, &[4, 6, 12, 16]),
        }
    }

    pub(super) fn keep(&mut self, gso_type: GsoType) {
        self.gso_type = self.gso_type.with(gso_type);
    }

    pub(super) const fn count(&self) -> usize {
        self.count
    }

    pub(super) const fn header_len(&self) -> usize {
        self.header_len
    }

    /// S2: where in the packet segment `i`'s payload stands.
    pub(super) fn payload_range(&self, i: usize, packet_len: usize) -> Range<usize> {
        let start = self.header_len + i * self.gso_size;
        start..(start + self.gso_size).min(packet_len)
    }

    /// Writes segment `i`'s header to `out`, which is as long as `header`. Without `payload_sum` the
    /// checksum stays partial (S9).
    pub(super) fn write(
        &self,
        i: usize,
        header: &[u8],
        payload_len: usize,
        payload_sum: Option<Sum>,
        out: &mut [u8],
    ) {
        out.copy_from_slice(header);
        let (network, transport) = out.split_at_mut(self.transport);
        self.write_network(i, payload_len, network);
        let len = Sum::of((self.header_len - self.transport + payload_len) as u16);
        let sum = self.write_transport(i, transport);
        let checksum = match payload_sum {
            Some(payload_sum) => (sum + len + payload_sum).checksum(),
            None => (self.pseudo_sum + len).folded(),
        };
        if let Some(mut segment) = tcp::Segment::new(transport) {
            segment.set_checksum(checksum);
        }
    }

    /// S6, S8: length, identification and header checksum.
    fn write_network(&self, i: usize, payload_len: usize, header: &mut [u8]) {
        let total = (self.header_len + payload_len) as u16;
        if self.is_ipv6 {
            if let Some(mut packet) = ipv6::Packet::new(header) {
                packet.set_payload_len(total - ipv6::HEADER_LEN as u16);
            }
        } else if let Some(mut packet) = ipv4::Packet::new(header) {
            let id = if self.gso_type.has(GsoType::FIXED_ID) {
                self.id
            } else {
                self.id.wrapping_add(i as u16)
            };
            packet.set_total_len(total);
            packet.set_id(id);
            packet.set_checksum((self.network_sum + Sum::of(total) + Sum::of(id)).checksum());
        }
    }

    /// S4, S5: sequence number and flags. Returns the sum of all but length, payload and checksum.
    fn write_transport(&self, i: usize, header: &mut [u8]) -> Sum {
        let seq = self.seq.wrapping_add((i * self.gso_size) as u32);
        let flags = self.flags_of(i);
        let offset_and_flags = u16::from_be_bytes([header[12], flags.0]);
        if let Some(mut segment) = tcp::Segment::new(header) {
            segment.set_seq(seq);
            segment.set_flags(flags);
        }
        self.transport_sum
            + Sum::of((seq >> 16) as u16)
            + Sum::of(seq as u16)
            + Sum::of(offset_and_flags)
    }

    /// S5: FIN and PSH on the last only; CWR on the first only, or on all under AccECN.
    fn flags_of(&self, i: usize) -> tcp::Flags {
        let mut flags = self.flags;
        if i + 1 < self.count {
            flags = flags.without(tcp::Flags::FIN.with(tcp::Flags::PSH));
        }
        if i > 0 && !self.gso_type.has(GsoType::ACCECN) {
            flags = flags.without(tcp::Flags::CWR);
        }
        flags
    }
}

/// The sum of a header but for the words at these offsets: a word's complement takes it out.
fn sum_without(header: &[u8], words: &[usize]) -> Sum {
    let holes = words.iter().fold(Sum::default(), |holes, at| {
        holes + Sum::of(!u16::from_be_bytes([header[*at], header[*at + 1]]))
    });
    sum(header) + holes
}
