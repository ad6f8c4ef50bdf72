//! What the kernel coalesces at all. What it does not is passed by the engine too.

use anyhow::{Result, ensure};
use sluice_common::offload::Profile;
use sluice_common::testing::{Packet, Tunnel};
use sluice_common::wire::tcp::Flags;
use sluice_common::wire::{EtherType, TunnelPorts, geneve, vxlan};

use crate::bed::Bed;

/// What the kernel coalesces, as it is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    /// What it does with CWR.
    pub(crate) cwr: Cwr,
    /// Plain UDP: where the interface was told to.
    pub(crate) udp: bool,
    /// Packets with VLAN tags: where the kernel has 8021q.
    pub(crate) vlan: bool,
    /// VXLAN on its port: where there is a device for it.
    pub(crate) vxlan: bool,
    /// Geneve on its port: where the kernel has it and there is a device.
    pub(crate) geneve: bool,
}

/// What becomes of TCP packets with CWR (G15): Linux has changed its mind more than once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cwr {
    /// Up to 6.14 such a packet may start a train.
    Starts,
    /// From then on it merges with none.
    Alone,
    /// Later the bit is one like others, as AccECN has it.
    Counted,
}

impl Cwr {
    /// By whether a packet with it merges with one without, and with one that has it too.
    fn of(bed: &mut Bed) -> Result<Self> {
        let with = Packet { flags: Flags::ACK.with(Flags::CWR), ..Packet::tcp4() };
        let without = Packet { flags: Flags::ACK, ..with.next() };
        Ok(match (pair_merges(bed, &with, &without)?, pair_merges(bed, &with, &with.next())?) {
            (true, _) => Self::Starts,
            (false, true) => Self::Counted,
            (false, false) => Self::Alone,
        })
    }
}

fn pair_merges(bed: &mut Bed, first: &Packet, second: &Packet) -> Result<bool> {
    Ok(bed.run(&[first.build(), second.build()])?.len() == 1)
}

impl Offer {
    /// What it does with two packets of each kind. TCP it has to merge, and tunnels that need no device.
    pub(crate) fn of(bed: &mut Bed) -> Result<Self> {
        let cwr = Cwr::of(bed)?;
        let mut merges = |first: Packet| pair_merges(bed, &first, &first.next());
        ensure!(merges(Packet::tcp4())?, "this kernel does not even merge plain TCP");
        let tunnels = [Tunnel::ip4(), Tunnel::ip6(), Tunnel::gre(), Tunnel::gre().over_ipv6()];
        for tunnel in tunnels {
            let kind = format!("{:?} over {}", tunnel.encapsulation, tunnel.src);
            ensure!(merges(inside(tunnel))?, "this kernel does not merge {kind}");
        }
        Ok(Self {
            cwr,
            vxlan: merges(inside(Tunnel::vxlan()))?,
            geneve: merges(inside(Tunnel::geneve()))?,
            udp: merges(Packet::udp4())?,
            vlan: merges(Packet { tags: vec![(EtherType::VLAN, 5)], ..Packet::tcp4() })?,
        })
    }

    /// The profile that does with CWR as the kernel does.
    pub(crate) fn profile(self) -> Profile {
        if self.cwr == Cwr::Counted { Profile::AccEcn } else { Profile::Linux }
    }

    /// Which UDP ports are a tunnel's: for the kernel those with a device.
    pub(crate) fn ports(self) -> TunnelPorts {
        let vxlan = if self.vxlan { &[vxlan::PORT][..] } else { &[] };
        let geneve = if self.geneve { &[geneve::PORT][..] } else { &[] };
        TunnelPorts::new(vxlan, geneve).expect("one port of each kind")
    }
}

fn inside(tunnel: Tunnel) -> Packet {
    Packet { tunnel: Some(Box::new(tunnel)), ..Packet::tcp4() }
}
