//! What differs between the IP headers of the segments (S6–S8).

use core::ops::Range;

use super::sum_without;
use crate::checksum::Sum;
use crate::wire::{Bytes, ipv4, ipv6};

/// One IP header of a super-packet: the only one, or the inner or outer one of a tunnel.
#[derive(Clone, Debug)]
pub(super) struct Network {
    /// Where it stands in the packet, extension headers included.
    range: Range<usize>,
    version: Version,
}

#[derive(Clone, Debug)]
enum Version {
    V4 {
        id: u16,
        /// Whether all segments carry the same identification (G16).
        fixed_id: bool,
        /// The header without total length, identification and checksum.
        sum: Sum,
    },
    V6,
}

impl Network {
    /// The IP header that stands at `range` of `packet`, and has been judged: all there.
    pub(super) fn new(packet: &[u8], range: Range<usize>, fixed_id: bool) -> Self {
        let header = &packet[range.clone()];
        let version = match header.byte(0).unwrap_or(0) >> 4 {
            6 => Version::V6,
            _ => Version::V4 {
                id: header.be16(4).unwrap_or(0),
                fixed_id,
                sum: sum_without(header, &[2, 4, 10]),
            },
        };
        Self { range, version }
    }

    /// Where it begins.
    pub(super) const fn start(&self) -> usize {
        self.range.start
    }

    pub(super) fn fix_id(&mut self) {
        if let Version::V4 { fixed_id, .. } = &mut self.version {
            *fixed_id = true;
        }
    }

    /// Writes segment `i`'s lengths, identification and header checksum to `header`, where `after` bytes
    /// follow the IP header. `header` begins where the packet does.
    pub(super) fn write(&self, i: usize, after: usize, header: &mut [u8]) {
        let header = &mut header[self.range.clone()];
        let total = (header.len() + after) as u16;
        match self.version {
            Version::V6 => {
                if let Some(mut packet) = ipv6::Packet::new(header) {
                    packet.set_payload_len(total - ipv6::HEADER_LEN as u16);
                }
            }
            Version::V4 { id, fixed_id, sum } => {
                let id = if fixed_id { id } else { id.wrapping_add(i as u16) };
                if let Some(mut packet) = ipv4::Packet::new(header) {
                    packet.set_total_len(total);
                    packet.set_id(id);
                    packet.set_checksum((sum + Sum::of(total) + Sum::of(id)).checksum());
                }
            }
        }
    }
}
