//! Parts of a header of known length: what is read of them costs no look at the length.

/// In network byte order.
#[inline]
pub(super) fn word<const N: usize>(bytes: &[u8; N], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// As they lie in memory: what is only compared is not turned round.
#[inline]
pub(super) fn four<const N: usize>(bytes: &[u8; N], at: usize) -> u64 {
    u32::from_ne_bytes(part(bytes, at)).into()
}

#[inline]
pub(super) fn eight<const N: usize>(bytes: &[u8; N], at: usize) -> u64 {
    u64::from_ne_bytes(part(bytes, at))
}

#[inline]
pub(super) fn part<const N: usize, const LEN: usize>(bytes: &[u8; N], at: usize) -> [u8; LEN] {
    let mut part = [0; LEN];
    part.copy_from_slice(&bytes[at..at + LEN]);
    part
}
