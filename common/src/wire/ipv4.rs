//! IPv4 (RFC 791).
//!
//! ```text
//!  0               1               2               3
//! ┌───────┬───────┬───────────────┬───────────────────────────────┐
//! │ver 4  │ IHL   │ TOS           │ total length                  │  0
//! ├───────┴───────┴───────────────┼──┬──┬──┬──────────────────────┤
//! │ identification                │R │DF│MF│ fragment offset      │  4
//! ├───────────────┬───────────────┼──┴──┴──┴──────────────────────┤
//! │ TTL           │ protocol      │ header checksum               │  8
//! ├───────────────┴───────────────┴───────────────────────────────┤
//! │ source address                                                │ 12
//! ├───────────────────────────────────────────────────────────────┤
//! │ destination address                                           │ 16
//! └───────────────────────────────────────────────────────────────┘
//! ```

use super::{Options, Protocol};
use crate::checksum::sum;

/// Bytes of a header without options.
pub const HEADER_LEN: usize = 20;
/// Where the checksum stands in the header.
pub const CHECKSUM: usize = 10;
/// Where the source address stands in the header; the destination follows it.
pub const ADDRESSES: usize = 12;
/// Fragmentation flag: reserved, must be 0.
pub const RESERVED: u16 = 0x8000;
/// Fragmentation flag: do not fragment.
pub const DF: u16 = 0x4000;
/// Fragmentation flag: more fragments follow.
pub const MF: u16 = 0x2000;
/// Mask of the fragment offset, in units of eight bytes.
pub const OFFSET: u16 = 0x1fff;
/// In an option's kind: it stands in every fragment, not in the first alone.
pub const COPIED: u8 = 0x80;

/// The options of the header that `bytes` begin with; `None` if it is not all there, or its length says less
/// than [`HEADER_LEN`].
#[inline]
#[must_use]
pub fn options(bytes: &[u8]) -> Option<Options<'_>> {
    let len = Packet::new(bytes)?.header_len();
    let header = bytes.get(..len).filter(|header| header.len() >= HEADER_LEN)?;
    Some(Options::new(header, HEADER_LEN))
}

/// A view of bytes that begin with an IPv4 header.
#[derive(Clone, Copy, Debug)]
pub struct Packet<T>(T);

impl<T: AsRef<[u8]>> Packet<T> {
    /// A view of `bytes`, if they hold at least the fixed header. Version, lengths and checksum are
    /// the caller's to judge.
    #[inline(always)]
    pub fn new(bytes: T) -> Option<Self> {
        (bytes.as_ref().len() >= HEADER_LEN).then_some(Self(bytes))
    }

    #[inline(always)]
    fn be16(&self, at: usize) -> u16 {
        let bytes = self.0.as_ref();
        u16::from_be_bytes([bytes[at], bytes[at + 1]])
    }

    /// Length of the header in bytes, options included: four times the IHL field, so 0..=60.
    #[inline(always)]
    pub fn header_len(&self) -> usize {
        usize::from(self.0.as_ref()[0] & 0x0f) * 4
    }

    /// Type of service: DSCP in the upper six bits, ECN in the lower two.
    #[inline(always)]
    pub fn tos(&self) -> u8 {
        self.0.as_ref()[1]
    }

    /// Length of the whole packet in bytes, header included.
    #[inline(always)]
    pub fn total_len(&self) -> u16 {
        self.be16(2)
    }

    /// Identification.
    #[inline(always)]
    pub fn id(&self) -> u16 {
        self.be16(4)
    }

    /// Flags ([`RESERVED`], [`DF`], [`MF`]) and fragment [`OFFSET`], as one word.
    #[inline(always)]
    pub fn fragment_word(&self) -> u16 {
        self.be16(6)
    }

    /// Time to live.
    #[inline(always)]
    pub fn ttl(&self) -> u8 {
        self.0.as_ref()[8]
    }

    /// Protocol of the payload.
    #[inline(always)]
    pub fn protocol(&self) -> Protocol {
        Protocol(self.0.as_ref()[9])
    }

