//! GRE (RFC 2784, with key and sequence number of RFC 2890).
//!
//! ```text
//!  0               1               2               3
//! ┌─┬─┬─┬─┬─────────────────┬─────┬───────────────────────────────┐
//! │C│R│K│S│ reserved        │ ver │ protocol type                 │  0
//! ├─┴─┴─┴─┴─────────────────┴─────┼───────────────────────────────┤
//! │ checksum, if C                │ reserved, if C                │  4
//! ├───────────────────────────────┴───────────────────────────────┤
//! │ key, if K                                                     │
//! ├───────────────────────────────────────────────────────────────┤
//! │ sequence number, if S                                         │
//! └───────────────────────────────────────────────────────────────┘
//! ```

use super::EtherType;

/// Bytes of a header without checksum, key and sequence number.
pub const HEADER_LEN: usize = 4;
/// Flag: a checksum over the GRE header and what follows it.
pub const CHECKSUM: u16 = 0x8000;
/// Flag: a key.
pub const KEY: u16 = 0x2000;
/// Flag: a sequence number.
pub const SEQUENCE: u16 = 0x1000;
/// Where the checksum stands, if there is one.
pub const CHECKSUM_AT: usize = 4;

/// A view of bytes that begin with a GRE header.
#[derive(Clone, Copy, Debug)]
pub struct Header<T>(T);

impl<T: AsRef<[u8]>> Header<T> {
    /// A view of `bytes`, if they hold at least the fixed header.
    #[inline(always)]
    pub fn new(bytes: T) -> Option<Self> {
        (bytes.as_ref().len() >= HEADER_LEN).then_some(Self(bytes))
    }

    #[inline(always)]
    fn be16(&self, at: usize) -> u16 {
        let bytes = self.0.as_ref();
        u16::from_be_bytes([bytes[at], bytes[at + 1]])
    }

    /// Flags ([`CHECKSUM`], [`KEY`], [`SEQUENCE`], and others whose meaning is none or gone) and version.
    #[inline(always)]
    pub fn flags(&self) -> u16 {
        self.be16(0)
    }

    /// What the payload is.
    #[inline(always)]
    pub fn protocol(&self) -> EtherType {
        EtherType(self.be16(2))
    }

    /// Length of the header in bytes, 4..=16; `None` where flags or version are such that it cannot be
    /// told.
    #[inline(always)]
    pub fn header_len(&self) -> Option<usize> {
        let flags = self.flags();
        if flags & !(CHECKSUM | KEY | SEQUENCE) != 0 {
            return None;
        }
        Some(HEADER_LEN + 4 * (flags & (CHECKSUM | KEY | SEQUENCE)).count_ones() as usize)
    }

    /// The key; `None` if there is none, or the bytes end before it.
    #[inline(always)]
    pub fn key(&self) -> Option<u32> {
        let flags = self.flags();
        if flags & KEY == 0 {
            return None;
        }
        let at = if flags & CHECKSUM == 0 { HEADER_LEN } else { HEADER_LEN + 4 };
        self.0.as_ref().get(at..)?.first_chunk().copied().map(u32::from_be_bytes)
    }
}

impl<T: AsRef<[u8]> + AsMut<[u8]>> Header<T> {
    /// Sets the checksum, if there is one.
    #[inline(always)]
    pub fn set_checksum(&mut self, checksum: u16) {
        if self.flags() & CHECKSUM == 0 {
            return;
        }
        if let Some(field) = self.0.as_mut().get_mut(CHECKSUM_AT..CHECKSUM_AT + 2) {
            field.copy_from_slice(&checksum.to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn getters_read_the_fields_of_rfc_2784_and_2890() {
        let bytes = [0xb0, 0, 0x65, 0x58, 0xaa, 0xbb, 0, 0, 1, 2, 3, 4, 0, 0, 0, 9];
        let header = Header::new(&bytes[..]).unwrap();
        assert_eq!(header.flags(), CHECKSUM | KEY | SEQUENCE);
        assert_eq!((header.protocol(), header.header_len()), (EtherType::TEB, Some(16)));
        assert_eq!(header.key(), Some(0x0102_0304));
        let bare = [0x20, 0, 8, 0, 1, 2, 3, 4];
        let header = Header::new(&bare[..]).unwrap();
        assert_eq!((header.header_len(), header.key()), (Some(8), Some(0x0102_0304)));
        assert_eq!(Header::new(&bare[..7]).unwrap().key(), None);
        assert!(Header::new(&bare[..3]).is_none());
    }

    #[test]
    fn g32_a_header_of_another_version_or_with_other_flags_has_no_known_length() {
        for word in [[0, 1], [0x40, 0], [0x08, 0], [0x01, 0]] {
            let bytes = [word[0], word[1], 8, 0];
            assert_eq!(Header::new(&bytes[..]).unwrap().header_len(), None, "{word:?}");
        }
    }

    #[test]
    fn the_checksum_is_written_only_where_there_is_one() {
        for (flags, expected) in [(0x80, [0x12, 0x34]), (0x20, [0, 0])] {
            let mut bytes = [flags, 0, 8, 0, 0, 0, 0, 0];
            Header::new(&mut bytes[..]).unwrap().set_checksum(0x1234);
            assert_eq!(bytes[4..6], expected);
        }
        let mut short = [0x80, 0, 8, 0, 0];
        Header::new(&mut short[..]).unwrap().set_checksum(0x1234);
        assert_eq!(short[4], 0);
    }
}
