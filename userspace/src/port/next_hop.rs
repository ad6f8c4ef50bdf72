//! What stands in front of an IP packet on the wire, and who knows it.

use sluice_common::wire::{Addresses, ethernet, vlan};

/// A ready link header: Ethernet with up to two VLAN tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkHeader {
    len: u8,
    bytes: [u8; ethernet::HEADER_LEN + vlan::MAX_TAGS * vlan::TAG_LEN],
}

impl LinkHeader {
    /// An untagged header.
    #[must_use]
    pub fn new(
        destination: ethernet::Mac,
        source: ethernet::Mac,
        ethertype: ethernet::EtherType,
    ) -> Self {
        let mut bytes = [0; 22];
        ethernet::write_header(&mut bytes, destination, source, ethertype);
        Self { len: ethernet::HEADER_LEN as u8, bytes }
    }

    /// Whether it has no VLAN tag.
    #[must_use]
    pub fn is_untagged(&self) -> bool {
        self.as_bytes().len() == ethernet::HEADER_LEN
    }

    /// The header as it stands on the wire.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// Who knows the way: the next hop of each destination, from the kernel's routes and neighbours.
pub trait NextHops {
    /// The link header for a packet to `packet`'s destination. `None`: not known (yet); the packet is to
    /// take the kernel's own path with [`kernel_path`](Self::kernel_path), and the answer has been asked for.
    fn link_header(&mut self, packet: &Addresses) -> Option<LinkHeader>;

    /// Sends one IP packet, no larger than the MTU and with its checksums made, through the kernel's
    /// own stack. `false`: the kernel refused it.
    fn kernel_path(&mut self, packet: &[u8], addresses: &Addresses) -> bool;
}
