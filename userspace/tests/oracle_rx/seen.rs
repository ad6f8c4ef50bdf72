//! What the exceptions are told by: a packet of a burst, and those before it.

use std::borrow::Cow;
use std::iter;

use sluice_common::checksum::{naive, pseudo_header};
use sluice_common::flow::FlowKey;
use sluice_common::wire::{
    Bytes, EtherType, Headers, Link, Protocol, Tunnel, TunnelKind, ethernet, gre, ipv4, tcp, udp,
    vlan,
};

use crate::engine::Handling;
use crate::offer::Offer;

/// A packet, parsed.
struct Parsed<'a> {
    bytes: &'a [u8],
    headers: Option<Headers>,
    tunnel: Option<Tunnel>,
    flow: Option<FlowKey>,
    /// What makes it another flow for Linux than one between the same endpoints.
    lane: Vec<u8>,
}

/// A burst, parsed.
pub(crate) struct Burst<'a> {
    packets: Vec<Parsed<'a>>,
    offer: Offer,
}

impl<'a> Burst<'a> {
    pub(crate) fn new(burst: &'a [Vec<u8>], offer: Offer) -> Self {
        let packets = burst.iter().map(|bytes| Parsed::new(bytes, offer)).collect();
        Self { packets, offer }
    }

    /// What makes packet `number` another flow for Linux than others between its endpoints.
    pub(crate) fn lane(&self, number: usize) -> &[u8] {
        &self.packets[number].lane
    }

    /// Packet `number`, where those before it are given to the engine as `before` says.
    pub(crate) fn packet<'b>(&'b self, number: usize, before: &'b [Handling]) -> Seen<'b> {
        Seen { burst: &self.packets, offer: self.offer, number, before }
    }
}

impl<'a> Parsed<'a> {
    fn new(bytes: &'a [u8], offer: Offer) -> Self {
        let readable = of_version_6(bytes);
        let headers = Headers::parse(&readable[..], Link::Ethernet).ok();
        let tunnel =
            headers.and_then(|outer| Tunnel::find(&readable, &outer, &offer.ports())?.ok());
        let flow = headers.as_ref().and_then(|outer| match &tunnel {
            Some(tunnel) => FlowKey::inside(outer, tunnel),
            None => FlowKey::of(outer),
        });
        let lane = headers.map_or_else(Vec::new, |outer| lane(bytes, &outer, tunnel.as_ref()));
        Self { bytes, headers, tunnel, flow, lane }
    }

    /// The checksum of a GRE header that has a key too.
    fn gre_checksum(&self) -> Option<u16> {
        let (outer, tunnel) = self.headers.zip(self.tunnel)?;
        let transport = usize::from(outer.transport);
        let both = gre::CHECKSUM | gre::KEY;
        let has = tunnel.kind == TunnelKind::Gre && self.bytes.be16(transport)? & both == both;
        self.bytes.be16(transport + gre::CHECKSUM_AT).filter(|_| has)
    }
}

/// Lanes from here on are told by GRE checksums too; no flow has so many others.
const GRE_LANES: usize = 100;

/// The packet; one with IPv6's EtherType as if it had its version too.
pub(crate) fn of_version_6(bytes: &[u8]) -> Cow<'_, [u8]> {
    let at = network_of(bytes);
    match bytes.get(at) {
        Some(byte) if bytes.be16(at - 2) == Some(EtherType::IPV6.0) && byte >> 4 != 6 => {
            let mut bytes = bytes.to_vec();
            bytes[at] = bytes[at] & 0x0f | 0x60;
            Cow::Owned(bytes)
        }
        _ => Cow::Borrowed(bytes),
    }
}

/// Where what is behind the Ethernet header and its tags begins.
pub(crate) fn network_of(bytes: &[u8]) -> usize {
    let is_tag = |at: &usize| bytes.be16(*at - 2).is_some_and(|kind| EtherType(kind).is_tag());
    let after_tags = |at: &usize| is_tag(at).then_some(at + vlan::TAG_LEN);
    iter::successors(Some(ethernet::HEADER_LEN), after_tags).last().unwrap_or_default()
}

/// The link header, what Linux takes for a flow of the outer IP header, the tunnel header with ports and inner
/// link header, and what it takes for one of the inner IP header.
fn lane(bytes: &[u8], outer: &Headers, tunnel: Option<&Tunnel>) -> Vec<u8> {
    let network = usize::from(outer.network);
    let mut lane = bytes[..network].to_vec();
    lane.extend(ip_lane(bytes, outer));
    if let Some(tunnel) = tunnel {
        lane.extend(tunnel_lane(bytes, outer, tunnel));
        lane.extend(ip_lane(bytes, &tunnel.inner));
    }
    lane
}

