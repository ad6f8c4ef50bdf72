//! Geneve (RFC 8926 §3.4).
//!
//! ```text
//!  0               1               2               3
//! ┌───┬───────────┬─┬─┬───────────┬───────────────────────────────┐
//! │ver│ opt. len  │O│C│ reserved  │ protocol type                 │  0
//! ├───┴───────────┴─┴─┴───────────┴───────────────┬───────────────┤
//! │ virtual network identifier                    │ reserved      │  4
//! ├───────────────────────────────────────────────┴───────────────┤
//! │ options, four bytes times their length                        │  8
//! └───────────────────────────────────────────────────────────────┘
//! ```

use super::EtherType;

/// Bytes of a header without options.
pub const HEADER_LEN: usize = 8;
/// The UDP port IANA gave it.
pub const PORT: u16 = 6081;

/// A view of bytes that begin with a Geneve header.
#[derive(Clone, Copy, Debug)]
pub struct Header<T>(T);

impl<T: AsRef<[u8]>> Header<T> {
    /// A view of `bytes`, if they hold at least the fixed header.
    #[inline(always)]
    pub fn new(bytes: T) -> Option<Self> {
        (bytes.as_ref().len() >= HEADER_LEN).then_some(Self(bytes))
    }

    /// Version; 0 is the only one there is.
    #[inline(always)]
    pub fn version(&self) -> u8 {
        self.0.as_ref()[0] >> 6
    }

    /// Length of the header in bytes, options included: 8..=260.
    #[inline(always)]
    pub fn header_len(&self) -> usize {
        HEADER_LEN + usize::from(self.0.as_ref()[0] & 0x3f) * 4
    }

    /// O: a control message, for the tunnel's endpoint and not for who is behind it.
    #[inline(always)]
    pub fn is_control(&self) -> bool {
        self.0.as_ref()[1] & 0x80 != 0
    }

    /// What the payload is.
    #[inline(always)]
    pub fn protocol(&self) -> EtherType {
        let bytes = self.0.as_ref();
        EtherType(u16::from_be_bytes([bytes[2], bytes[3]]))
    }

    /// Virtual network identifier, 24 bits.
    #[inline(always)]
    pub fn vni(&self) -> u32 {
        let bytes = self.0.as_ref();
        u32::from_be_bytes([0, bytes[4], bytes[5], bytes[6]])
    }
}

impl<T: AsMut<[u8]>> Header<T> {
    /// Sets what the payload is.
    #[inline(always)]
    pub fn set_protocol(&mut self, protocol: EtherType) {
        self.0.as_mut()[2..4].copy_from_slice(&protocol.0.to_be_bytes());
    }

    /// Sets the network identifier, of which the lower 24 bits count. The byte after it becomes 0.
    #[inline(always)]
    pub fn set_vni(&mut self, vni: u32) {
        self.0.as_mut()[4..HEADER_LEN].copy_from_slice(&(vni << 8).to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn getters_read_the_fields_of_rfc_8926() {
        let bytes = [0x42, 0x80, 0x65, 0x58, 0x12, 0x34, 0x56, 0xff];
        let header = Header::new(&bytes[..]).unwrap();
        assert_eq!((header.version(), header.header_len()), (1, 16));
        assert!(header.is_control());
        assert_eq!((header.protocol(), header.vni()), (EtherType::TEB, 0x0012_3456));
        assert!(Header::new(&bytes[..7]).is_none());
        let critical = [0x3f, 0x40, 0, 0, 0, 0, 0, 0];
        let header = Header::new(&critical[..]).unwrap();
        assert_eq!((header.version(), header.header_len(), header.is_control()), (0, 260, false));
    }

    #[test]
    fn setters_write_what_getters_read() {
        let mut bytes = [0; HEADER_LEN];
        let mut header = Header::new(&mut bytes[..]).unwrap();
        header.set_protocol(EtherType::IPV6);
        header.set_vni(0xab_cdef);
        assert_eq!((header.protocol(), header.vni()), (EtherType::IPV6, 0xab_cdef));
        assert_eq!(bytes, [0, 0, 0x86, 0xdd, 0xab, 0xcd, 0xef, 0]);
    }
}
