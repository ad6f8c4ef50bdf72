//! The property: what is coalesced comes out complete, in order, and segments to the same bytes.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use super::cut::check_cuts;
use super::stream::Event;
use crate::checksum::naive;
use crate::flow::FlowKey;
use crate::offload::{
    Buffer, Checksum, ChecksumMode, Coalescer, GroConfig, Profile, RxChecksum, Segmenter, Train,
};
use crate::reason::FlushReason;
use crate::wire::{Headers, Link, Protocol, Tunnel, TunnelKind};

/// A packet that knows when it came, in pieces of so many bytes.
pub(super) struct Numbered {
    pub(super) number: usize,
    pub(super) bytes: Vec<u8>,
    pub(super) piece: usize,
}

/// Which one it is; its bytes would say less.
impl fmt::Debug for Numbered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number)
    }
}

impl Buffer for Numbered {
    fn head(&self) -> &[u8] {
        &self.bytes[..self.piece.min(self.bytes.len())]
    }

    fn rest(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.chunks(self.piece).skip(1)
    }
}

/// Coalesces the packets of `events` and checks all that must hold of what comes out:
/// nothing is lost or added, no flow's packets change their order, a packet that is alone is as it came,
/// a train, written as one linear super-packet, segments to its packets byte for byte (G30), and it can be cut
/// to segments of other sizes. Returns why each train went.
///
/// # Panics
/// If any of it does not hold.
pub fn round_trip(events: &[Event], config: GroConfig) -> Vec<FlushReason> {
    round_trip_in_pieces(events, config, usize::MAX)
}

/// [`round_trip`] of packets whose buffers have several pieces, each of `piece` bytes but the last.
///
/// # Panics
/// As [`round_trip`], and where `piece` is 0.
pub fn round_trip_in_pieces(events: &[Event], config: GroConfig, piece: usize) -> Vec<FlushReason> {
    let mut coalescer = Coalescer::new(config);
    let mut out: Vec<(Train<Numbered>, FlushReason)> = Vec::new();
    let (mut now, mut count) = (1, 0);
    for event in events {
        let mut sink = |train, reason| out.push((train, reason));
        match event {
            Event::Packet(bytes) => {
                let packet = Numbered { number: count, bytes: bytes.clone(), piece };
                coalescer.push(packet, now, &mut sink);
                count += 1;
            }
            Event::EndOfBurst(pause) => {
                coalescer.end_of_burst(now, &mut sink);
                assert!(
                    coalescer.deadline().is_none_or(|due| due > now),
                    "G25: nothing is overdue"
                );
                now += pause;
            }
        }
        let emitted: usize = out.iter().map(|(train, _)| train.packets().len()).sum();
        assert_eq!(emitted + coalescer.held(), count, "no packet is lost or added");
        assert_eq!(coalescer.deadline().is_some(), coalescer.held() > 0, "G25");
    }
    coalescer.flush(FlushReason::Shutdown, &mut |train, reason| out.push((train, reason)));
    assert_eq!(coalescer.held(), 0);
    check_order(&out, &config);
    for (train, _) in &out {
        check_train(train, &config);
        check_cuts(train, &config);
    }
    out.into_iter().map(|(_, reason)| reason).collect()
}

/// G23: the packets of a flow leave in the order in which they came. The profile `reorder` may change that, but
/// only towards the sequence.
fn check_order(out: &[(Train<Numbered>, FlushReason)], config: &GroConfig) {
    let mut gone: BTreeMap<Vec<u8>, Vec<(usize, Option<u32>)>> = BTreeMap::new();
    for packet in out.iter().flat_map(|(train, _)| train.packets()) {
        // Only what stands in the first piece is looked at.
        let Ok(headers) = Headers::parse(packet.head(), config.link) else { continue };
        let (flow, inner) = match Tunnel::find(packet.head(), &headers, &config.tunnel_ports) {
            Some(Ok(tunnel)) => (FlowKey::inside(&headers, &tunnel), tunnel.inner),
            Some(Err(_)) => continue,
            None => (FlowKey::of(&headers), headers),
        };
        let Some(flow) = flow else { continue };
        let sent = gone.entry(alloc::format!("{flow:?}").into_bytes()).or_default();
        let (number, seq) = (packet.number, sequence(packet.head(), &inner));
        for (before, its) in sent.iter().filter(|(before, _)| *before > number) {
            let is_sorted =
                seq.zip(*its).is_some_and(|(seq, its)| (its.wrapping_sub(seq) as i32) < 0);
            let may_change = config.profile == Profile::Reorder && is_sorted;
            assert!(may_change, "packet {before} overtook {number}");
        }
        sent.push((number, seq));
    }
}

