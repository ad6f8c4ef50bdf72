//! VXLAN (RFC 7348 §5).
//!
//! ```text
//!  0               1               2               3
//! ┌───────────────┬───────────────────────────────────────────────┐
//! │ flags         │ reserved                                      │  0
//! ├───────────────┴───────────────────────────────┬───────────────┤
//! │ VXLAN network identifier                      │ reserved      │  4
//! └───────────────────────────────────────────────┴───────────────┘
//! ```

/// Bytes of the header.
pub const HEADER_LEN: usize = 8;
/// The UDP port IANA gave it.
pub const PORT: u16 = 4789;
/// The flags: the network identifier is valid. All other bits of the first word are reserved, or belong
/// to an extension (group policy, GPE) that says what the packet is.
pub const VNI_VALID: u32 = 0x0800_0000;

/// A view of bytes that begin with a VXLAN header.
#[derive(Clone, Copy, Debug)]
pub struct Header<T>(T);

impl<T: AsRef<[u8]>> Header<T> {
    /// A view of `bytes`, if they hold the header.
    #[inline(always)]
    pub fn new(bytes: T) -> Option<Self> {
        (bytes.as_ref().len() >= HEADER_LEN).then_some(Self(bytes))
    }

    #[inline(always)]
    fn be32(&self, at: usize) -> u32 {
        let bytes = self.0.as_ref();
        u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
    }

    /// Flags and the reserved bytes after them, as one word.
    #[inline(always)]
    pub fn flags(&self) -> u32 {
        self.be32(0)
    }

    /// VXLAN network identifier, 24 bits.
    #[inline(always)]
    pub fn vni(&self) -> u32 {
        self.be32(4) >> 8
    }
}

impl<T: AsMut<[u8]>> Header<T> {
    /// Sets the flags and the reserved bytes after them.
    #[inline(always)]
    pub fn set_flags(&mut self, flags: u32) {
        self.0.as_mut()[..4].copy_from_slice(&flags.to_be_bytes());
    }

    /// Sets the network identifier, of which the lower 24 bits count. The last byte becomes 0.
    #[inline(always)]
    pub fn set_vni(&mut self, vni: u32) {
        self.0.as_mut()[4..HEADER_LEN].copy_from_slice(&(vni << 8).to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn getters_read_the_fields_of_rfc_7348() {
        let bytes = [0x08, 0, 0, 1, 0x12, 0x34, 0x56, 0x78];
        let header = Header::new(&bytes[..]).unwrap();
        assert_eq!((header.flags(), header.vni()), (VNI_VALID | 1, 0x0012_3456));
        assert!(Header::new(&bytes[..7]).is_none());
    }

    #[test]
    fn setters_write_what_getters_read() {
        let mut bytes = [0xff; 9];
        let mut header = Header::new(&mut bytes[..]).unwrap();
        header.set_flags(VNI_VALID);
        header.set_vni(0xab_cdef);
        assert_eq!((header.flags(), header.vni()), (VNI_VALID, 0xab_cdef));
        assert_eq!(bytes, [8, 0, 0, 0, 0xab, 0xcd, 0xef, 0, 0xff]);
    }
}
