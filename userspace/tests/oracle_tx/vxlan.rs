//! Tunnels: the kernel's own VXLAN device over the interface whose packets are compared.
//!
//! What is inside is sent into the VXLAN device, which puts the outer headers around the whole super-packet; it
//! is cut where it leaves. What the kernel chooses for each super-packet (outer source port, identification,
//! TOS, flow label) is read from the first wire packet; all else is built here, and is what the engine is given.

use std::os::fd::OwnedFd;

use anyhow::{Context, Result};
use sluice_common::testing::{Encapsulation, Field, Frame, OuterUdp, Packet, Tunnel};

use crate::case::{Case, transport_at};
use crate::compare::Tally;
use crate::dice::Dice;
use crate::generate;
use crate::kernel::Kernel;

/// Outer IPv4 and IPv6, each without and with UDP checksum.
const DEVICES: [(&str, &str); 4] = [
    ("vx0", "id 42 local 192.0.2.1 remote 192.0.2.2 noudpcsum df unset"),
    ("vx1", "id 42 local 192.0.2.1 remote 192.0.2.2 udpcsum df set"),
    ("vx2", "id 42 local 2001:db8::1 remote 2001:db8::2 udp6zerocsumtx"),
    ("vx3", "id 42 local 2001:db8::1 remote 2001:db8::2 noudp6zerocsumtx"),
];

/// Where the devices' super-packets are sent in.
#[derive(Debug)]
pub(crate) struct Vxlan {
    kernel: Kernel,
    senders: Vec<OwnedFd>,
}

impl Vxlan {
    pub(crate) fn new() -> Result<Self> {
        let kernel = Kernel::new()?;
        let host = kernel.namespace();
        host.ip_batch(
            "link set out0 address 02:00:00:00:00:01\n\
             address add 192.0.2.1/24 dev out0\naddress add 2001:db8::1/64 dev out0 nodad\n\
             neighbour add 192.0.2.2 lladdr 02:00:00:00:00:02 dev out0\n\
             neighbour add 2001:db8::2 lladdr 02:00:00:00:00:02 dev out0\n",
        )?;
        for (n, (name, is)) in DEVICES.iter().enumerate() {
            // Two devices of one family, port and VNI would be one tunnel twice.
            let is = is.replace("id 42", &format!("id {}", 42 + n));
            host.ip(&format!(
                "link add {name} mtu 65400 type vxlan {is} dev out0 dstport 4789 ttl 63 nolearning"
            ))?;
            // Or it asks around for groups, through the tunnel.
            let quiet = format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6");
            host.run(|| std::fs::write(quiet, "1"))?;
            host.ip(&format!("link set {name} up"))?;
        }
        let senders = DEVICES.iter().map(|(name, _)| kernel.sender(name)).collect::<Result<_>>()?;
        Ok(Self { kernel, senders })
    }

    /// One super-packet through one of the devices.
    pub(crate) fn judge(&self, dice: &mut Dice, label: &str, tally: &mut Tally) -> Result<()> {
        let which = dice.between(0, DEVICES.len() - 1);
        let inner = inner(dice);
        let answer = self.kernel.segment_from(&self.senders[which], &inner)?;
        let first = answer.as_ref().ok().and_then(|packets| packets.first());
        let first = first.with_context(|| format!("{label}: the kernel refused {inner:?}"))?;
        let packet = Packet { macs: Packet::tcp4().macs, ..inner.packet.clone() };
        let packet = packet.inside(outer(which, &inner.packet, first));
        let case = Case::new("inside VXLAN", packet, inner.vnet.gso_size);
        tally.answered(&case, label, &answer)
    }
}

/// What is sent into the device: more than one segment, and room for the headers around it.
fn inner(dice: &mut Dice) -> Case {
    let case = if dice.one_in(2) { generate::tcp(dice) } else { generate::uso(dice) };
    // A frame with a tag is cut by the VXLAN device, before it has outer headers.
    let mut packet = Packet { macs: Frame::default().macs, tags: Vec::new(), ..case.packet };
    if packet.payload.len() < 2 {
        packet.payload = vec![7; 100];
    }
    let room = 65_000 - transport_at(&packet) - 60;
    packet.payload.truncate(room);
    let size = usize::from(case.vnet.gso_size)
        .min(packet.payload.len() - 1)
        .max(packet.payload.len() / 128 + 1);
    // More than the options beyond the size, or the kernel finds nothing to cut.
    let size = size.min(packet.payload.len().saturating_sub(packet.options.len() + 1).max(1));
    Case::new("inner", packet, size as u16)
}

/// The headers around `inner`, with what the kernel chose for them in the frame `first`.
fn outer(which: usize, inner: &Packet, first: &[u8]) -> Tunnel {
    let be16 = |at: usize| u16::from_be_bytes([first[at], first[at + 1]]);
    let is_ipv6 = which >= 2;
    let mut tunnel = Tunnel::vxlan();
    tunnel.frame = Some(Frame { macs: inner.macs, tags: inner.tags.clone() });
    tunnel.ttl = 63;
    if is_ipv6 {
        tunnel = tunnel.over_ipv6();
        let word = u32::from_be_bytes([first[14], first[15], first[16], first[17]]);
        (tunnel.tos, tunnel.flow_label) = ((word >> 20) as u8, word & 0xf_ffff);
    } else {
        (tunnel.tos, tunnel.id) = (first[15], be16(18));
        tunnel.fragment_word = if which == 1 { 0x4000 } else { 0 };
    }
    let udp = if is_ipv6 { 54 } else { 34 };
    let checksum = if which.is_multiple_of(2) { Field::Is(0) } else { Field::Partial };
    let ours = OuterUdp { src_port: be16(udp), dst_port: 4789, checksum };
    if let Some(there) = tunnel.udp_mut() {
        *there = ours;
    }
    if let Encapsulation::Vxlan { vni, .. } = &mut tunnel.encapsulation {
        *vni = 42 + which as u32;
    }
    tunnel
}
