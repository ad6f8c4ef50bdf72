//! What the outer headers of a tunnel's packet say, before any train is looked at (G26, G31–G33).

use super::packet::{Examined, Facts, Lengths, Verified, examine_plain, sum_of_transport, verify};
use super::train::OuterLayout;
use super::{Buffer, GroConfig, GsoType, RxChecksum, rules};
use crate::checksum::{Sum, pseudo_header, sum};
use crate::flow::FlowKey;
use crate::reason::FlushReason;
use crate::wire::{Bytes, Headers, NotInside, Protocol, Tunnel, TunnelKind, gre, udp};

/// What has been found out about the headers around an inner packet.
pub(super) struct OuterFacts<'a> {
    pub(super) headers: &'a Headers,
    pub(super) tunnel: &'a Tunnel,
    /// The IP header, options or extension headers included, as far as it is there.
    pub(super) network: &'a [u8],
    /// Whether the outer lengths agree with the bytes, and UDP's with IP's.
    pub(super) agree: bool,
    /// Of the outer UDP header, or of GRE.
    pub(super) checksum: Verified,
}

impl OuterFacts<'_> {
    pub(super) fn layout(&self) -> OuterLayout {
        let Headers { network, transport, .. } = *self.headers;
        let Tunnel { kind, payload, .. } = *self.tunnel;
        OuterLayout { kind, network, transport, payload }
    }

    /// G28: which tunnel segmentation makes again.
    pub(super) fn gso_type(&self) -> GsoType {
        let has_checksum = !matches!(self.checksum, Verified::Absent);
        match self.tunnel.kind {
            TunnelKind::Vxlan | TunnelKind::Geneve if has_checksum => GsoType::UDP_TUNNEL_CSUM,
            TunnelKind::Vxlan | TunnelKind::Geneve => GsoType::UDP_TUNNEL,
            TunnelKind::Gre if has_checksum => GsoType::GRE_CSUM,
            TunnelKind::Gre => GsoType::GRE,
            TunnelKind::Ip if self.headers.is_ipv6() => GsoType::IPXIP6,
            TunnelKind::Ip => GsoType::IPXIP4,
        }
    }
}

/// Looks at a packet in which a tunnel was found.
pub(super) fn examine_inside<H: Buffer>(
    packet: &H,
    outer: &Headers,
    found: Result<Tunnel, NotInside>,
    segment_size: u16,
    config: &GroConfig,
) -> Examined {
    let tunnel = match found {
        Ok(tunnel) => tunnel,
        Err(why) => return closed(packet, outer, why, config),
    };
    let (head, inner) = (packet.head(), &tunnel.inner);
    let lengths = Lengths::of(head, packet.total_len(), outer, config.link);
    if is_partial(head, &lengths, outer, tunnel.kind, config.rx_checksum) {
        let plain = examine_plain(packet, outer, 0, config);
        let refusal = Some(FlushReason::OuterChecksum);
        return Examined { flow: FlowKey::inside(outer, &tunnel), refusal, ..plain };
    }
    let inside = lengths.inside(head, inner);
    let payload = inside.payload(head, inner);
    let checksum =
        payload.map_or(Verified::Unknown, |_| verify(packet, lengths.end, inner, config));
    let outer_facts = OuterFacts {
        headers: outer,
        tunnel: &tunnel,
        network: head.get(outer.network.into()..outer.transport.into()).unwrap_or_default(),
        agree: lengths.agree && udp_agrees(head, outer, tunnel.kind, lengths.end),
        checksum: verify_outer(head, lengths.end, outer, &tunnel, checksum, config),
    };
    let facts = Facts {
        head,
        headers: inner,
        end: lengths.end,
        payload,
        checksum,
        outer: Some(&outer_facts),
    };
    Examined {
        flow: FlowKey::inside(outer, &tunnel),
        refusal: rules::outer_refusal(&outer_facts, config)
            .or_else(|| rules::refusal(&facts, config)),
        ..facts.examined(packet.pieces(), segment_size)
    }
}

/// A tunnel's packet that cannot be looked into: like any other of its outer protocol, but plain UDP
/// never merges on a tunnel's port (G33).
fn closed<H: Buffer>(packet: &H, outer: &Headers, why: NotInside, config: &GroConfig) -> Examined {
    let plain = examine_plain(packet, outer, 0, config);
    let reason = match why {
        NotInside::Header => FlushReason::TunnelHeader,
        NotInside::Fragment => Fragment,
        NotInside::Protocol(_) | NotInside::Inner(_) => FlushReason::NotMergeable,
    };
    use FlushReason::{BadIpChecksum, BadLength, Disabled, Fragment, Ipv4Options};
    // What the outer IP header says comes first; what plain UDP would say means nothing here.
    let refusal = match plain.refusal {
        Some(Disabled) if !config.enabled => Disabled,
        Some(said @ (Fragment | Ipv4Options | BadLength | BadIpChecksum)) => said,
        _ => reason,
    };
    Examined { refusal: Some(refusal), ..plain }
}

/// Whether the outer UDP checksum is left to a NIC, its field the pseudo-header sum. A train has one
/// checksum to be completed, and it is the inner one.
fn is_partial(
    head: &[u8],
    lengths: &Lengths,
    outer: &Headers,
    kind: TunnelKind,
    rx: RxChecksum,
) -> bool {
    let transport = usize::from(outer.transport);
    if rx != RxChecksum::Partial || !kind.is_udp() || !lengths.agree {
        return false;
    }
    let len = (lengths.end - transport) as u16;
    let pseudo = pseudo_header(&outer.addresses, Protocol::UDP, len);
    head.be16(transport + udp::CHECKSUM) == Some(pseudo.folded())
}

fn udp_agrees(head: &[u8], outer: &Headers, kind: TunnelKind, end: usize) -> bool {
    let transport = usize::from(outer.transport);
    let agrees = |len| transport + usize::from(len) == end;
    !kind.is_udp() || head.be16(transport + udp::LENGTH).is_some_and(agrees)
}

/// G31, G32: the outer checksum, where the inner one, `inner`, holds. Nothing of the inner payload is
/// summed again: what the inner checksum covers sums to the complement of its pseudo header.
fn verify_outer(
    head: &[u8],
    end: usize,
    outer: &Headers,
    tunnel: &Tunnel,
    inner: Verified,
    config: &GroConfig,
) -> Verified {
    let transport = usize::from(outer.transport);
    let at = match tunnel.kind {
        TunnelKind::Vxlan | TunnelKind::Geneve => transport + udp::CHECKSUM,
        TunnelKind::Gre if head.be16(transport).unwrap_or(0) & gre::CHECKSUM != 0 => {
            transport + gre::CHECKSUM_AT
        }
        TunnelKind::Gre | TunnelKind::Ip => return Verified::Absent,
    };
    let is_udp = tunnel.kind.is_udp();
    let field = head.be16(at).unwrap_or(0);
    if is_udp && field == 0 {
        return Verified::Absent;
    }
    if config.rx_checksum == RxChecksum::Trust {
        return Verified::Good;
    }
    if !matches!(inner, Verified::Good | Verified::AllOnes | Verified::Partial) {
        return Verified::Unknown;
    }
    let header = head.get(transport..tunnel.inner.transport.into()).unwrap_or_default();
    let pseudo = if is_udp {
        pseudo_header(&outer.addresses, Protocol::UDP, (end - transport) as u16)
    } else {
        Sum::default()
    };
    Verified::of(pseudo + sum(header) + sum_of_transport(&tunnel.inner, end), field, is_udp)
}
