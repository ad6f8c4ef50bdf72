//! The express lane: the packet that a bulk transfer sends next, recognised by its bytes.
//!
//! A full-size TCP packet differs from the one before it in its sequence number and its checksum, over IPv4 also in
//! identification and header checksum. All else of its header is compared with the train's first one as words, and only what
//! is left is asked of the rules. What is not recognised at a glance goes by the rules, packet by packet: this lane has no
//! verdicts of its own but "yes", and whatever it says yes to the rules would have, too (`tests/gro/express.rs` compares).

mod ip;
mod words;

pub(super) use ip::{Ip, V4, V6};

use words::{eight, four, word};

use crate::checksum::{Sum, pseudo_header, sum};
use crate::flow::FlowKey;
use crate::offload::rules::{Held, Next};
use crate::offload::train::{Checksum, Layout, Shape};
use crate::offload::{GroConfig, Profile, RxChecksum};
use crate::wire::{EtherType, Link, Ports, Protocol, ethernet, tcp};

/// Bytes of timestamps, padded: the only options that a packet with payload has but for a SYN and rare ones.
const TIMESTAMPS: usize = 12;
const STAMPED: usize = tcp::HEADER_LEN + TIMESTAMPS;

/// Flags that a packet in the middle of a transfer has.
const ORDINARY: u8 = tcp::Flags::ACK.with(tcp::Flags::ECE).0;

/// The bytes of a header that are the same in all packets of a train, as words as they lie in memory. Those of a
/// packet are never all zero: they contain its EtherType.
#[derive(Clone, Copy, Debug, Default)]
struct Pattern([u64; 10]);

impl PartialEq for Pattern {
    /// Word by word, without the call that comparing arrays is.
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).all(|(a, b)| *a == b)
    }
}

/// What of a train's first packet recognises the next one; nothing by default.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lead {
    pattern: Pattern,
    /// IPv4 identification.
    id: u16,
}

impl Lead {
    /// Of a packet in one piece, if it is one to be recognised by.
    pub(super) fn of(packet: &[u8]) -> Self {
        let lead = match Version::of(packet) {
            Some(Version::V4) => Glance::<V4>::of(packet).map(|glance| glance.lead()),
            Some(Version::V6) => Glance::<V6>::of(packet).map(|glance| glance.lead()),
            None => None,
        };
        lead.unwrap_or_default()
    }

    /// What the rules still have to be asked about a packet that `glance` is of; `None`: all of them.
    #[inline]
    pub(super) fn next(&self, glance: &Glance<'_, impl Ip>) -> Option<Next> {
        (self.pattern == glance.pattern()).then(|| Next {
            seq: glance.seq(),
            payload_len: glance.payload_len,
            ids: glance.ip.id().map(|id| (self.id, id)),
            dont_fragment: glance.ip.dont_fragment(),
        })
    }
}

/// Whose header follows the link header of a packet that may take the express lane.
#[derive(Clone, Copy, Debug)]
pub(super) enum Version {
    V4,
    V6,
}

impl Version {
    #[inline]
    pub(super) fn of(packet: &[u8]) -> Option<Self> {
        let link = packet.first_chunk::<{ ethernet::HEADER_LEN }>()?;
        match EtherType(word(link, ethernet::ETHERTYPE)) {
            EtherType::IPV4 => Some(Self::V4),
            EtherType::IPV6 => Some(Self::V6),
            _ => None,
        }
    }
}

/// A packet that may take the express lane, over this version of IP: its headers, and what there is to see of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Glance<'p, I> {
    link: &'p [u8; ethernet::HEADER_LEN],
    ip: &'p I,
    tcp: &'p [u8; tcp::HEADER_LEN],
    /// All zero if it has none.
    options: [u64; 2],
    header_len: u16,
    payload_len: u16,
}

