//! The pseudo header (RFC 9293 §3.1 for IPv4, RFC 8200 §8.1 for IPv6).

use super::{Sum, sum};
use crate::wire::{Addresses, Protocol};

/// The sum of the pseudo header: addresses, protocol and the length of the transport packet in bytes.
///
/// Lengths above 65,535 do not exist here: an IP packet cannot carry them. A checksum field that holds
/// this sum, [folded](Sum::folded), is a partial one: whoever sends the packet on a wire completes it.
#[inline]
#[must_use]
pub fn pseudo_header(addresses: &Addresses, protocol: Protocol, len: u16) -> Sum {
    let ends = match addresses {
        Addresses::V4 { src, dst } => v4(src) + v4(dst),
        Addresses::V6 { src, dst } => sum(src) + sum(dst),
    };
    ends + Sum::of(u16::from(protocol.0)) + Sum::of(len)
}

#[inline]
fn v4([a, b, c, d]: &[u8; 4]) -> Sum {
    Sum::of(u16::from_be_bytes([*a, *b])) + Sum::of(u16::from_be_bytes([*c, *d]))
}

#[cfg(test)]
mod tests {
    use super::super::naive;
    use super::*;

    #[test]
    fn the_ipv4_pseudo_header_is_laid_out_as_in_rfc_9293() {
        let addresses = Addresses::V4 { src: [10, 0, 0, 1], dst: [192, 168, 7, 255] };
        let laid_out = [10, 0, 0, 1, 192, 168, 7, 255, 0, 6, 0x05, 0xa8];
        assert_eq!(pseudo_header(&addresses, Protocol::TCP, 0x05a8), naive(&laid_out));
    }

    #[test]
    fn the_ipv6_pseudo_header_is_laid_out_as_in_rfc_8200() {
        let (src, dst) = ([0xfd; 16], [0x1b; 16]);
        let mut laid_out = [0; 40];
        laid_out[..16].copy_from_slice(&src);
        laid_out[16..32].copy_from_slice(&dst);
        laid_out[34..36].copy_from_slice(&0xfff0_u16.to_be_bytes());
        laid_out[39] = 17;
        let addresses = Addresses::V6 { src, dst };
        assert_eq!(pseudo_header(&addresses, Protocol::UDP, 0xfff0), naive(&laid_out));
    }
}