/// Of IPv6 the version, the flow label, the next header and the extension headers.
fn ip_lane(bytes: &[u8], headers: &Headers) -> Vec<u8> {
    let (network, transport) = (usize::from(headers.network), usize::from(headers.transport));
    if !headers.is_ipv6() {
        return Vec::new();
    }
    let [version, class, label0, label1] = bytes.read(network).unwrap_or_default();
    let mut lane = vec![version >> 4, class & 15, label0, label1];
    lane.extend(bytes.get(network + 6));
    lane.extend(bytes.get(network + 40..transport).unwrap_or_default());
    lane
}

/// UDP ports, and whether there is a checksum; GRE's flags and protocol; what follows, without checksums.
fn tunnel_lane(bytes: &[u8], outer: &Headers, tunnel: &Tunnel) -> Vec<u8> {
    let start = usize::from(outer.transport);
    let header = bytes.get(start..tunnel.inner.network.into()).unwrap_or_default();
    let mut lane = header.get(..4).unwrap_or_default().to_vec();
    let rest = if tunnel.kind.is_udp() {
        lane.push((header.be16(udp::CHECKSUM) == Some(0)).into());
        udp::HEADER_LEN
    } else if header.be16(0).unwrap_or(0) & gre::CHECKSUM != 0 {
        gre::CHECKSUM_AT + 2
    } else {
        4
    };
    lane.extend(header.get(rest..).unwrap_or_default());
    lane
}

/// One packet of a burst.
pub(crate) struct Seen<'a> {
    burst: &'a [Parsed<'a>],
    offer: Offer,
    number: usize,
    before: &'a [Handling],
}

impl<'a> Seen<'a> {
    fn this(&self) -> &'a Parsed<'a> {
        &self.burst[self.number]
    }

