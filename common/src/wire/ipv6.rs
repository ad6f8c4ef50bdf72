//! IPv6 (RFC 8200).
//!
//! ```text
//!  0               1               2               3
//! ┌───────┬───────────────┬───────────────────────────────────────┐
//! │ver 6  │ traffic class │ flow label                            │  0
//! ├───────┴───────────────┴───────┬───────────────┬───────────────┤
//! │ payload length                │ next header   │ hop limit     │  4
//! ├───────────────────────────────┴───────────────┴───────────────┤
//! │ source address, 16 bytes                                      │  8
//! ├───────────────────────────────────────────────────────────────┤
//! │ destination address, 16 bytes                                 │ 24
//! └───────────────────────────────────────────────────────────────┘
//! ```

use super::Protocol;

/// Bytes of the fixed header.
pub const HEADER_LEN: usize = 40;
/// Where the payload length stands in the fixed header.
pub const PAYLOAD_LEN: usize = 4;
/// Where the fixed header says what follows it.
pub const NEXT_HEADER: usize = 6;
/// Where the source address stands in the fixed header; the destination follows it.
pub const ADDRESSES: usize = 8;
/// Bytes of a Fragment header (RFC 8200 §4.5).
pub const FRAGMENT_LEN: usize = 8;
/// How many extension headers are stepped over before the packet is given up on. The kernel's own
/// offloads meet one or two; an attacker could otherwise make the parser walk the whole packet.
pub const MAX_EXTENSIONS: usize = 6;

/// A view of bytes that begin with an IPv6 header.
#[derive(Clone, Copy, Debug)]
pub struct Packet<T>(T);

impl<T: AsRef<[u8]>> Packet<T> {
    /// A view of `bytes`, if they hold at least the fixed header.
    #[inline(always)]
    pub fn new(bytes: T) -> Option<Self> {
        (bytes.as_ref().len() >= HEADER_LEN).then_some(Self(bytes))
    }

    /// Version, traffic class and flow label: the header's first word.
    #[inline(always)]
    pub fn first_word(&self) -> u32 {
        let bytes = self.0.as_ref();
        u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    }

    /// Traffic class: DSCP in the upper six bits, ECN in the lower two.
    #[inline(always)]
    pub fn traffic_class(&self) -> u8 {
        self.first_word().to_be_bytes()[0] << 4 | self.0.as_ref()[1] >> 4
    }

    /// Flow label, 20 bits.
    #[inline(always)]
    pub fn flow_label(&self) -> u32 {
        self.first_word() & 0x000f_ffff
    }

    /// Bytes after the fixed header, extension headers included. 0 announces a jumbogram.
    #[inline(always)]
    pub fn payload_len(&self) -> u16 {
        let bytes = self.0.as_ref();
        u16::from_be_bytes([bytes[4], bytes[5]])
    }

    /// Protocol of the first extension header or of the payload.
    #[inline(always)]
    pub fn next_header(&self) -> Protocol {
        Protocol(self.0.as_ref()[NEXT_HEADER])
    }

    /// Hop limit.
    #[inline(always)]
    pub fn hop_limit(&self) -> u8 {
        self.0.as_ref()[7]
    }
}

impl<T: AsMut<[u8]>> Packet<T> {
    /// Sets the payload length.
    #[inline(always)]
    pub fn set_payload_len(&mut self, len: u16) {
        self.0.as_mut()[4..6].copy_from_slice(&len.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn getters_read_the_fields_of_rfc_8200() {
        let mut bytes = [0_u8; HEADER_LEN];
        bytes[..8].copy_from_slice(&[0x6a, 0xbc, 0xde, 0xf1, 0x05, 0xdc, 58, 255]);
        let packet = Packet::new(&bytes[..]).unwrap();
        assert_eq!(packet.traffic_class(), 0xab);
        assert_eq!(packet.flow_label(), 0xc_def1);
        assert_eq!(packet.payload_len(), 1500);
        assert_eq!(packet.next_header(), Protocol::ICMPV6);
        assert_eq!(packet.hop_limit(), 255);
        assert!(Packet::new(&bytes[..39]).is_none());
    }

    #[test]
    fn the_payload_length_is_written_where_it_is_read() {
        let mut bytes = [0_u8; HEADER_LEN];
        let mut packet = Packet::new(&mut bytes[..]).unwrap();
        packet.set_payload_len(0x1234);
        assert_eq!(packet.payload_len(), 0x1234);
    }
}
