//! The transport header of a super-packet: TCP or UDP.

use super::Place;
use super::tcp::Tcp;
use super::udp::Udp;
use crate::checksum::Sum;
use crate::offload::GsoType;
use crate::wire::{self, Protocol};

/// What of a transport header is the same in all segments, and what differs.
#[derive(Clone, Debug)]
pub(super) enum Transport {
    Tcp(Tcp),
    Udp(Udp),
}

impl Transport {
    /// Of `header`, which has been judged: all there. `pseudo_sum` lacks the length.
    pub(super) fn new(
        protocol: Protocol,
        header: &[u8],
        pseudo_sum: Sum,
        gso_type: GsoType,
    ) -> Self {
        match protocol {
            Protocol::UDP => Self::Udp(Udp::new(header, pseudo_sum)),
            _ => Self::Tcp(Tcp::new(header, pseudo_sum, gso_type.has(GsoType::ACCECN))),
        }
    }

    pub(super) fn keep_cwr(&mut self) {
        if let Self::Tcp(tcp) = self {
            tcp.keep_cwr();
        }
    }

    /// Writes what the segment at `place` has of its own to `header`. Returns the sum of pseudo header and
    /// header without the checksum.
    pub(super) fn write(&self, place: Place, header: &mut [u8]) -> Sum {
        match self {
            Self::Tcp(tcp) => tcp.write(place, header),
            Self::Udp(udp) => udp.write(place, header),
        }
    }

    /// S9: the checksum over `total`. A UDP checksum of 0 would say that there is none.
    pub(super) fn completed(&self, total: Sum) -> u16 {
        match (self, total.checksum()) {
            (Self::Udp(_), 0) => 0xffff,
            (_, checksum) => checksum,
        }
    }

    /// Where the checksum stands in the header.
    pub(super) const fn checksum_at(&self) -> usize {
        match self {
            Self::Tcp(_) => wire::tcp::CHECKSUM,
            Self::Udp(_) => wire::udp::CHECKSUM,
        }
    }
}
