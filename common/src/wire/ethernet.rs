//! Ethernet II (IEEE 802.3 §3.1.1).
//!
//! ```text
//!  0            6            12         14
//! ┌────────────┬────────────┬──────────┬─ ─ ─
//! │ destination│ source     │ EtherType│ payload
//! └────────────┴────────────┴──────────┴─ ─ ─
//! ```

/// Bytes of an Ethernet header without VLAN tags.
pub const HEADER_LEN: usize = 14;
/// Where the EtherType stands; a VLAN tag is put here and moves the EtherType back by four bytes.
pub const ETHERTYPE: usize = 12;
/// The shortest frame a wire carries, without its check sequence; shorter ones are padded.
pub const MIN_FRAME_LEN: usize = 60;

/// An EtherType (IANA "IEEE 802 Numbers"), host byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct EtherType(pub u16);

impl EtherType {
    /// IPv4.
    pub const IPV4: Self = Self(0x0800);
    /// ARP.
    pub const ARP: Self = Self(0x0806);
    /// An Ethernet frame in GRE or Geneve (transparent Ethernet bridging, RFC 1701).
    pub const TEB: Self = Self(0x6558);
    /// A VLAN tag (802.1Q).
    pub const VLAN: Self = Self(0x8100);
    /// The outer tag of a QinQ pair (802.1ad).
    pub const QINQ: Self = Self(0x88a8);
    /// IPv6.
    pub const IPV6: Self = Self(0x86dd);

    /// Whether a VLAN tag follows.
    #[inline(always)]
    #[must_use]
    pub const fn is_tag(self) -> bool {
        matches!(self, Self::VLAN | Self::QINQ)
    }
}

/// A MAC address.
pub type Mac = [u8; 6];

/// Writes an untagged Ethernet header into the first [`HEADER_LEN`] bytes of `out`.
///
/// # Panics
/// If `out` is shorter than [`HEADER_LEN`].
pub fn write_header(out: &mut [u8], destination: Mac, source: Mac, ethertype: EtherType) {
    out[0..6].copy_from_slice(&destination);
    out[6..12].copy_from_slice(&source);
    out[ETHERTYPE..HEADER_LEN].copy_from_slice(&ethertype.0.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_destination_source_type() {
        let mut out = [0; HEADER_LEN];
        write_header(&mut out, [1; 6], [2; 6], EtherType::IPV6);
        assert_eq!(out, [1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 0x86, 0xdd]);
    }
}
