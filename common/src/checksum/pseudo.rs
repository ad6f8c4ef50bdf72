//! The pseudo header (RFC 9293 §3.1 for IPv4, RFC 8200 §8.1 for IPv6).

use super::{Sum, sum};
use crate::wire::{Addresses, Protocol};

/// The sum of the pseudo header: addresses, protocol and the length of the transport packet in bytes.
///
/// Lengths above 65,535 do not exist here: an IP packet cannot carry them.
#[inline]
#[must_use]
pub fn pseudo_header(addresses: &Addresses, protocol: Protocol, len: u16) -> Sum {
    let ends = match addresses {
        Addresses::V4 { src, dst } => sum(src) + sum(dst),
        Addresses::V6 { src, dst } => sum(src) + sum(dst),
    };
    ends + Sum::of(u16::from(protocol.0)) + Sum::of(len)
}