    /// What the kernel that got it coalesces.
    pub(crate) fn offer(&self) -> Offer {
        self.offer
    }

    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.this().bytes
    }

    /// Its IP headers, from the outside in.
    pub(crate) fn layers(&self) -> impl Iterator<Item = &'a Headers> {
        let Parsed { headers, tunnel, .. } = self.this();
        headers.iter().chain(tunnel.as_ref().map(|tunnel| &tunnel.inner))
    }

    /// The innermost ones.
    fn inner(&self) -> Option<&'a Headers> {
        self.layers().last()
    }

    pub(crate) fn tunnel(&self) -> Option<(&'a Headers, &'a Tunnel)> {
        let Parsed { headers, tunnel, .. } = self.this();
        headers.as_ref().zip(tunnel.as_ref())
    }

    pub(crate) fn is_tagged(&self) -> bool {
        let tunnel = self.this().tunnel.as_ref();
        let is_tag = |at: usize| matches!(self.bytes().be16(at), Some(0x8100 | 0x88a8));
        is_tag(12) || tunnel.is_some_and(|tunnel| tunnel.inner.vlan.count() > 0)
    }

    pub(crate) fn is_tcp(&self) -> bool {
        self.inner().is_some_and(|headers| headers.protocol == Protocol::TCP)
    }

    pub(crate) fn is_udp(&self) -> bool {
        self.inner().is_some_and(|headers| headers.protocol == Protocol::UDP)
    }

    /// Where the innermost transport header begins.
    pub(crate) fn transport(&self) -> usize {
        self.inner().map_or(0, |headers| headers.transport.into())
    }

    fn ip_header(&self, headers: &Headers) -> &'a [u8] {
        let range = usize::from(headers.network)..usize::from(headers.transport);
        self.bytes().get(range).unwrap_or_default()
    }

    /// Whether an IPv4 header has options.
    pub(crate) fn has_options(&self) -> bool {
        let has = |headers: &Headers| headers.transport - headers.network > ipv4::HEADER_LEN as u16;
        self.layers().any(|headers| !headers.is_ipv6() && has(headers))
    }

    /// Whether the checksum of an IPv4 header is wrong.
    pub(crate) fn has_bad_ip_checksum(&self) -> bool {
        let is_bad = |headers: &Headers| naive(self.ip_header(headers)).folded() != 0xffff;
        self.layers().any(|headers| !headers.is_ipv6() && is_bad(headers))
    }

    /// Where an IP packet ends, as its header has it.
    fn end(&self, headers: &Headers) -> usize {
        let (at, plus) = if headers.is_ipv6() { (4, 40) } else { (2, 0) };
        let network = usize::from(headers.network);
        network + usize::from(self.bytes().be16(network + at).unwrap_or(0)) + plus
    }

    /// Where the innermost IP packet ends.
    pub(crate) fn ip_end(&self) -> usize {
        self.inner().map_or(0, |headers| self.end(headers))
    }

    /// Whether Linux merges it with nothing for what an IP header says, and verifies no checksum after it.
    fn is_marked(&self, headers: &Headers) -> bool {
        let word = self.ip_header(headers).be16(6).unwrap_or(0);
        let is_reserved = !headers.is_ipv6() && word & ipv4::RESERVED != 0;
        is_reserved || self.end(headers) != self.bytes().len()
    }

    /// Whether a checksum that Linux verifies is wrong: that of the innermost transport header.
    pub(crate) fn has_bad_checksum(&self) -> bool {
        let Some(inner) = self.inner() else { return false };
        let is_there = self.is_tcp() || self.udp().is_some_and(|(checksum, _)| checksum != 0);
        let verified = is_there && !self.layers().any(|headers| self.is_marked(headers));
        verified && self.transport_sum(inner) != 0xffff
    }

    /// Whether the checksum of the outer UDP header, or GRE's, is there and was not found right.
    pub(crate) fn has_bad_outer_checksum(&self) -> bool {
        let Some((outer, tunnel)) = self.tunnel() else { return false };
        let transport = self.bytes().get(outer.transport.into()..).unwrap_or_default();
        match tunnel.kind {
            TunnelKind::Ip => false,
            TunnelKind::Gre => {
                let has = transport.be16(0).is_some_and(|flags| flags & gre::CHECKSUM != 0);
                has && !self.is_marked(outer) && naive(transport).folded() != 0xffff
            }
            _ => {
                let has = transport.be16(udp::CHECKSUM).is_some_and(|field| field != 0);
                has && (self.is_marked(outer) || self.transport_sum(outer) != 0xffff)
            }
        }
    }

    /// The sum of transport header, payload and pseudo header; 0xFFFF where the checksum is right.
    fn transport_sum(&self, headers: &Headers) -> u16 {
        let transport = self.bytes().get(headers.transport.into()..).unwrap_or_default();
        let pseudo = pseudo_header(&headers.addresses, headers.protocol, transport.len() as u16);
        (pseudo + naive(transport)).folded()
    }

    /// Whether all of the TCP or UDP header is there.
    pub(crate) fn has_transport_header(&self) -> bool {
        let len = if self.is_udp() {
            udp::HEADER_LEN
        } else {
            let words = self.bytes().byte(self.transport() + 12).unwrap_or(0) >> 4;
            if words < 5 {
                return false;
            }
            usize::from(words) * 4
        };
        self.transport() + len <= self.bytes().len()
    }

    /// The UDP checksum and length.
    pub(crate) fn udp(&self) -> Option<(u16, u16)> {
        let word = |at| self.bytes().be16(self.transport() + at).filter(|_| self.is_udp());
        Some((word(udp::CHECKSUM)?, word(udp::LENGTH)?))
    }

    pub(crate) fn flags(&self) -> tcp::Flags {
        tcp::Flags(self.bytes().byte(self.transport() + 13).unwrap_or(0))
    }

    /// The how manieth of the kinds of packet, which Linux thinks are flows, between its endpoints.
    pub(crate) fn lane(&self) -> usize {
        self.place(|packet| packet.lane.clone())
    }

    /// The same, where the checksum of a GRE header with checksum and key counts.
    pub(crate) fn gre_lane(&self) -> Option<usize> {
        self.this().gre_checksum()?;
        Some(GRE_LANES + self.place(|packet| (packet.lane.clone(), packet.gre_checksum())))
    }

    /// The how manieth of its kind between its endpoints.
    fn place<T: PartialEq>(&self, kind: impl Fn(&Parsed<'_>) -> T) -> usize {
        let this = self.this();
        let mut kinds: Vec<T> = Vec::new();
        for packet in &self.burst[..=self.number] {
            if packet.flow.is_some() && packet.flow == this.flow && !kinds.contains(&kind(packet)) {
                kinds.push(kind(packet));
            }
        }
        kinds.iter().position(|other| *other == kind(this)).unwrap_or(0)
    }

    /// The last one before it for Linux' eyes, of those that do not overtake.
    pub(crate) fn previous(&self) -> Option<Seen<'a>> {
        let this = self.this();
        (0..self.number).rev().map(|number| Seen { number, ..*self }).find(|other| {
            let (packet, handling) = (other.this(), &self.before[other.number]);
            this.flow.is_some()
                && (&packet.flow, &packet.lane) == (&this.flow, &this.lane)
                && packet.gre_checksum() == this.gre_checksum()
                && (handling.apart || !handling.past)
        })
    }
}