/// A TCP packet's sequence number.
fn sequence(packet: &[u8], headers: &Headers) -> Option<u32> {
    let at = usize::from(headers.transport) + 4;
    let seq = packet.get(at..at + 4)?.first_chunk().copied().map(u32::from_be_bytes);
    seq.filter(|_| headers.protocol == Protocol::TCP)
}

fn check_train(train: &Train<Numbered>, config: &GroConfig) {
    assert!(train.is_segmented());
    assert_eq!(usize::from(train.gso_segs()), train.packets().len());
    if train.packets().len() == 1 {
        check_one(train, config.link);
    } else {
        check_super(train, config);
    }
}

/// G29: a train of one leaves bit for bit as it came, but for Ethernet padding.
fn check_one(train: &Train<Numbered>, link: Link) {
    let linear = linear(train, link, ChecksumMode::Partial);
    let came = &train.packets()[0].bytes;
    let padding = came.strip_prefix(&linear[..]).expect("bytes change in a train of one");
    assert!(padding.is_empty() || train.is_ip());
    assert_eq!(train.vnet_header().gso_type, 0);
}

fn check_super(train: &Train<Numbered>, config: &GroConfig) {
    let whole = linear(train, Link::None, ChecksumMode::Partial);
    assert_eq!(whole.len(), train.ip_len());
    assert!(whole.len() <= config.max_size.min(65_535) as usize, "G18");
    check_segments(train, &whole, config);
    let whole = linear(train, Link::None, ChecksumMode::Full);
    assert!(checksums_hold(&whole, config), "G28: a plain frame gets the full checksum");
}

/// G30.
fn check_segments(train: &Train<Numbered>, whole: &[u8], config: &GroConfig) {
    let vnet = train.vnet_header();
    let segmenter = Segmenter::encapsulated(whole, &vnet, &config.tunnel_ports, usize::MAX)
        .expect("a train's own vnet header is refused")
        .keeping(train.gso_type());
    assert_eq!(segmenter.count(), train.packets().len());
    for (i, packet) in train.packets().iter().enumerate() {
        let mut segment = vec![0; segmenter.segment_len(i)];
        segmenter.write(i, &mut segment);
        let mut came = from_ip(&packet.bytes, config.link).to_vec();
        came.truncate(segment.len());
        equalise(&mut came, &mut segment, train.checksum(), config);
        assert_eq!(segment, came, "packet {i} of {}", train.packets().len());
        if config.rx_checksum != RxChecksum::Trust {
            assert!(checksums_hold(&segment, config));
        }
    }
}

/// Three things a segment need not have as the packet had it: an urgent pointer without URG, which means
/// nothing and is not compared (G12); a partial checksum, which segmentation completes; and an outer
/// identification with DF, which up to Linux 6.17 means nothing (G16). None of them changes an outer
/// checksum.
fn equalise(came: &mut [u8], segment: &mut [u8], checksum: Checksum, config: &GroConfig) {
    let Some((outer, headers)) = innermost(came, config) else { return };
    let transport = usize::from(headers.transport);
    let urgent = transport + 18..transport + 20;
    if headers.protocol == Protocol::TCP && came[urgent.clone()] != segment[urgent.clone()] {
        segment[urgent.clone()].copy_from_slice(&came[urgent]);
        complete(segment, &headers);
    }
    if checksum == Checksum::Partial {
        complete(came, &headers);
    }
    if config.profile == Profile::Linux612 && outer.is_some() && came[0] >> 4 == 4 {
        let has_df = came[6] & 0x40 != 0;
        for range in [4..6, 10..12].into_iter().filter(|_| has_df) {
            segment[range.clone()].copy_from_slice(&came[range]);
        }
    }
}

/// The headers next to the transport header, and those around them in a tunnel. Offsets are from the
/// outermost IP header, with which `packet` begins.
fn innermost(
    packet: &[u8],
    config: &GroConfig,
) -> Option<(Option<(Headers, TunnelKind)>, Headers)> {
    let headers = Headers::parse(packet, Link::None).ok()?;
    match Tunnel::find(packet, &headers, &config.tunnel_ports) {
        None => Some((None, headers)),
        Some(found) => found.ok().map(|found| (Some((headers, found.kind)), found.inner)),
    }
}

