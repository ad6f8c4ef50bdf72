//! Reading bytes at an offset that may lie outside the packet.

/// What the parser needs from a packet: checked reads of a fixed size.
///
/// User space implements it for slices; the XDP program for the pair of pointers the kernel gives
/// it, where every read must carry its own bound check for the verifier.
pub trait Bytes {
    /// The `N` bytes at `offset`, or `None` where the packet ends before them.
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]>;

    /// The byte at `offset`.
    #[inline(always)]
    fn byte(&self, offset: usize) -> Option<u8> {
        self.read::<1>(offset).map(|[byte]| byte)
    }

    /// The big-endian 16-bit value at `offset`.
    #[inline(always)]
    fn be16(&self, offset: usize) -> Option<u16> {
        self.read(offset).map(u16::from_be_bytes)
    }
}

impl Bytes for [u8] {
    #[inline(always)]
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.get(offset..)?.first_chunk().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::Bytes;

    #[test]
    fn a_read_past_the_end_or_at_the_end_of_the_address_space_is_none() {
        let bytes: &[u8] = &[1, 2, 3];
        assert_eq!(bytes.read::<2>(1), Some([2, 3]));
        assert_eq!(bytes.read::<2>(2), None);
        assert_eq!(bytes.be16(0), Some(0x0102));
        assert_eq!(bytes.byte(usize::MAX), None);
    }
}
