//! What is not answered with an error (RFC 1122 §3.2.2, RFC 4443 §2.4(e)).

use crate::checksum::sum;
use crate::wire::{Addresses, Bytes, Fragment, Headers, Protocol, icmp};

/// Whether the Ethernet frame `packet` may be answered with an ICMP or ICMPv6 error that says it is too big.
pub(super) fn may_be_answered(packet: &[u8], headers: &Headers) -> bool {
    headers.fragment != Fragment::Later
        && !is_error(packet, headers)
        && is_between_hosts(packet, headers)
}

/// An error message, or one that cannot be told from it.
fn is_error(packet: &[u8], headers: &Headers) -> bool {
    let kind = packet.byte(headers.transport.into());
    match (headers.addresses, headers.protocol) {
        (Addresses::V4 { .. }, Protocol::ICMP) => {
            kind.is_none_or(|kind| icmp::Kind(kind).is_error())
        }
        (Addresses::V6 { .. }, Protocol::ICMPV6) => {
            kind.is_none_or(|kind| icmp::KindV6(kind).is_error())
        }
        _ => false,
    }
}

/// It comes from one host, and goes to one: but IPv6 has senders to many told how large a packet may be.
fn is_between_hosts(packet: &[u8], headers: &Headers) -> bool {
    let is_group = |at| packet.byte(at).is_none_or(|byte| byte & 1 != 0);
    let (to, from) = (0, 6);
    if is_group(from) {
        return false;
    }
    match headers.addresses {
        Addresses::V6 { src, .. } => is_host_v6(src),
        Addresses::V4 { src, dst } => {
            let header = packet.get(headers.network.into()..headers.transport.into());
            let is_sound = header.is_some_and(|header| sum(header).checksum() == 0);
            is_sound && !is_group(to) && is_host(src) && !is_many(dst)
        }
    }
}

/// Whether this names one host that can be told from others: not 0/8, 127/8, multicast, class E or the limited
/// broadcast.
pub(super) const fn is_host([first, ..]: [u8; 4]) -> bool {
    !matches!(first, 0 | 127 | 224..)
}

/// Multicast or the limited broadcast.
fn is_many(address: [u8; 4]) -> bool {
    matches!(address[0], 224..=239) || address == [255; 4]
}

/// Neither the unspecified address, loopback nor multicast.
pub(super) fn is_host_v6(address: [u8; 16]) -> bool {
    address[0] != 0xff && u128::from_be_bytes(address) > 1
}
