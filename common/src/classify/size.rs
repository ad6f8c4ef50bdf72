//! What is larger than a port sends.

use crate::wire::{Bytes, EtherType, ethernet, vlan};

/// Bytes of the longest frame, link header included, that a port with this MTU sends; `outer` is the EtherType
/// behind the addresses.
///
/// One VLAN tag goes on top of the MTU; a second takes its room from the packet. Linux has it so where it hands
/// a frame from one interface to another (`xdp_ok_fwd_dev` in net/core/filter.c, `__is_skb_forwardable` in
/// include/linux/netdevice.h), but lets a frame without a tag be four bytes too long as well.
#[inline(always)]
#[must_use]
pub const fn longest_frame(outer: EtherType, mtu: u32) -> u64 {
    let tag = if outer.is_tag() { vlan::TAG_LEN } else { 0 };
    (ethernet::HEADER_LEN + tag) as u64 + mtu as u64
}

/// Whether `frame`, which has `len` bytes in all its buffers, link header included, is longer than a port with
/// this MTU sends.
///
/// Whatever is in it: what is no IP packet, or has headers that cannot be followed, takes as much room.
#[inline(always)]
#[must_use]
pub fn is_too_large<B: Bytes + ?Sized>(frame: &B, len: u64, mtu: u32) -> bool {
    let outer = frame.be16(ethernet::ETHERTYPE).map_or(EtherType(0), EtherType);
    len > longest_frame(outer, mtu)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(ethertype: EtherType) -> [u8; 18] {
        let mut frame = [0; 18];
        ethernet::write_header(&mut frame, [1; 6], [2; 6], ethertype);
        frame
    }

    #[test]
    fn an_untagged_frame_has_room_for_the_mtu_and_not_for_a_tag_too() {
        for ethertype in [EtherType::IPV4, EtherType::IPV6, EtherType::ARP, EtherType(0x8847)] {
            assert!(!is_too_large(&frame(ethertype)[..], 1514, 1500));
            assert!(is_too_large(&frame(ethertype)[..], 1515, 1500));
        }
    }

    #[test]
    fn one_tag_goes_on_top_of_the_mtu() {
        for ethertype in [EtherType::VLAN, EtherType::QINQ] {
            assert!(!is_too_large(&frame(ethertype)[..], 1518, 1500));
            assert!(is_too_large(&frame(ethertype)[..], 1519, 1500));
        }
    }

    #[test]
    fn a_frame_without_an_ethertype_is_judged_too() {
        assert!(!is_too_large(&[0; 13][..], 1514, 1500));
        assert!(is_too_large(&[0; 13][..], 1515, 1500));
    }

    #[test]
    fn no_mtu_overflows() {
        assert_eq!(longest_frame(EtherType::VLAN, u32::MAX), u64::from(u32::MAX) + 18);
    }
}
