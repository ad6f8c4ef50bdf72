//! TCP (RFC 9293).
//!
//! ```text
//!  0               1               2               3
//! ┌───────────────────────────────┬───────────────────────────────┐
//! │ source port                   │ destination port              │  0
//! ├───────────────────────────────┴───────────────────────────────┤
//! │ sequence number                                               │  4
//! ├───────────────────────────────────────────────────────────────┤
//! │ acknowledgement number                                        │  8
//! ├───────┬───────┬───────────────┬───────────────────────────────┤
//! │offset │ rsvd  │ flags         │ window                        │ 12
//! ├───────┴───────┴───────────────┼───────────────────────────────┤
//! │ checksum                      │ urgent pointer                │ 16
//! └───────────────────────────────┴───────────────────────────────┘
//! ```

use super::Options;

/// Bytes of a header without options.
pub const HEADER_LEN: usize = 20;
/// Where the checksum stands in the header: `csum_offset` in a virtio-net header.
pub const CHECKSUM: usize = 16;
/// Kind of the option that says the largest segment its sender can take, two bytes of data (RFC 9293 §3.7.1).
pub const MSS: u8 = 2;
/// Kind of the option that signs a segment with MD5 (RFC 2385).
pub const MD5: u8 = 19;
/// Kind of the option that authenticates a segment, TCP-AO (RFC 5925).
pub const AO: u8 = 29;

/// The options of the header that `bytes` begin with; `None` if it is not all there, or its length says less
/// than [`HEADER_LEN`].
#[inline]
#[must_use]
pub fn options(bytes: &[u8]) -> Option<Options<'_>> {
    let len = Segment::new(bytes)?.header_len();
    let header = bytes.get(..len).filter(|header| header.len() >= HEADER_LEN)?;
    Some(Options::new(header, HEADER_LEN))
}

/// The eight flags of byte 13.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Flags(pub u8);

impl Flags {
    /// No more data from the sender.
    pub const FIN: Self = Self(0x01);
    /// Synchronise sequence numbers.
    pub const SYN: Self = Self(0x02);
    /// Reset the connection.
    pub const RST: Self = Self(0x04);
    /// Push.
    pub const PSH: Self = Self(0x08);
    /// The acknowledgement number counts.
    pub const ACK: Self = Self(0x10);
    /// The urgent pointer counts.
    pub const URG: Self = Self(0x20);
    /// ECN echo (RFC 3168).
    pub const ECE: Self = Self(0x40);
    /// Congestion window reduced (RFC 3168); a counter bit under AccECN.
    pub const CWR: Self = Self(0x80);
    /// FIN and PSH, which join a train and close it (G21).
    pub const CLOSING: Self = Self::FIN.with(Self::PSH);

    /// Whether any flag of `other` is set.
    #[inline(always)]
    #[must_use]
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// These flags and those of `other`.
    #[inline(always)]
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// These flags but those of `other`.
    #[inline(always)]
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// A view of bytes that begin with a TCP header.
#[derive(Clone, Copy, Debug)]
pub struct Segment<T>(T);

impl<T: AsRef<[u8]>> Segment<T> {
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

    #[inline(always)]
    fn be32(&self, at: usize) -> u32 {
        u32::from(self.be16(at)) << 16 | u32::from(self.be16(at + 2))
    }

    /// Source port.
    #[inline(always)]
    pub fn source(&self) -> u16 {
        self.be16(0)
    }

    /// Destination port.
    #[inline(always)]
    pub fn destination(&self) -> u16 {
        self.be16(2)
    }

    /// Sequence number of the first payload byte.
    #[inline(always)]
    pub fn seq(&self) -> u32 {
        self.be32(4)
    }

    /// Acknowledgement number.
    #[inline(always)]
    pub fn ack(&self) -> u32 {
        self.be32(8)
    }

    /// Length of the header in bytes, options included: four times the data offset, so 0..=60.
    #[inline(always)]
    pub fn header_len(&self) -> usize {
        usize::from(self.0.as_ref()[12] >> 4) * 4
    }

