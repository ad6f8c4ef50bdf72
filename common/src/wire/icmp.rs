//! ICMP (RFC 792, RFC 1191) and ICMPv6 (RFC 4443): what routers tell senders.
//!
//! ```text
//!  0               1               2               3
//! ┌───────────────┬───────────────┬───────────────────────────────┐
//! │ type          │ code          │ checksum                      │  0
//! ├───────────────┴───────────────┼───────────────────────────────┤
//! │ unused                        │ MTU of the next hop           │  4  fragmentation needed
//! ├───────────────────────────────┴───────────────────────────────┤
//! │ MTU                                                           │  4  packet too big (ICMPv6)
//! ├───────────────────────────────────────────────────────────────┤
//! │ the packet this is about, its IP header first                 │  8
//! └─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ┘
//! ```

/// Bytes of the header.
pub const HEADER_LEN: usize = 8;
/// Code of [`Kind::DESTINATION_UNREACHABLE`]: fragmentation is needed, and DF set.
pub const FRAGMENTATION_NEEDED: u8 = 4;

/// A type of ICMP message (IANA "ICMP Type Numbers").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct Kind(pub u8);

impl Kind {
    /// Destination unreachable.
    pub const DESTINATION_UNREACHABLE: Self = Self(3);
    /// Source quench.
    pub const SOURCE_QUENCH: Self = Self(4);
    /// Redirect.
    pub const REDIRECT: Self = Self(5);
    /// Echo request.
    pub const ECHO: Self = Self(8);
    /// Time exceeded.
    pub const TIME_EXCEEDED: Self = Self(11);
    /// Parameter problem.
    pub const PARAMETER_PROBLEM: Self = Self(12);

    /// Whether it is an error message (RFC 1122 §3.2.2): nobody answers one with another.
    #[must_use]
    pub const fn is_error(self) -> bool {
        matches!(
            self,
            Self::DESTINATION_UNREACHABLE
                | Self::SOURCE_QUENCH
                | Self::REDIRECT
                | Self::TIME_EXCEEDED
                | Self::PARAMETER_PROBLEM
        )
    }
}

/// A type of ICMPv6 message (IANA "ICMPv6 Type Numbers").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct KindV6(pub u8);

impl KindV6 {
    /// Packet too big.
    pub const PACKET_TOO_BIG: Self = Self(2);
    /// Echo request.
    pub const ECHO: Self = Self(128);
    /// Redirect (RFC 4861 §4.5).
    pub const REDIRECT: Self = Self(137);

    /// Whether it is an error message (RFC 4443 §2.1), or a redirect, which likewise nobody answers with one
    /// (§2.4(e)).
    #[must_use]
    pub const fn is_error(self) -> bool {
        self.0 < 128 || matches!(self, Self::REDIRECT)
    }
}

/// A view of bytes that begin with an ICMP or ICMPv6 header.
#[derive(Clone, Copy, Debug)]
pub struct Message<T>(T);

impl<T: AsRef<[u8]>> Message<T> {
    /// A view of `bytes`, if they hold the header.
    #[inline]
    pub fn new(bytes: T) -> Option<Self> {
        (bytes.as_ref().len() >= HEADER_LEN).then_some(Self(bytes))
    }

    #[inline]
    fn be16(&self, at: usize) -> u16 {
        let bytes = self.0.as_ref();
        u16::from_be_bytes([bytes[at], bytes[at + 1]])
    }

    /// Type, in ICMP.
    #[inline]
    pub fn kind(&self) -> Kind {
        Kind(self.0.as_ref()[0])
    }

    /// Type, in ICMPv6.
    #[inline]
    pub fn kind_v6(&self) -> KindV6 {
        KindV6(self.0.as_ref()[0])
    }

    /// Code: what the type leaves open.
    #[inline]
    pub fn code(&self) -> u8 {
        self.0.as_ref()[1]
    }

    /// The checksum as it stands: over the whole message; in ICMPv6 with a pseudo header.
    #[inline]
    pub fn checksum(&self) -> u16 {
        self.be16(2)
    }

    /// The MTU of the next hop in bytes, where ICMP says that fragmentation is needed (RFC 1191 §4); 0 from
    /// a router that does not tell.
    #[inline]
    pub fn next_hop_mtu(&self) -> u16 {
        self.be16(6)
    }

    /// The MTU in bytes, where ICMPv6 says that a packet is too big.
    #[inline]
    pub fn mtu(&self) -> u32 {
        u32::from(self.be16(4)) << 16 | u32::from(self.be16(6))
    }
}

impl<T: AsMut<[u8]>> Message<T> {
    /// Sets type and code. The checksum is not touched.
    #[inline]
    pub fn set_kind(&mut self, kind: u8, code: u8) {
        self.0.as_mut()[..2].copy_from_slice(&[kind, code]);
    }

    /// Sets the checksum.
    #[inline]
    pub fn set_checksum(&mut self, checksum: u16) {
        self.0.as_mut()[2..4].copy_from_slice(&checksum.to_be_bytes());
    }

    /// Sets the MTU of either family; in ICMP it is below 65,536, and the unused field before it becomes 0.
    /// The checksum is not touched.
    #[inline]
    pub fn set_mtu(&mut self, mtu: u32) {
        self.0.as_mut()[4..8].copy_from_slice(&mtu.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn getters_read_the_fields_of_rfc_1191_and_rfc_4443() {
        let bytes = [3, 4, 0xab, 0xcd, 0, 7, 0x05, 0xdc];
        let message = Message::new(&bytes[..]).unwrap();
        assert_eq!((message.kind(), message.code()), (Kind::DESTINATION_UNREACHABLE, 4));
        assert_eq!((message.checksum(), message.next_hop_mtu()), (0xabcd, 1500));
        assert_eq!((message.kind_v6(), message.mtu()), (KindV6(3), 0x0007_05dc));
        assert!(Message::new(&bytes[..7]).is_none());
    }

    #[test]
    fn setters_write_what_getters_read() {
        let mut bytes = [0xee; 10];
        let mut message = Message::new(&mut bytes[..]).unwrap();
        message.set_kind(KindV6::PACKET_TOO_BIG.0, 1);
        message.set_checksum(0x1234);
        message.set_mtu(0x0001_0500);
        assert_eq!((message.kind_v6(), message.code()), (KindV6::PACKET_TOO_BIG, 1));
        assert_eq!((message.checksum(), message.mtu()), (0x1234, 0x0001_0500));
        message.set_mtu(1400);
        assert_eq!(message.next_hop_mtu(), 1400);
        assert_eq!(bytes, [2, 1, 0x12, 0x34, 0, 0, 5, 0x78, 0xee, 0xee]);
    }

    #[test]
    fn errors_are_told_from_what_is_asked_and_answered() {
        let errors = (0..=255).filter(|kind| Kind(*kind).is_error());
        assert!(errors.eq([3, 4, 5, 11, 12]));
        let errors = (0..=255).filter(|kind| KindV6(*kind).is_error());
        assert!(errors.eq((0..128).chain([137])));
    }
}
