//! Super-packets beyond 64 KiB (S12).
//!
//! An IPv6 packet of TCP may be longer than its 16-bit length field can say, with a length of 0 there and the
//! true one in a jumbo option (RFC 2675). Linux has its super-packets so where `gso_ipv6_max_size` allows
//! it. Nothing on a wire understands the option, and no segment needs it.

use crate::wire::{Bytes, Protocol, ipv6};

/// Bytes of a Hop-by-Hop Options header with nothing but the jumbo option.
const HEADER_LEN: usize = 8;
/// Its second to fourth byte: its length, the option's type and length (RFC 2675 §2).
const OPTION: [u8; 3] = [0, 0xc2, 4];

/// S12: `packet` without the Hop-by-Hop Options header that holds nothing but a jumbo option, which is what
/// [`Segmenter`](super::Segmenter) takes. The IPv6 header moves over it; its length stays 0. Any other
/// packet is returned as it is.
///
/// ```
/// use sluice_common::offload::without_jumbo_option;
///
/// let mut packet = [0x45; 100];
/// assert_eq!(without_jumbo_option(&mut packet).len(), 100);
/// ```
#[must_use]
pub fn without_jumbo_option(packet: &mut [u8]) -> &mut [u8] {
    let Some(next) = next_after_jumbo(packet) else { return packet };
    packet.copy_within(..ipv6::HEADER_LEN, HEADER_LEN);
    let packet = &mut packet[HEADER_LEN..];
    packet[ipv6::NEXT_HEADER] = next;
    packet
}

/// What follows the jumbo option's header, if there is one and it tells the truth.
fn next_after_jumbo(packet: &[u8]) -> Option<u8> {
    let is_ipv6 = packet.byte(0)? >> 4 == 6;
    let is_first = packet.byte(ipv6::NEXT_HEADER)? == Protocol::HOP_BY_HOP.0;
    let says_zero = packet.be16(ipv6::PAYLOAD_LEN)? == 0;
    let [next, len, kind, option_len, l0, l1, l2, l3] = packet.read(ipv6::HEADER_LEN)?;
    let is_true = u32::from_be_bytes([l0, l1, l2, l3]) as usize == packet.len() - ipv6::HEADER_LEN;
    let is_jumbo = [len, kind, option_len] == OPTION && is_true;
    (is_ipv6 && is_first && says_zero && is_jumbo).then_some(next)
}

/// Whether the IPv6 packet of TCP at `network` is longer than its length field can say, and so says nothing.
/// Only TCP follows its header: a jumbo option that is still there told no truth.
pub(super) fn is_jumbogram(packet: &[u8], network: usize) -> bool {
    let longest = usize::from(u16::MAX) + ipv6::HEADER_LEN;
    packet.byte(network).is_some_and(|byte| byte >> 4 == 6)
        && packet.byte(network + ipv6::NEXT_HEADER) == Some(Protocol::TCP.0)
        && packet.be16(network + ipv6::PAYLOAD_LEN) == Some(0)
        && packet.len() > network + longest
}