    /// The four bits between data offset and flags; the lowest is AccECN's AE.
    #[inline(always)]
    pub fn reserved(&self) -> u8 {
        self.0.as_ref()[12] & 0x0f
    }

    /// Flags.
    #[inline(always)]
    pub fn flags(&self) -> Flags {
        Flags(self.0.as_ref()[13])
    }

    /// Receive window, unscaled.
    #[inline(always)]
    pub fn window(&self) -> u16 {
        self.be16(14)
    }

    /// The checksum as it stands.
    #[inline(always)]
    pub fn checksum(&self) -> u16 {
        self.be16(CHECKSUM)
    }

    /// The options, padding included; empty where the data offset is out of range.
    #[inline(always)]
    pub fn options(&self) -> &[u8] {
        self.0.as_ref().get(HEADER_LEN..self.header_len()).unwrap_or_default()
    }
}

impl<T: AsMut<[u8]>> Segment<T> {
    /// Sets the sequence number. The checksum is not touched.
    #[inline(always)]
    pub fn set_seq(&mut self, seq: u32) {
        self.0.as_mut()[4..8].copy_from_slice(&seq.to_be_bytes());
    }

    /// Sets the flags. The checksum is not touched.
    #[inline(always)]
    pub fn set_flags(&mut self, flags: Flags) {
        self.0.as_mut()[13] = flags.0;
    }

    /// Sets the checksum.
    #[inline(always)]
    pub fn set_checksum(&mut self, checksum: u16) {
        self.0.as_mut()[CHECKSUM..CHECKSUM + 2].copy_from_slice(&checksum.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: [u8; 24] = [
        0x14, 0x51, 0x00, 0x50, 1, 2, 3, 4, 5, 6, 7, 8, 0x61, 0x99, 0xff, 0xfe, 0xaa, 0xbb, 0, 7,
        1, 1, 1, 0,
    ];

    #[test]
    fn getters_read_the_fields_of_rfc_9293() {
        let segment = Segment::new(&HEADER[..]).unwrap();
        assert_eq!((segment.source(), segment.destination()), (5201, 80));
        assert_eq!((segment.seq(), segment.ack()), (0x0102_0304, 0x0506_0708));
        assert_eq!((segment.header_len(), segment.reserved()), (24, 1));
        assert_eq!(segment.flags(), Flags::CWR.with(Flags::ACK).with(Flags::PSH).with(Flags::FIN));
        assert_eq!((segment.window(), segment.checksum()), (0xfffe, 0xaabb));
        assert_eq!(segment.options(), [1, 1, 1, 0]);
        assert!(Segment::new(&HEADER[..19]).is_none());
    }

    #[test]
    fn a_data_offset_below_five_has_no_options() {
        let mut bytes = HEADER;
        bytes[12] = 0x40;
        assert_eq!(Segment::new(&bytes[..]).unwrap().options(), [0_u8; 0]);
    }

    #[test]
    fn options_are_found_where_the_whole_header_is() {
        let mut bytes = HEADER;
        bytes[20..].copy_from_slice(&[MSS, 4, 0x05, 0xb4]);
        let found = options(&bytes).unwrap().next().unwrap();
        assert_eq!((found.kind, found.data, found.at), (MSS, &[0x05, 0xb4][..], 20));
        assert!(options(&bytes[..23]).is_none(), "cut short");
        bytes[12] = 0x41;
        assert!(options(&bytes).is_none(), "a data offset below five");
        bytes[12] = 0x51;
        assert_eq!(options(&bytes).unwrap().next(), None, "what follows the header is no option");
    }

    #[test]
    fn setters_write_what_getters_read() {
        let mut bytes = HEADER;
        let mut segment = Segment::new(&mut bytes[..]).unwrap();
        segment.set_seq(0xdead_beef);
        segment.set_flags(Flags::ACK);
        segment.set_checksum(0x1234);
        assert_eq!((segment.seq(), segment.flags()), (0xdead_beef, Flags::ACK));
        assert_eq!(segment.checksum(), 0x1234);
        assert_eq!(segment.flags().with(Flags::PSH).without(Flags::ACK), Flags::PSH);
    }
}
