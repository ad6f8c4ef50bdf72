//! What the kernel coalesces at all. What it does not is passed by the engine too.

use anyhow::{Result, ensure};
use sluice_common::testing::Packet;
use sluice_common::wire::EtherType;

use crate::bed::Bed;

/// What the kernel coalesces, as it is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    /// Plain UDP: where the interface was told to.
    pub(crate) udp: bool,
    /// Packets with VLAN tags: where the kernel has 8021q.
    pub(crate) vlan: bool,
}

impl Offer {
    /// What it does with two packets of each kind. TCP it has to merge.
    pub(crate) fn of(bed: &mut Bed) -> Result<Self> {
        let mut merges = |first: Packet| -> Result<bool> {
            let pair = [first.build(), first.next().build()];
            Ok(bed.run(&pair)?.len() == 1)
        };
        ensure!(merges(Packet::tcp4())?, "this kernel does not even merge plain TCP");
        Ok(Self {
            udp: merges(Packet::udp4())?,
            vlan: merges(Packet { tags: vec![(EtherType::VLAN, 5)], ..Packet::tcp4() })?,
        })
    }
}
