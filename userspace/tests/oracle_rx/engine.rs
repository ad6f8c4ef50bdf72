//! The engine's side: what the coalescer makes of a burst.

use sluice_common::checksum::{Sum, naive};
use sluice_common::offload::{Buffer, ChecksumMode, Coalescer, GroConfig, Hold, Train};
use sluice_common::reason::FlushReason;
use sluice_common::wire::{Bytes, Headers, Link, Protocol, Tunnel, tcp, udp};

use crate::offer::Offer;
use crate::outcome::Outcome;
use crate::outer;

/// How one packet is given to the engine. All false: as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Handling {
    /// What is held of its flow goes before it.
    pub(crate) apart: bool,
    /// It goes on alone at once, past the engine.
    pub(crate) past: bool,
    /// It is coalesced with packets of this lane only.
    pub(crate) lane: usize,
    /// In a super-packet that begins with it the outer checksum, if it is right, stands as Linux has it.
    pub(crate) outer_checksum: bool,
    /// What is coalesced instead of it; alone it still goes on as it came.
    pub(crate) instead: Option<Vec<u8>>,
}

/// Linux holds this many flows in a bucket (`MAX_GRO_SKBS`, net/core/gro.c).
pub(crate) const FLOWS: usize = 8;

/// A packet that knows which of the burst it is; `None`: it only parts others, and is none of the burst.
struct Numbered {
    number: Option<usize>,
    outer_checksum: bool,
    bytes: Vec<u8>,
}

impl Buffer for Numbered {
    fn head(&self) -> &[u8] {
        &self.bytes
    }
}

/// What comes out, in order, each with the engine's reason.
pub(crate) fn run(
    burst: &[Vec<u8>],
    handling: &[Handling],
    offer: Offer,
) -> Vec<(Outcome, Option<FlushReason>)> {
    let coalescer = Coalescer::new(config(offer));
    let mut run = Run { burst, offer, coalescer, out: Vec::new() };
    for (number, one) in handling.iter().enumerate() {
        run.push(number, one);
    }
    let Run { mut coalescer, mut out, .. } = run;
    coalescer.end_of_burst(0, &mut |train: Train<Numbered>, reason| {
        out.push((outcome(&train, burst, offer), Some(reason)));
    });
    out
}

/// Whether a train has packets of which `lane` says different things: the rules that keep them apart are not
/// seen at work where they are given to the engine as other flows.
pub(crate) fn mixes<'a>(burst: &[Vec<u8>], offer: Offer, lane: impl Fn(usize) -> &'a [u8]) -> bool {
    let mut mixes = false;
    let mut sink = |train: Train<Numbered>, _: FlushReason| {
        let mut lanes = train.packets().iter().filter_map(|packet| packet.number).map(&lane);
        let first = lanes.next();
        mixes |= lanes.any(|other| Some(other) != first);
    };
    let mut coalescer = Coalescer::new(config(offer));
    for (number, bytes) in burst.iter().enumerate() {
        let number = Some(number);
        let packet = Numbered { number, outer_checksum: false, bytes: bytes.clone() };
        coalescer.push(packet, 0, &mut sink);
    }
    coalescer.end_of_burst(0, &mut sink);
    mixes
}

fn config(offer: Offer) -> GroConfig {
    GroConfig {
        udp: offer.udp,
        tunnel_ports: offer.ports(),
        profile: offer.profile(),
        hold: Hold::EndOfBurst,
        flows: FLOWS,
        max_segments: crate::bed::MAX_BURST + 1,
        spare_trains: 0,
        ..GroConfig::default()
    }
}

struct Run<'a> {
    burst: &'a [Vec<u8>],
    offer: Offer,
    coalescer: Coalescer<Numbered>,
    out: Vec<(Outcome, Option<FlushReason>)>,
}

impl Run<'_> {
    fn push(&mut self, number: usize, handling: &Handling) {
        let came = &self.burst[number];
        let mut bytes = handling.instead.as_ref().unwrap_or(came).clone();
        if let Some(inner) = innermost(&bytes, self.offer) {
            put_into_lane(&mut bytes, &inner, handling.lane);
            if handling.apart {
                let bytes = divider(&bytes, &inner);
                self.coalesce(Numbered { number: None, outer_checksum: false, bytes });
            }
        }
        if handling.past {
            self.out.push((Outcome::alone(came), None));
        } else {
            let outer_checksum = handling.outer_checksum;
            self.coalesce(Numbered { number: Some(number), outer_checksum, bytes });
        }
    }

    fn coalesce(&mut self, packet: Numbered) {
        let (burst, offer, out) = (self.burst, self.offer, &mut self.out);
        let mut sink = |train: Train<Numbered>, reason| {
            if train.packets()[0].number.is_some() {
                out.push((outcome(&train, burst, offer), Some(reason)));
            }
        };
        self.coalescer.push(packet, 0, &mut sink);
    }
}

