//! The express lane: the packet that a bulk transfer sends next, recognised by its bytes.
//!
//! A full-size TCP packet over IPv4 differs from the one before it in its identification, its sequence number and the two
//! checksums. All else of its header is compared with the train's first one as words, and only what is left is asked of
//! the rules. What is not recognised at a glance goes by the rules, packet by packet: this lane has no verdicts of its
//! own but "yes", and whatever it says yes to the rules would have, too (`tests/gro/express.rs` compares).

use crate::checksum::{Sum, pseudo_header, sum};
use crate::flow::FlowKey;
use crate::offload::rules::{Held, Next};
use crate::offload::train::{Checksum, Layout, Shape};
use crate::offload::{GroConfig, GsoType, Profile, RxChecksum};
use crate::wire::{Addresses, EtherType, Link, Ports, Protocol, ethernet, ipv4, tcp};

/// Bytes of the three headers without options.
const PLAIN: usize = ethernet::HEADER_LEN + ipv4::HEADER_LEN + tcp::HEADER_LEN;
/// And with timestamps, padded: the only options that a packet with payload has but for a SYN and rare ones.
const STAMPED: usize = PLAIN + 12;

const NETWORK: usize = ethernet::HEADER_LEN;
/// Flags and offset of a fragment.
const FRAGMENT: usize = NETWORK + 6;
const ADDRESSES: usize = NETWORK + 12;
const TRANSPORT: usize = NETWORK + ipv4::HEADER_LEN;

/// Flags that a packet in the middle of a transfer has.
const ORDINARY: u8 = tcp::Flags::ACK.with(tcp::Flags::ECE).0;

/// The bytes of a header that are the same in all packets of a train, as words as they lie in memory. Those of a
/// packet are never all zero: they contain its EtherType.
#[derive(Clone, Copy, Debug, Default)]
struct Pattern([u64; 7]);

impl PartialEq for Pattern {
    /// Without a branch a word, or the call that comparing arrays is.
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.0.iter().zip(other.0).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
    }
}

/// What of a train's first packet recognises the next one; nothing by default.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lead {
    pattern: Pattern,
    id: u16,
}

impl Lead {
    /// Of a packet in one piece, if it is one to be recognised by.
    pub(super) fn of(packet: &[u8]) -> Self {
        Glance::of(packet).map_or_else(Self::default, |glance| glance.lead())
    }

    /// What the rules still have to be asked about a packet that `glance` is of; `None`: all of them.
    #[inline]
    pub(super) fn next(&self, glance: &Glance<'_>) -> Option<Next> {
        (self.pattern == glance.pattern()).then(|| Next {
            seq: glance.seq(),
            payload_len: glance.payload_len,
            ids: [self.id, glance.id()],
            dont_fragment: glance.dont_fragment(),
        })
    }
}

/// A packet that may take the express lane: what it begins with, and what there is to see of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Glance<'p> {
    header: &'p [u8; PLAIN],
    /// All zero if it has none.
    options: [u64; 2],
    header_len: u16,
    payload_len: u16,
}

impl<'p> Glance<'p> {
    /// Looks at a packet in one piece; `None`: it goes by the rules.
    #[inline]
    pub(super) fn of(packet: &'p [u8]) -> Option<Self> {
        let header = packet.first_chunk::<PLAIN>()?;
        let is_tcp4 = [header[12], header[13]] == EtherType::IPV4.0.to_be_bytes()
            && header[NETWORK] == 0x45
            && header[NETWORK + 9] == Protocol::TCP.0
            // G3
            && word(header, FRAGMENT) & !ipv4::DF == 0
            // G21
            && header[TRANSPORT + 13] & !ORDINARY == 0;
        let header_len = TRANSPORT + usize::from(header[TRANSPORT + 12] >> 4) * 4;
        // G4: without padding. G8
        let ip_len = usize::from(word(header, NETWORK + 2));
        let agrees = ip_len + NETWORK == packet.len() && packet.len() > header_len;
        if !is_tcp4 || !agrees || !ip_checksum_holds(header) {
            return None;
        }
        let options = match header_len {
            PLAIN => [0; 2],
            STAMPED => {
                let options = packet[PLAIN..].first_chunk::<12>()?;
                [eight(options, 0), eight(options, 4)]
            }
            _ => return None,
        };
        let [header_len, payload_len] = [header_len, packet.len() - header_len].map(|n| n as u16);
        Some(Self { header, options, header_len, payload_len })
    }

