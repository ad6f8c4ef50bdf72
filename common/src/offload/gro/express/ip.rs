//! The IP headers of packets that may take the express lane.

use super::words::{eight, four, part, word};
use crate::offload::GsoType;
use crate::wire::{Addresses, Protocol, ipv4, ipv6};

/// Flags and offset of a fragment, in the IPv4 header.
const FRAGMENT: usize = 6;

/// The IP header of a packet that may take the express lane.
pub(in super::super) trait Ip: Copy {
    const LEN: usize;
    const GSO_TYPE: GsoType;

    /// That of `network`, a packet of TCP and nothing else, and what follows it.
    fn of(network: &[u8]) -> Option<(&Self, &[u8])>;

    /// All but lengths, identification and checksum.
    fn pattern(&self) -> [u64; 5];

    fn addresses(&self) -> Addresses;

    fn id(&self) -> Option<u16>;

    fn dont_fragment(&self) -> bool;
}

pub(in super::super) type V4 = [u8; ipv4::HEADER_LEN];

impl Ip for V4 {
    const LEN: usize = ipv4::HEADER_LEN;
    const GSO_TYPE: GsoType = GsoType::TCPV4;

    #[inline]
    fn of(network: &[u8]) -> Option<(&Self, &[u8])> {
        let (header, rest) = network.split_first_chunk::<{ ipv4::HEADER_LEN }>()?;
        let is_plain = header[0] == 0x45
            && header[9] == Protocol::TCP.0
            // G3
            && word(header, FRAGMENT) & !ipv4::DF == 0
            // G4: without padding.
            && usize::from(word(header, 2)) == network.len()
            && ip_checksum_holds(header);
        is_plain.then_some((header, rest))
    }

    /// TOS; fragment word, TTL, protocol; addresses.
    #[inline]
    fn pattern(&self) -> [u64; 5] {
        let rest = u64::from(self[1]) | four(self, FRAGMENT) << 32;
        [rest, eight(self, ipv4::ADDRESSES), 0, 0, 0]
    }

    #[inline]
    fn addresses(&self) -> Addresses {
        Addresses::V4 { src: part(self, ipv4::ADDRESSES), dst: part(self, ipv4::ADDRESSES + 4) }
    }

    #[inline]
    fn id(&self) -> Option<u16> {
        Some(word(self, 4))
    }

    #[inline]
    fn dont_fragment(&self) -> bool {
        word(self, FRAGMENT) & ipv4::DF != 0
    }
}

pub(in super::super) type V6 = [u8; ipv6::HEADER_LEN];

impl Ip for V6 {
    const LEN: usize = ipv6::HEADER_LEN;
    const GSO_TYPE: GsoType = GsoType::TCPV6;

    #[inline]
    fn of(network: &[u8]) -> Option<(&Self, &[u8])> {
        let (header, rest) = network.split_first_chunk::<{ ipv6::HEADER_LEN }>()?;
        let is_plain = header[0] >> 4 == 6
            && header[ipv6::NEXT_HEADER] == Protocol::TCP.0
            // G4: without padding.
            && usize::from(word(header, ipv6::PAYLOAD_LEN)) == rest.len();
        is_plain.then_some((header, rest))
    }

    /// Traffic class, flow label, next header, hop limit; addresses.
    #[inline]
    fn pattern(&self) -> [u64; 5] {
        let rest = four(self, 0) | u64::from(word(self, ipv6::NEXT_HEADER)) << 32;
        let [a, b, c, d] = [0, 8, 16, 24].map(|at| eight(self, ipv6::ADDRESSES + at));
        [rest, a, b, c, d]
    }

    #[inline]
    fn addresses(&self) -> Addresses {
        Addresses::V6 { src: part(self, ipv6::ADDRESSES), dst: part(self, ipv6::ADDRESSES + 16) }
    }

    #[inline]
    fn id(&self) -> Option<u16> {
        None
    }

    #[inline]
    fn dont_fragment(&self) -> bool {
        false
    }
}

/// G2, as [`refusal`](crate::offload::rules) has it.
#[inline]
fn ip_checksum_holds(header: &[u8; ipv4::HEADER_LEN]) -> bool {
    // RFC 1071: a sum of larger words is right, too, and in any byte order. No header is all zero: its sum is a
    // multiple of 0xFFFF, or wrong.
    let sum = (0..5).map(|n| four(header, 4 * n)).sum::<u64>();
    sum % 0xffff == 0 && word(header, ipv4::CHECKSUM) != 0xffff
}