/// The headers of the innermost IP packet.
pub(crate) fn innermost(bytes: &[u8], offer: Offer) -> Option<Headers> {
    let outer = Headers::parse(bytes, Link::Ethernet).ok()?;
    match Tunnel::find(bytes, &outer, &offer.ports()) {
        Some(Ok(tunnel)) => Some(tunnel.inner),
        _ => Some(outer),
    }
}

/// Where its transport checksum stands.
pub(crate) fn checksum_at(inner: &Headers) -> usize {
    let is_udp = inner.protocol == Protocol::UDP;
    usize::from(inner.transport) + if is_udp { udp::CHECKSUM } else { tcp::CHECKSUM }
}

/// Gives the packet a source port of its own in each lane, and as good a checksum as before: so good are
/// those of its tunnel then, too.
fn put_into_lane(bytes: &mut [u8], inner: &Headers, lane: usize) {
    let (transport, at) = (usize::from(inner.transport), checksum_at(inner));
    let (Some(ports), Some(before)) = (inner.ports, bytes.be16(at)) else { return };
    if lane == 0 {
        return;
    }
    let is_udp = inner.protocol == Protocol::UDP;
    let port = ports.src.wrapping_add((lane as u16).wrapping_mul(1000));
    // RFC 1624, equation 3.
    let checksum = match (Sum::of(!before) + Sum::of(!ports.src) + Sum::of(port)).checksum() {
        _ if is_udp && before == 0 => 0,
        0 if is_udp => 0xffff,
        checksum => checksum,
    };
    bytes[transport..transport + 2].copy_from_slice(&port.to_be_bytes());
    bytes[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
}

/// A train as the kernel would show it.
fn outcome(train: &Train<Numbered>, burst: &[Vec<u8>], offer: Offer) -> Outcome {
    let first = &train.packets()[0];
    let came = first.number.map_or(&first.bytes, |number| &burst[number]);
    if train.packets().len() == 1 {
        let alone = Outcome { gso_segs: train.gso_segs(), ..Outcome::alone(came) };
        return Outcome { gso_size: train.gso_size(), gso_type: train.gso_type().0 as u8, ..alone };
    }
    let mut bytes = vec![0; train.header_len(Link::Ethernet)];
    train.write_header(&mut bytes, Link::Ethernet, ChecksumMode::Partial);
    let header_len = bytes.len();
    train.payloads().for_each(|payload| bytes.extend(payload));
    if first.outer_checksum {
        outer::as_linux_has_it(&mut bytes, came, offer);
    }
    restore(&mut bytes[..header_len], &first.bytes, came, offer);
    let network = bytes.len() - train.ip_len();
    let vnet = train.vnet_header();
    Outcome {
        gso_size: vnet.gso_size,
        gso_segs: train.gso_segs(),
        gso_type: vnet.gso_type,
        partial: vnet.needs_csum().then_some((vnet.csum_start + network as u16, vnet.csum_offset)),
        bytes,
    }
}

/// What was coalesced instead of `came` is taken out of the header again, but for what is derived anyway.
fn restore(header: &mut [u8], instead: &[u8], came: &[u8], offer: Offer) {
    let (Some(inner), Ok(outer)) =
        (innermost(instead, offer), Headers::parse(instead, Link::Ethernet))
    else {
        return;
    };
    let (network, transport) = (usize::from(outer.network), usize::from(outer.transport));
    let checksum = checksum_at(&inner);
    let derived = [
        checksum..checksum + 2,
        transport + udp::LENGTH..transport + udp::HEADER_LEN,
        network + 10..network + 12,
    ];
    for at in 0..header.len() {
        if instead[at] != came[at] && !derived.iter().any(|range| range.contains(&at)) {
            header[at] = came[at];
        }
    }
    if !outer.is_ipv6() {
        header[network + 10..network + 12].fill(0);
        let checksum = naive(&header[network..transport]).checksum();
        header[network + 10..network + 12].copy_from_slice(&checksum.to_be_bytes());
    }
}

/// A packet of the same flow that takes no part, as its checksum is wrong: what is held of its flow goes
/// before it (G7, G23).
fn divider(bytes: &[u8], inner: &Headers) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    if let Some(byte) = bytes.get_mut(checksum_at(inner)) {
        *byte ^= 0x55;
    }
    bytes
}