    #[inline]
    pub(super) fn lead(&self) -> Lead {
        Lead { pattern: self.pattern(), id: self.id() }
    }

    /// The train that begins with the packet, whose checksum holds.
    #[inline]
    pub(super) fn held(&self) -> Held {
        Held::beginning(self.shape(), self.seq().wrapping_add(self.payload_len.into()))
    }

    /// The flow.
    #[inline]
    pub(super) fn flow(&self) -> FlowKey {
        let ports =
            Ports { src: word(self.header, TRANSPORT), dst: word(self.header, TRANSPORT + 2) };
        FlowKey::new(addresses(self.header), ports, Protocol::TCP)
    }

    #[inline]
    fn pattern(&self) -> Pattern {
        let Self { header, options: [first, last], .. } = *self;
        Pattern([
            eight(header, 0),
            eight(header, 8),
            // With TTL and protocol; data offset, flags, window.
            four(header, FRAGMENT) | four(header, TRANSPORT + 12) << 32,
            eight(header, ADDRESSES),
            // Ports, acknowledgement.
            four(header, TRANSPORT) | four(header, TRANSPORT + 8) << 32,
            first,
            last,
        ])
    }

    #[inline]
    fn shape(&self) -> Shape {
        Shape {
            layout: Layout {
                network: NETWORK as u16,
                transport: TRANSPORT as u16,
                payload: self.header_len,
                outer: None,
            },
            protocol: Some(Protocol::TCP),
            ip_len: u32::from(self.header_len) - NETWORK as u32 + u32::from(self.payload_len),
            gso_size: self.payload_len,
            gso_segs: 1,
            gso_type: GsoType::TCPV4,
            flags: tcp::Flags(self.header[TRANSPORT + 13]),
            checksum: Checksum::Valid,
            has_last: false,
        }
    }

    #[inline]
    fn id(&self) -> u16 {
        word(self.header, NETWORK + 4)
    }

    #[inline]
    fn seq(&self) -> u32 {
        let [high, low] = [TRANSPORT + 4, TRANSPORT + 6].map(|at| word(self.header, at));
        u32::from(high) << 16 | u32::from(low)
    }

    #[inline]
    fn dont_fragment(&self) -> bool {
        word(self.header, FRAGMENT) & ipv4::DF != 0
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

/// G2, as [`refusal`](crate::offload::rules) has it.
#[inline]
fn ip_checksum_holds(header: &[u8; PLAIN]) -> bool {
    // RFC 1071: a sum of larger words is right, too, and in any byte order. No header is all zero: its sum is a
    // multiple of 0xFFFF, or wrong.
    let sum = (0..5).map(|n| four(header, NETWORK + 4 * n)).sum::<u64>();
    sum % 0xffff == 0 && word(header, NETWORK + 10) != 0xffff
}

/// G7, of a packet that there is a [`Glance`] of: known to be good.
#[inline]
pub(super) fn transport_checksum_holds(packet: &[u8], rx_checksum: RxChecksum) -> bool {
    if rx_checksum == RxChecksum::Trust {
        return true;
    }
    let Some(header) = packet.first_chunk::<PLAIN>() else { return false };
    let (addresses, segment) = (addresses(header), &packet[TRANSPORT..]);
    let pseudo = pseudo_header(&addresses, Protocol::TCP, segment.len() as u16);
    let at = tcp::CHECKSUM;
    let field = u16::from_be_bytes([segment[at], segment[at + 1]]);
    // G30; and what is partial is told apart by the rules.
    let is_ordinary = field != 0xffff && field != pseudo.folded();
    is_ordinary && pseudo + sum(segment) == Sum::of(0xffff)
}

#[inline]
fn addresses(header: &[u8; PLAIN]) -> Addresses {
    let [s0, s1, s2, s3, d0, d1, d2, d3] = eight(header, ADDRESSES).to_ne_bytes();
    Addresses::V4 { src: [s0, s1, s2, s3], dst: [d0, d1, d2, d3] }
}

#[inline]
fn word(bytes: &[u8; PLAIN], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// As they lie in memory: what is only compared is not turned round.
#[inline]
fn four<const N: usize>(bytes: &[u8; N], at: usize) -> u64 {
    u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]).into()
}

#[inline]
fn eight<const N: usize>(bytes: &[u8; N], at: usize) -> u64 {
    let mut eight = [0; 8];
    eight.copy_from_slice(&bytes[at..at + 8]);
    u64::from_ne_bytes(eight)
}