    /// The header checksum as it stands.
    #[inline(always)]
    pub fn checksum(&self) -> u16 {
        self.be16(CHECKSUM)
    }
}

impl<T: AsMut<[u8]>> Packet<T> {
    #[inline(always)]
    fn put16(&mut self, at: usize, value: u16) {
        self.0.as_mut()[at..at + 2].copy_from_slice(&value.to_be_bytes());
    }

    /// Sets the total length. The checksum is not touched.
    #[inline(always)]
    pub fn set_total_len(&mut self, len: u16) {
        self.put16(2, len);
    }

    /// Sets the identification. The checksum is not touched.
    #[inline(always)]
    pub fn set_id(&mut self, id: u16) {
        self.put16(4, id);
    }

    /// Sets flags and fragment offset, as one word. The checksum is not touched.
    #[inline(always)]
    pub fn set_fragment_word(&mut self, word: u16) {
        self.put16(6, word);
    }

    /// Sets the header checksum.
    #[inline(always)]
    pub fn set_checksum(&mut self, checksum: u16) {
        self.put16(CHECKSUM, checksum);
    }
}

impl<T: AsRef<[u8]> + AsMut<[u8]>> Packet<T> {
    /// Makes the header checksum.
    #[inline]
    pub fn fill_checksum(&mut self) {
        self.set_checksum(0);
        let bytes = self.0.as_ref();
        let checksum = sum(&bytes[..self.header_len().min(bytes.len())]).checksum();
        self.set_checksum(checksum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: [u8; 20] = [
        0x46, 0xb8, 0x01, 0x02, 0x03, 0x04, 0x60, 0x05, 64, 6, 0xaa, 0xbb, 10, 0, 0, 1, 10, 0, 0, 2,
    ];

    #[test]
    fn getters_read_the_fields_of_rfc_791() {
        let packet = Packet::new(&HEADER[..]).unwrap();
        assert_eq!(packet.header_len(), 24);
        assert_eq!(packet.tos(), 0xb8);
        assert_eq!(packet.total_len(), 0x0102);
        assert_eq!(packet.id(), 0x0304);
        assert_eq!(packet.fragment_word(), DF | MF | 5);
        assert_eq!(packet.ttl(), 64);
        assert_eq!(packet.protocol(), Protocol::TCP);
        assert_eq!(packet.checksum(), 0xaabb);
        assert!(Packet::new(&HEADER[..19]).is_none());
    }

    #[test]
    fn setters_write_what_getters_read() {
        let mut bytes = HEADER;
        let mut packet = Packet::new(&mut bytes[..]).unwrap();
        packet.set_total_len(1500);
        packet.set_id(9);
        packet.set_fragment_word(MF | 7);
        packet.set_checksum(0x1234);
        assert_eq!((packet.total_len(), packet.id(), packet.checksum()), (1500, 9, 0x1234));
        assert_eq!(packet.fragment_word(), MF | 7);
        assert_eq!(bytes[8..10], HEADER[8..10]);
    }

    #[test]
    fn the_checksum_covers_the_header_with_its_options_and_no_more() {
        let mut bytes = [0x5a; 32];
        bytes[..20].copy_from_slice(&HEADER);
        Packet::new(&mut bytes[..]).unwrap().fill_checksum();
        assert_eq!(crate::checksum::naive(&bytes[..24]).folded(), 0xffff);
        // A length beyond the bytes is the caller's to judge.
        Packet::new(&mut bytes[..22]).unwrap().fill_checksum();
        assert_eq!(crate::checksum::naive(&bytes[..22]).folded(), 0xffff);
    }

    #[test]
    fn options_are_found_where_the_whole_header_is() {
        let mut bytes = [0; 24];
        bytes[..20].copy_from_slice(&HEADER);
        bytes[20..].copy_from_slice(&[COPIED | 20, 4, 0, 0]);
        let found = options(&bytes).unwrap().next().unwrap();
        assert_eq!((found.kind, found.at), (COPIED | 20, 20));
        assert!(options(&bytes[..23]).is_none());
        bytes[0] = 0x44;
        assert!(options(&bytes).is_none());
    }
}
