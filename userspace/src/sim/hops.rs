//! Next hops that are known, or are not.

use sluice_common::wire::{Addresses, EtherType, ethernet::Mac};

use super::record::Record;
use crate::port::{LinkHeader, NextHops};

/// [`NextHops`] with one answer for all.
#[derive(Debug, Default)]
pub struct FixedHops {
    /// Destination and source of every link header; `None`: no next hop is known.
    pub link: Option<(Mac, Mac)>,
    /// The kernel's own path refuses what it is given.
    pub refuse: bool,
    /// What took the kernel's own path, oldest first.
    pub kernel: Record,
}

impl FixedHops {
    /// Every next hop is at `destination`, and is sent to from `source`.
    #[must_use]
    pub fn known(destination: Mac, source: Mac) -> Self {
        Self { link: Some((destination, source)), ..Self::default() }
    }
}

impl NextHops for FixedHops {
    fn link_header(&mut self, packet: &Addresses) -> Option<LinkHeader> {
        let ethertype = match packet {
            Addresses::V4 { .. } => EtherType::IPV4,
            Addresses::V6 { .. } => EtherType::IPV6,
        };
        self.link.map(|(destination, source)| LinkHeader::new(destination, source, ethertype))
    }

    fn kernel_path(&mut self, packet: &[u8], _: &Addresses) -> bool {
        if !self.refuse {
            self.kernel.push([packet]);
        }
        !self.refuse
    }
}