/// Makes the transport checksum in the plainest way.
pub(super) fn complete(packet: &mut [u8], headers: &Headers) {
    let is_udp = headers.protocol == Protocol::UDP;
    let at = usize::from(headers.transport) + if is_udp { 6 } else { 16 };
    packet[at..at + 2].fill(0);
    let checksum = match !transport_sum(packet, headers) {
        0 if is_udp => 0xffff,
        checksum => checksum,
    };
    packet[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
}

pub(super) fn checksums_hold(packet: &[u8], config: &GroConfig) -> bool {
    let Some((outer, inner)) = innermost(packet, config) else { return false };
    ip_checksum_holds(packet, &inner)
        && transport_sum(packet, &inner) == 0xffff
        && outer.is_none_or(|(outer, kind)| {
            ip_checksum_holds(packet, &outer) && outer_checksum_holds(packet, &outer, kind)
        })
}

fn ip_checksum_holds(packet: &[u8], headers: &Headers) -> bool {
    let header = &packet[headers.network.into()..headers.transport.into()];
    headers.is_ipv6() || naive(header).folded() == 0xffff
}

fn outer_checksum_holds(packet: &[u8], outer: &Headers, kind: TunnelKind) -> bool {
    let header = &packet[outer.transport.into()..];
    match kind {
        TunnelKind::Vxlan | TunnelKind::Geneve => {
            header[6..8] == [0, 0] || transport_sum(packet, outer) == 0xffff
        }
        TunnelKind::Gre => header[0] & 0x80 == 0 || naive(header).folded() == 0xffff,
        TunnelKind::Ip => true,
    }
}

/// The sum of pseudo header, header and payload.
fn transport_sum(packet: &[u8], headers: &Headers) -> u16 {
    let (network, transport) = (usize::from(headers.network), usize::from(headers.transport));
    let addresses = if headers.is_ipv6() { 8..40 } else { 12..20 };
    let mut bytes = packet[network + addresses.start..network + addresses.end].to_vec();
    bytes.extend([0, headers.protocol.0]);
    bytes.extend(((packet.len() - transport) as u16).to_be_bytes());
    bytes.extend(&packet[transport..]);
    naive(&bytes).folded()
}

pub(super) fn linear<H: Buffer>(train: &Train<H>, link: Link, mode: ChecksumMode) -> Vec<u8> {
    let mut bytes = vec![0; train.header_len(link)];
    let len = train.write_header(&mut bytes, link, mode);
    assert_eq!(len, bytes.len());
    train.payloads().for_each(|payload| bytes.extend(payload));
    bytes
}

fn from_ip(packet: &[u8], link: Link) -> &[u8] {
    let network = Headers::parse(packet, link).map_or(0, |headers| headers.network);
    &packet[network.into()..]
}

/// [`round_trip`] of the stream and the configuration that any bytes tell: the body of the fuzz target
/// of that name, and of the property test.
pub fn round_trip_of_bytes(data: &[u8]) -> Vec<FlushReason> {
    told(data).map_or_else(Vec::new, |(config, events, piece)| {
        round_trip_in_pieces(&events, config, piece)
    })
}

/// A configuration, a stream and the size of its pieces; none if there are too few bytes to tell them.
pub(super) fn told(data: &[u8]) -> Option<(GroConfig, Vec<Event>, usize)> {
    let (&[choice, size, segments, flows], plan) = data.split_first_chunk()?;
    let config = config(choice, size, segments, flows);
    let events = super::stream(plan, config.rx_checksum == RxChecksum::Partial);
    Some((config, events, piece(flows)))
}

/// Pieces that hold all headers of most packets, or some, or none, in some of the streams.
fn piece(choice: u8) -> usize {
    match choice >> 4 {
        0..8 => usize::MAX,
        8 => 20,
        9 => 60,
        n => usize::from(n) * 16,
    }
}

fn config(choice: u8, size: u8, segments: u8, flows: u8) -> GroConfig {
    use crate::offload::{Hold, Reorder};
    GroConfig {
        enabled: choice != 0xff,
        profile: [Profile::Linux, Profile::Linux612, Profile::AccEcn, Profile::Reorder]
            [usize::from(choice % 4)],
        rx_checksum: if choice & 0x40 == 0 { RxChecksum::Verify } else { RxChecksum::Partial },
        hold: match choice >> 3 & 3 {
            0 | 1 => Hold::EndOfBurst,
            2 => Hold::AtMost(1_000),
            _ => Hold::Adaptive { ceiling: 2_000 },
        },
        flows: usize::from(flows % 5) + 1,
        reorder: Reorder { packets: usize::from(flows >> 4), time: u64::from(size) * 2 },
        max_size: if size < 128 { 65_535 } else { u32::from(size) * 16 },
        max_segments: if segments < 128 { 64 } else { usize::from(segments % 8) + 1 },
        spare_trains: 4,
        ..GroConfig::default()
    }
}
