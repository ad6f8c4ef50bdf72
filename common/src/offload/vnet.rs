//! The virtio-net header that stands before each packet of a TUN device opened with `IFF_VNET_HDR`
//! (virtio 1.2 §5.1.6, Linux `include/uapi/linux/virtio_net.h`).
//!
//! ```text
//!  0       1        2         4          6            8             10
//! ┌───────┬────────┬─────────┬──────────┬────────────┬─────────────┐
//! │ flags │gso_type│ hdr_len │ gso_size │ csum_start │ csum_offset │  native byte order
//! └───────┴────────┴─────────┴──────────┴────────────┴─────────────┘
//! ```

/// How a train is to be segmented: the kinds of `virtio_net_hdr` in the lower eight bits, above them what
/// that header has no room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct GsoType(pub u32);

impl GsoType {
    /// Not to be segmented.
    pub const NONE: Self = Self(0);
    /// TCP over IPv4.
    pub const TCPV4: Self = Self(1);
    /// UDP, one datagram to be cut into IP fragments (UFO).
    pub const UDP: Self = Self(3);
    /// TCP over IPv6.
    pub const TCPV6: Self = Self(4);
    /// UDP, to be cut into datagrams (USO).
    pub const UDP_L4: Self = Self(5);
    /// A flag beside the kind: the first packet carries CWR (RFC 3168), the others do not.
    pub const ECN: Self = Self(0x80);
    /// A flag beside the kind: CWR is a counter bit and the same in all packets (AccECN).
    pub const ACCECN: Self = Self(0x100);
    /// A flag beside the kind: all packets carry the same IPv4 identification (G16).
    /// In a tunnel, all inner ones do (`SKB_GSO_TCP_FIXEDID_INNER`).
    pub const FIXED_ID: Self = Self(0x200);
    /// A flag beside the kind: in a tunnel, all outer IPv4 headers carry the same identification
    /// (`SKB_GSO_TCP_FIXEDID` beside an encapsulation).
    pub const OUTER_FIXED_ID: Self = Self(0x400);
    /// A flag beside the kind: inside VXLAN or Geneve, whose outer UDP checksum is 0
    /// (`SKB_GSO_UDP_TUNNEL`).
    pub const UDP_TUNNEL: Self = Self(0x800);
    /// A flag beside the kind: inside VXLAN or Geneve with an outer UDP checksum
    /// (`SKB_GSO_UDP_TUNNEL_CSUM`).
    pub const UDP_TUNNEL_CSUM: Self = Self(0x1000);
    /// A flag beside the kind: inside GRE without checksum (`SKB_GSO_GRE`).
    pub const GRE: Self = Self(0x2000);
    /// A flag beside the kind: inside GRE with a checksum (`SKB_GSO_GRE_CSUM`).
    pub const GRE_CSUM: Self = Self(0x4000);
    /// A flag beside the kind: inside IPv4, with nothing between the IP headers: IPIP, SIT
    /// (`SKB_GSO_IPXIP4`).
    pub const IPXIP4: Self = Self(0x8000);
    /// A flag beside the kind: inside IPv6, with nothing between the IP headers
    /// (`SKB_GSO_IPXIP6`).
    pub const IPXIP6: Self = Self(0x1_0000);

    /// The kind without flags.
    #[inline]
    #[must_use]
    pub const fn kind(self) -> Self {
        Self(self.0 & 0x7f)
    }

    /// The flags that say what it is inside of.
    pub const TUNNELS: Self = Self(
        Self::UDP_TUNNEL.0
            | Self::UDP_TUNNEL_CSUM.0
            | Self::GRE.0
            | Self::GRE_CSUM.0
            | Self::IPXIP4.0
            | Self::IPXIP6.0,
    );

    /// Whether it is inside a tunnel.
    #[inline]
    #[must_use]
    pub const fn is_encapsulated(self) -> bool {
        self.0 & Self::TUNNELS.0 != 0
    }

    /// Whether all bits of `flag` are set.
    #[inline]
    #[must_use]
    pub const fn has(self, flag: Self) -> bool {
        self.0 & flag.0 == flag.0
    }

    /// These bits and those of `other`.
    #[inline]
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What the transport checksum of a header that is written is to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChecksumMode {
    /// The folded pseudo-header sum: whoever sends it on a wire completes it.
    Partial,
    /// The checksum, header and payload summed.
    Full,
}

/// A virtio-net header, host byte order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VnetHeader {
    /// [`NEEDS_CSUM`](Self::NEEDS_CSUM), [`DATA_VALID`](Self::DATA_VALID).
    pub flags: u8,
    /// The lower eight bits of a [`GsoType`].
    pub gso_type: u8,
    /// Bytes of all headers: a hint, nothing relies on it.
    pub hdr_len: u16,
    /// Payload bytes of each packet but the last.
    pub gso_size: u16,
    /// Where the checksum begins to sum, in bytes from the start of the packet.
    pub csum_start: u16,
    /// Where the checksum stands, in bytes from `csum_start`.
    pub csum_offset: u16,
}

