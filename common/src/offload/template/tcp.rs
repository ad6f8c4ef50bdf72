//! What differs between the TCP headers of the segments (S4, S5, S9).

use super::{Place, sum_without};
use crate::checksum::Sum;
use crate::wire::tcp;

/// The TCP header of a super-packet.
#[derive(Clone, Debug)]
pub(super) struct Tcp {
    seq: u32,
    flags: tcp::Flags,
    /// Whether all segments carry CWR when one does (AccECN).
    keeps_cwr: bool,
    /// Pseudo header without length, and header without sequence number, flags and checksum.
    sum: Sum,
}

impl Tcp {
    /// Of `header`, which has been judged: all there. `pseudo_sum` lacks the length.
    pub(super) fn new(header: &[u8], pseudo_sum: Sum, keeps_cwr: bool) -> Self {
        let [.., s0, s1, s2, s3] = *header.first_chunk::<8>().unwrap_or(&[0; 8]);
        Self {
            seq: u32::from_be_bytes([s0, s1, s2, s3]),
            flags: tcp::Flags(header[13]),
            keeps_cwr,
            sum: pseudo_sum + sum_without(header, &[4, 6, 12, 16]),
        }
    }

    pub(super) fn keep_cwr(&mut self) {
        self.keeps_cwr = true;
    }

    /// S4, S5: writes sequence number and flags. Returns the sum of all but payload and checksum.
    pub(super) fn write(&self, place: Place, header: &mut [u8]) -> Sum {
        let seq = self.seq.wrapping_add(place.offset as u32);
        let flags = self.flags(place.offset == 0, place.is_last);
        let offset_and_flags = u16::from_be_bytes([header[12], flags.0]);
        if let Some(mut segment) = tcp::Segment::new(header) {
            segment.set_seq(seq);
            segment.set_flags(flags);
        }
        let seq = Sum::of((seq >> 16) as u16) + Sum::of(seq as u16);
        self.sum + Sum::of(place.transport_len) + seq + Sum::of(offset_and_flags)
    }

    /// S5: FIN and PSH on the last only; CWR on the first only, or on all under AccECN.
    fn flags(&self, is_first: bool, is_last: bool) -> tcp::Flags {
        let mut flags = self.flags;
        if !is_last {
            flags = flags.without(tcp::Flags::CLOSING);
        }
        if !is_first && !self.keeps_cwr {
            flags = flags.without(tcp::Flags::CWR);
        }
        flags
    }
}
