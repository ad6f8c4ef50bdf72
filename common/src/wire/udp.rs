//! UDP (RFC 768).
//!
//! ```text
//!  0               2               4               6               8
//! ┌───────────────┬───────────────┬───────────────┬───────────────┐
//! │ source port   │ dest. port    │ length        │ checksum      │
//! └───────────────┴───────────────┴───────────────┴───────────────┘
//! ```

/// Bytes of the header.
pub const HEADER_LEN: usize = 8;
/// Where the length stands in the header.
pub const LENGTH: usize = 4;
/// Where the checksum stands in the header: `csum_offset` in a virtio-net header.
pub const CHECKSUM: usize = 6;

/// A view of bytes that begin with a UDP header.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<T>(T);

impl<T: AsRef<[u8]>> Datagram<T> {
    /// A view of `bytes`, if they hold the header.
    #[inline(always)]
    pub fn new(bytes: T) -> Option<Self> {
        (bytes.as_ref().len() >= HEADER_LEN).then_some(Self(bytes))
    }

    /// Header and payload in bytes.
    #[inline(always)]
    pub fn len(&self) -> u16 {
        let bytes = self.0.as_ref();
        u16::from_be_bytes([bytes[LENGTH], bytes[LENGTH + 1]])
    }

    /// Whether the datagram carries nothing: its length covers no more than the header.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        usize::from(self.len()) <= HEADER_LEN
    }

    /// The checksum as it stands; 0 says there is none.
    #[inline(always)]
    pub fn checksum(&self) -> u16 {
        let bytes = self.0.as_ref();
        u16::from_be_bytes([bytes[CHECKSUM], bytes[CHECKSUM + 1]])
    }
}

impl<T: AsMut<[u8]>> Datagram<T> {
    /// Sets the length of header and payload. The checksum is not touched.
    #[inline(always)]
    pub fn set_len(&mut self, len: u16) {
        self.0.as_mut()[LENGTH..LENGTH + 2].copy_from_slice(&len.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_is_written_where_it_is_read() {
        let mut bytes = [0xee; HEADER_LEN];
        Datagram::new(&mut bytes[..]).unwrap().set_len(0x1234);
        assert_eq!(Datagram::new(&bytes[..]).unwrap().len(), 0x1234);
        assert_eq!((bytes[3], bytes[6]), (0xee, 0xee));
    }

    #[test]
    fn getters_read_the_fields_of_rfc_768() {
        let bytes = [0, 53, 0x30, 0x39, 0, 9, 0xab, 0xcd];
        let datagram = Datagram::new(&bytes[..]).unwrap();
        assert_eq!((datagram.len(), datagram.checksum()), (9, 0xabcd));
        assert!(!datagram.is_empty());
        assert!(Datagram::new(&bytes[..7]).is_none());
    }
}
