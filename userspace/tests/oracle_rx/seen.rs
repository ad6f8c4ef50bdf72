//! What the exceptions are told by: a packet of a burst, and those before it.

use std::borrow::Cow;

use sluice_common::checksum::{naive, pseudo_header};
use sluice_common::flow::FlowKey;
use sluice_common::wire::{Bytes, EtherType, Headers, Link, Protocol, ethernet, tcp, udp};

use crate::engine::Handling;

/// A packet, parsed.
struct Parsed<'a> {
    bytes: &'a [u8],
    headers: Option<Headers>,
    flow: Option<FlowKey>,
    /// What makes it another flow for Linux than one between the same endpoints.
    lane: Vec<u8>,
}

/// A burst, parsed.
pub(crate) struct Burst<'a>(Vec<Parsed<'a>>);

impl<'a> Burst<'a> {
    pub(crate) fn new(burst: &'a [Vec<u8>]) -> Self {
        Self(burst.iter().map(|bytes| Parsed::new(bytes)).collect())
    }

    /// Packet `number`, where those before it are given to the engine as `before` says.
    pub(crate) fn packet<'b>(&'b self, number: usize, before: &'b [Handling]) -> Seen<'b> {
        Seen { burst: &self.0, number, before }
    }
}

impl<'a> Parsed<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let headers = Headers::parse(&of_version_6(bytes)[..], Link::Ethernet).ok();
        let flow = headers.as_ref().and_then(FlowKey::of);
        Self { bytes, headers, flow, lane: headers.map_or_else(Vec::new, |it| lane(bytes, &it)) }
    }
}

/// The packet; one with IPv6's EtherType as if it had its version too.
pub(crate) fn of_version_6(bytes: &[u8]) -> Cow<'_, [u8]> {
    let at = ethernet::HEADER_LEN;
    match bytes.get(at) {
        Some(byte) if bytes.be16(12) == Some(EtherType::IPV6.0) && byte >> 4 != 6 => {
            let mut bytes = bytes.to_vec();
            bytes[at] = bytes[at] & 0x0f | 0x60;
            Cow::Owned(bytes)
        }
        _ => Cow::Borrowed(bytes),
    }
}

/// Link header; of IPv6 the version, the flow label, the next header and the
/// extension headers.
fn lane(bytes: &[u8], headers: &Headers) -> Vec<u8> {
    let (network, transport) = (usize::from(headers.network), usize::from(headers.transport));
    let mut lane = bytes[..network].to_vec();
    if headers.is_ipv6() {
        lane.extend([
            bytes[network] >> 4,
            bytes[network + 1] & 15,
            bytes[network + 2],
            bytes[network + 3],
        ]);
        lane.push(bytes[network + 6]);
        lane.extend(bytes.get(network + 40..transport).unwrap_or_default());
    }
    lane
}

/// One packet of a burst.
pub(crate) struct Seen<'a> {
    burst: &'a [Parsed<'a>],
    number: usize,
    before: &'a [Handling],
}

impl<'a> Seen<'a> {
    fn this(&self) -> &'a Parsed<'a> {
        &self.burst[self.number]
    }

    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.this().bytes
    }

    pub(crate) fn headers(&self) -> Option<&'a Headers> {
        self.this().headers.as_ref()
    }

    pub(crate) fn is_tagged(&self) -> bool {
        matches!(self.bytes().be16(12), Some(0x8100 | 0x88a8))
    }

    pub(crate) fn is_ipv4(&self) -> bool {
        self.headers().is_some_and(|headers| !headers.is_ipv6())
    }

    pub(crate) fn is_tcp(&self) -> bool {
        self.headers().is_some_and(|headers| headers.protocol == Protocol::TCP)
    }

    pub(crate) fn is_udp(&self) -> bool {
        self.headers().is_some_and(|headers| headers.protocol == Protocol::UDP)
    }

    pub(crate) fn network(&self) -> usize {
        self.headers().map_or(0, |headers| headers.network.into())
    }

    pub(crate) fn transport(&self) -> usize {
        self.headers().map_or(0, |headers| headers.transport.into())
    }

    /// The sum of the IPv4 header; 0xFFFF of one that is right.
    pub(crate) fn ip_sum(&self) -> u16 {
        naive(self.bytes().get(self.network()..self.transport()).unwrap_or_default()).folded()
    }

    /// Where the IP packet ends, as its header has it.
    pub(crate) fn ip_end(&self) -> usize {
        let (at, plus) = if self.is_ipv4() { (2, 0) } else { (4, 40) };
        let len = self.bytes().be16(self.network() + at).unwrap_or(0);
        self.network() + usize::from(len) + plus
    }

    /// The sum of transport header, payload and pseudo header; 0xFFFF where the checksum is right.
    pub(crate) fn transport_sum(&self) -> u16 {
        let Some(headers) = self.headers() else { return 0 };
        let transport = self.bytes().get(self.transport()..).unwrap_or_default();
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
        Some((word(udp::CHECKSUM)?, word(4)?))
    }

    pub(crate) fn flags(&self) -> tcp::Flags {
        tcp::Flags(self.bytes().byte(self.transport() + 13).unwrap_or(0))
    }

    /// The how manieth of the kinds of packet, which Linux thinks are flows, between its endpoints.
    pub(crate) fn lane(&self) -> usize {
        let of_flow =
            |packet: &&Parsed<'_>| packet.flow.is_some() && packet.flow == self.this().flow;
        let mut lanes: Vec<&[u8]> = Vec::new();
        for packet in self.burst[..=self.number].iter().filter(of_flow) {
            if !lanes.contains(&&packet.lane[..]) {
                lanes.push(&packet.lane);
            }
        }
        lanes.iter().position(|lane| *lane == self.this().lane).unwrap_or(0)
    }

    /// The last one before it for Linux' eyes, of those that do not overtake.
    pub(crate) fn previous(&self) -> Option<Seen<'a>> {
        let this = self.this();
        (0..self.number).rev().map(|number| Seen { number, ..*self }).find(|other| {
            let (packet, handling) = (other.this(), &self.before[other.number]);
            this.flow.is_some()
                && (&packet.flow, &packet.lane) == (&this.flow, &this.lane)
                && (handling.apart || !handling.past)
        })
    }
}
