//! IP protocol numbers.

/// An IP protocol number: IPv4's Protocol field, IPv6's Next Header (IANA "Assigned Internet
/// Protocol Numbers").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Protocol(pub u8);

impl Protocol {
    /// IPv6 Hop-by-Hop Options (RFC 8200 §4.3).
    pub const HOP_BY_HOP: Self = Self(0);
    /// ICMP (RFC 792).
    pub const ICMP: Self = Self(1);
    /// IPv4 in IP (RFC 2003, RFC 2473).
    pub const IPV4: Self = Self(4);
    /// TCP (RFC 9293).
    pub const TCP: Self = Self(6);
    /// UDP (RFC 768).
    pub const UDP: Self = Self(17);
    /// IPv6 in IP (RFC 4213, RFC 2473).
    pub const IPV6: Self = Self(41);
    /// IPv6 Routing header (RFC 8200 §4.4).
    pub const ROUTING: Self = Self(43);
    /// IPv6 Fragment header (RFC 8200 §4.5).
    pub const FRAGMENT: Self = Self(44);
    /// GRE (RFC 2784).
    pub const GRE: Self = Self(47);
    /// ICMPv6, neighbour discovery included (RFC 4443, RFC 4861).
    pub const ICMPV6: Self = Self(58);
    /// IPv6 Destination Options (RFC 8200 §4.6).
    pub const DESTINATION_OPTIONS: Self = Self(60);

    /// Whether this is an IPv6 extension header whose second byte is its length in units of eight
    /// bytes less one, so that a parser can step over it without knowing it.
    #[inline(always)]
    #[must_use]
    pub const fn is_skippable_extension(self) -> bool {
        matches!(self, Self::HOP_BY_HOP | Self::ROUTING | Self::DESTINATION_OPTIONS)
    }
}
