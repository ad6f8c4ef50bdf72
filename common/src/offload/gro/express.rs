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
const TRANSPORT: usize = NETWORK + ipv4::HEADER_LEN;

/// Flags that a packet in the middle of a transfer has.
const ORDINARY: u8 = tcp::Flags::ACK.with(tcp::Flags::ECE).0;

/// The bytes of a header that are the same in all packets of a train, as words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Pattern([u64; 8]);

/// What of a train's first packet recognises the next one; nothing by default.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lead {
    pattern: Pattern,
    id: u16,
}

impl Lead {
    /// Of a packet in one piece, if it is one to be recognised by.
    pub(super) fn of(packet: &[u8], config: &GroConfig) -> Self {
        Glance::of(packet, config).map_or_else(Self::default, |glance| glance.lead())
    }

    /// What the rules still have to be asked about a packet that `glance` is of; `None`: all of them.
    #[inline]
    pub(super) fn next(&self, glance: &Glance) -> Option<Next> {
        let Glance { seq, payload_len, id, .. } = *glance;
        let ids = [self.id, id];
        let dont_fragment = glance.dont_fragment();
        (self.pattern == glance.pattern).then_some(Next { seq, payload_len, ids, dont_fragment })
    }
}

/// What there is to see of a packet that may take the express lane.
#[derive(Clone, Copy, Debug)]
pub(super) struct Glance {
    pattern: Pattern,
    id: u16,
    seq: u32,
    ip_len: u16,
    payload_len: u16,
    header_len: u16,
}

impl Glance {
    /// Looks at a packet in one piece; `None`: it goes by the rules.
    #[inline]
    pub(super) fn of(packet: &[u8], config: &GroConfig) -> Option<Self> {
        let header = packet.first_chunk::<PLAIN>()?;
        let is_tcp4 = [header[12], header[13]] == EtherType::IPV4.0.to_be_bytes()
            && header[NETWORK] == 0x45
            && header[NETWORK + 9] == Protocol::TCP.0
            // G3
            && word(header, NETWORK + 6) & !ipv4::DF == 0
            // G21
            && header[TRANSPORT + 13] & !ORDINARY == 0;
        let ip_len = word(header, NETWORK + 2);
        let header_len = TRANSPORT + usize::from(header[TRANSPORT + 12] >> 4) * 4;
        // G4: without padding. G8
        let agrees = usize::from(ip_len) + NETWORK == packet.len() && packet.len() > header_len;
        if !is_tcp4 || !agrees || !may_be_asked(config) || !ip_checksum_holds(header) {
            return None;
        }
        let [first, last] = match header_len {
            PLAIN => [0; 2],
            STAMPED => {
                let options = packet[PLAIN..].first_chunk::<12>()?;
                [eight(options, 0), eight(options, 4)]
            }
            _ => return None,
        };
        let pattern = Pattern([
            eight(header, 0),
            eight(header, 8),
            // Fragment word, TTL, protocol; data offset, flags, window.
            four(header, NETWORK + 6) << 32 | four(header, TRANSPORT + 12),
            eight(header, NETWORK + 12),
            // Ports, acknowledgement.
            four(header, TRANSPORT) << 32 | four(header, TRANSPORT + 8),
            first,
            last,
            // No pattern is all zero.
            1,
        ]);
        let seq = u32::from_be_bytes(*header[TRANSPORT + 4..].first_chunk()?);
        let payload_len = (packet.len() - header_len) as u16;
        let (id, header_len) = (word(header, NETWORK + 4), header_len as u16);
        Some(Self { pattern, id, seq, ip_len, payload_len, header_len })
    }

    #[inline]
    pub(super) const fn lead(&self) -> Lead {
        Lead { pattern: self.pattern, id: self.id }
    }

    /// The train that begins with the packet, whose checksum holds.
    #[inline]
    pub(super) fn held(&self) -> Held {
        Held::beginning(self.shape(), self.seq.wrapping_add(self.payload_len.into()))
    }

    /// The flow.
    #[inline]
    pub(super) fn flow(&self) -> FlowKey {
        let [_, _, _, ends, ports, ..] = self.pattern.0;
        let [s0, s1, s2, s3, d0, d1, d2, d3] = ends.to_be_bytes();
        let addresses = Addresses::V4 { src: [s0, s1, s2, s3], dst: [d0, d1, d2, d3] };
        let ports = Ports { src: (ports >> 48) as u16, dst: (ports >> 32) as u16 };
        FlowKey::new(addresses, ports, Protocol::TCP)
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
            ip_len: self.ip_len.into(),
            gso_size: self.payload_len,
            gso_segs: 1,
            gso_type: GsoType::TCPV4,
            flags: tcp::Flags((self.pattern.0[2] >> 16) as u8),
            checksum: Checksum::Valid,
            has_last: false,
        }
    }

    #[inline]
    fn dont_fragment(&self) -> bool {
        (self.pattern.0[2] >> 48) as u16 & ipv4::DF != 0
    }
}

/// Whether a packet can be recognised without asking more than the rules about a train's next packet.
#[inline]
fn may_be_asked(config: &GroConfig) -> bool {
    config.enabled
        && matches!(config.link, Link::Ethernet)
        && config.profile != Profile::Reorder
        && config.rx_checksum != RxChecksum::Leave
}

/// G2, as [`refusal`](crate::offload::rules) has it.
#[inline]
fn ip_checksum_holds(header: &[u8; PLAIN]) -> bool {
    let fours = (0..5).map(|n| four(header, NETWORK + 4 * n)).sum::<u64>();
    let folded = (fours & 0xffff) + (fours >> 16 & 0xffff) + (fours >> 32);
    // Three parts of up to 0xFFFF, and no header is all zero: a multiple of 0xFFFF, or wrong.
    folded % 0xffff == 0 && word(header, NETWORK + 10) != 0xffff
}

/// G7, of a packet that there is a [`Glance`] of: known to be good.
#[inline]
pub(super) fn transport_checksum_holds(packet: &[u8], rx_checksum: RxChecksum) -> bool {
    if rx_checksum == RxChecksum::Trust {
        return true;
    }
    let (header, segment) = packet.split_at(TRANSPORT);
    let [s0, s1, s2, s3, d0, d1, d2, d3] =
        *header[NETWORK + 12..].first_chunk().expect("the caller has seen the header");
    let addresses = Addresses::V4 { src: [s0, s1, s2, s3], dst: [d0, d1, d2, d3] };
    let pseudo = pseudo_header(&addresses, Protocol::TCP, segment.len() as u16);
    let at = tcp::CHECKSUM;
    let field = u16::from_be_bytes([segment[at], segment[at + 1]]);
    // G30; and what is partial is told apart by the rules.
    let is_ordinary = field != 0xffff && field != pseudo.folded();
    is_ordinary && pseudo + sum(segment) == Sum::of(0xffff)
}

#[inline]
fn word(bytes: &[u8; PLAIN], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

#[inline]
fn four<const N: usize>(bytes: &[u8; N], at: usize) -> u64 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]).into()
}

#[inline]
fn eight<const N: usize>(bytes: &[u8; N], at: usize) -> u64 {
    four(bytes, at) << 32 | four(bytes, at + 4)
}
