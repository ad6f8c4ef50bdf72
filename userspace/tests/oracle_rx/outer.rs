//! The outer checksum of a super-packet: the engine makes it, Linux leaves it to segmentation.

use sluice_common::checksum::{naive, pseudo_header};
use sluice_common::wire::{Bytes, Headers, Link, Protocol, Tunnel, gre, udp};

use crate::engine::{checksum_at, innermost};
use crate::offer::Offer;

/// Puts the outer checksum as Linux has it, if it is right now: UDP's the sum of the pseudo header, GRE's
/// what it was in `first`, the first packet.
pub(crate) fn as_linux_has_it(bytes: &mut [u8], first: &[u8], offer: Offer) {
    let Ok(outer) = Headers::parse(bytes, Link::Ethernet) else { return };
    let Some(Ok(tunnel)) = Tunnel::find(bytes, &outer, &offer.ports()) else { return };
    let transport = usize::from(outer.transport);
    let pseudo = if tunnel.kind.is_udp() { pseudo(&outer, bytes.len()) } else { 0 };
    if !is_right(bytes, &outer, pseudo, offer) {
        return;
    }
    let has_gre_checksum = |bytes: &[u8]| {
        outer.protocol == Protocol::GRE
            && bytes.be16(transport).is_some_and(|flags| flags & gre::CHECKSUM != 0)
    };
    if tunnel.kind.is_udp() && bytes.be16(transport + udp::CHECKSUM) != Some(0) {
        let at = transport + udp::CHECKSUM;
        bytes[at..at + 2].copy_from_slice(&pseudo.to_be_bytes());
    } else if has_gre_checksum(bytes) {
        let at = transport + gre::CHECKSUM_AT;
        bytes[at..at + 2].copy_from_slice(&first[at..at + 2]);
    }
}

/// The sum of the pseudo header before the transport header of an IP packet that ends at `end`.
fn pseudo(headers: &Headers, end: usize) -> u16 {
    let len = end - usize::from(headers.transport);
    pseudo_header(&headers.addresses, headers.protocol, len as u16).folded()
}

/// Whether the outer checksum holds once the inner one, the sum of its pseudo header, is completed.
fn is_right(bytes: &[u8], outer: &Headers, outer_pseudo: u16, offer: Offer) -> bool {
    let Some(inner) = innermost(bytes, offer) else { return false };
    let mut whole = bytes.to_vec();
    let at = checksum_at(&inner);
    let completed = !naive(&whole[inner.transport.into()..]).folded();
    whole[at..at + 2].copy_from_slice(&completed.to_be_bytes());
    let mut covered = outer_pseudo.to_be_bytes().to_vec();
    covered.extend(&whole[outer.transport.into()..]);
    naive(&covered).folded() == 0xffff
}