impl<'p, I: Ip> Glance<'p, I> {
    /// Looks at a packet in one piece; `None`: it goes by the rules.
    #[inline]
    pub(super) fn of(packet: &'p [u8]) -> Option<Self> {
        let (link, network) = packet.split_first_chunk()?;
        let (ip, transport) = I::of(network)?;
        let tcp = transport.first_chunk()?;
        let header_len = usize::from(tcp[12] >> 4) * 4;
        // G8, G21
        if transport.len() <= header_len || tcp[13] & !ORDINARY != 0 {
            return None;
        }
        let options = match header_len {
            tcp::HEADER_LEN => [0; 2],
            STAMPED => {
                let options = transport[tcp::HEADER_LEN..].first_chunk::<TIMESTAMPS>()?;
                [eight(options, 0), four(options, 8)]
            }
            _ => return None,
        };
        let [header_len, payload_len] =
            [header_len, transport.len() - header_len].map(|len| len as u16);
        Some(Self { link, ip, tcp, options, header_len, payload_len })
    }

    #[inline]
    pub(super) fn lead(&self) -> Lead {
        Lead { pattern: self.pattern(), id: self.ip.id().unwrap_or(0) }
    }

    /// The train that begins with the packet, whose checksum holds.
    #[inline]
    pub(super) fn held(&self) -> Held {
        Held::beginning(self.shape(), self.seq().wrapping_add(self.payload_len.into()))
    }

    /// The flow.
    #[inline]
    pub(super) fn flow(&self) -> FlowKey {
        let ports = Ports { src: word(self.tcp, 0), dst: word(self.tcp, 2) };
        FlowKey::new(self.ip.addresses(), ports, Protocol::TCP)
    }

    /// G7: whether the transport checksum of `packet`, which this is of, is known to be good.
    #[inline]
    pub(super) fn checksum_holds(&self, packet: &[u8], rx_checksum: RxChecksum) -> bool {
        if rx_checksum == RxChecksum::Trust {
            return true;
        }
        let segment = &packet[ethernet::HEADER_LEN + I::LEN..];
        let pseudo = pseudo_header(&self.ip.addresses(), Protocol::TCP, segment.len() as u16);
        let field = word(self.tcp, tcp::CHECKSUM);
        // G30; and what is partial is told apart by the rules.
        let is_ordinary = field != 0xffff && field != pseudo.folded();
        is_ordinary && pseudo + sum(segment) == Sum::of(0xffff)
    }

    #[inline]
    fn pattern(&self) -> Pattern {
        let Self { link, tcp, options: [first, last], .. } = *self;
        let [a, b, c, d, e] = self.ip.pattern();
        // Ports and acknowledgement; data offset, flags and window.
        let [ends, state] = [four(tcp, 0) | four(tcp, 8) << 32, four(tcp, 12) | last << 32];
        // Two bytes are in both words of the link header.
        Pattern([eight(link, 0), eight(link, 6), a, b, c, d, e, ends, state, first])
    }

    #[inline]
    fn shape(&self) -> Shape {
        let [network, transport] =
            [ethernet::HEADER_LEN, ethernet::HEADER_LEN + I::LEN].map(|at| at as u16);
        Shape {
            layout: Layout {
                network,
                transport,
                payload: transport + self.header_len,
                outer: None,
            },
            protocol: Some(Protocol::TCP),
            ip_len: I::LEN as u32 + u32::from(self.header_len) + u32::from(self.payload_len),
            gso_size: self.payload_len,
            gso_segs: 1,
            gso_type: I::GSO_TYPE,
            flags: tcp::Flags(self.tcp[13]),
            checksum: Checksum::Valid,
            has_last: false,
        }
    }

    #[inline]
    fn seq(&self) -> u32 {
        u32::from(word(self.tcp, 4)) << 16 | u32::from(word(self.tcp, 6))
    }
}

/// Whether the lane is open: whether nothing has to be asked of a packet but what a [`Glance`] and the rules about a
/// train's next packet say. A packet that is a full train by itself has a reason of its own.
pub(super) fn is_open(config: &GroConfig) -> bool {
    config.enabled
        && config.max_segments >= 2
        && matches!(config.link, Link::Ethernet)
        && config.profile != Profile::Reorder
        && config.rx_checksum != RxChecksum::Leave
}