impl VnetHeader {
    /// Bytes of the header.
    pub const LEN: usize = 10;
    /// Flag: the checksum field holds the pseudo-header sum and is to be completed.
    pub const NEEDS_CSUM: u8 = 1;
    /// Flag: the checksum has been verified.
    pub const DATA_VALID: u8 = 2;

    /// The header in the first [`LEN`](Self::LEN) of `bytes`, `None` if they are fewer.
    #[inline]
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let &[flags, gso_type, h0, h1, g0, g1, s0, s1, o0, o1] = bytes.first_chunk()?;
        Some(Self {
            flags,
            gso_type,
            hdr_len: u16::from_ne_bytes([h0, h1]),
            gso_size: u16::from_ne_bytes([g0, g1]),
            csum_start: u16::from_ne_bytes([s0, s1]),
            csum_offset: u16::from_ne_bytes([o0, o1]),
        })
    }

    /// The header, and the packet behind it.
    #[inline]
    #[must_use]
    pub fn split(bytes: &[u8]) -> Option<(Self, &[u8])> {
        Some((Self::parse(bytes)?, &bytes[Self::LEN..]))
    }

    /// The header as bytes.
    #[inline]
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::LEN] {
        let ([h0, h1], [g0, g1]) = (self.hdr_len.to_ne_bytes(), self.gso_size.to_ne_bytes());
        let ([s0, s1], [o0, o1]) = (self.csum_start.to_ne_bytes(), self.csum_offset.to_ne_bytes());
        [self.flags, self.gso_type, h0, h1, g0, g1, s0, s1, o0, o1]
    }

    /// The same for a packet that has `link` bytes of link header before it.
    #[inline]
    #[must_use]
    pub const fn behind(self, link: u16) -> Self {
        // Without a checksum to make, nobody asks where it begins.
        let moved = if self.needs_csum() { link } else { 0 };
        let hdr_len = if self.hdr_len == 0 { 0 } else { self.hdr_len.saturating_add(link) };
        Self { hdr_len, csum_start: self.csum_start.saturating_add(moved), ..self }
    }

    /// Whether the checksum is to be completed.
    #[inline]
    #[must_use]
    pub const fn needs_csum(&self) -> bool {
        self.flags & Self::NEEDS_CSUM != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g28_the_header_has_the_layout_of_virtio_net_hdr() {
        let header = VnetHeader {
            flags: VnetHeader::NEEDS_CSUM,
            gso_type: 0x81,
            hdr_len: 0x0102,
            gso_size: 0x0304,
            csum_start: 0x0506,
            csum_offset: 0x0708,
        };
        let words = [0x0102_u16, 0x0304, 0x0506, 0x0708].map(u16::to_ne_bytes);
        let bytes = header.to_bytes();
        assert_eq!(bytes[..2], [1, 0x81]);
        assert_eq!(bytes[2..], *words.as_flattened());
        assert_eq!(VnetHeader::parse(&bytes), Some(header));
        assert_eq!(VnetHeader::parse(&bytes[..9]), None);
        assert_eq!(VnetHeader::split(&bytes), Some((header, &[][..])));
        assert!(header.needs_csum());
    }

    #[test]
    fn what_stands_before_the_packet_moves_only_what_is_counted_from_its_start() {
        let super_packet = VnetHeader {
            flags: VnetHeader::NEEDS_CSUM,
            hdr_len: 40,
            csum_start: 20,
            csum_offset: 16,
            ..VnetHeader::default()
        };
        let moved = super_packet.behind(14);
        assert_eq!((moved.hdr_len, moved.csum_start, moved.csum_offset), (54, 34, 16));
        assert_eq!(VnetHeader::default().behind(14), VnetHeader::default());
        // What comes from outside may say anything.
        let hostile = VnetHeader { hdr_len: u16::MAX, csum_start: u16::MAX, ..super_packet };
        assert_eq!(hostile.behind(14), hostile);
    }

    #[test]
    fn flags_stand_beside_the_kind() {
        let both = GsoType::TCPV6.with(GsoType::ECN).with(GsoType::FIXED_ID);
        assert_eq!(both.kind(), GsoType::TCPV6);
        assert!(both.has(GsoType::ECN) && both.has(GsoType::FIXED_ID));
        assert!(!both.has(GsoType::ACCECN));
        assert_eq!(both.0 as u8, 0x84, "the lower eight bits are virtio's");
    }
}
