//! The engine's side: what the coalescer makes of a burst.

use sluice_common::checksum::Sum;
use sluice_common::offload::{Buffer, ChecksumMode, Coalescer, GroConfig, Hold, Profile, Train};
use sluice_common::reason::FlushReason;
use sluice_common::testing::Packet;
use sluice_common::wire::{Addresses, Bytes, Headers, Link, Protocol, tcp, udp};

use crate::offer::Offer;
use crate::outcome::Outcome;

/// How one packet is given to the engine. All false: as it came.
#[derive(Clone, Debug, Default)]
pub(crate) struct Handling {
    /// What is held of its flow goes before it.
    pub(crate) apart: bool,
    /// It goes on alone at once, past the engine.
    pub(crate) past: bool,
    /// It is coalesced with packets of this lane only.
    pub(crate) lane: usize,
    /// What is coalesced instead of it; alone it still goes on as it came.
    pub(crate) instead: Option<Vec<u8>>,
}

/// Linux holds this many flows in a bucket (`MAX_GRO_SKBS`, net/core/gro.c).
pub(crate) const FLOWS: usize = 8;

/// A packet that knows which of the burst it is; `None`: it only parts others, and is none of the burst.
struct Numbered {
    number: Option<usize>,
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
    let mut run = Run { burst, coalescer: Coalescer::new(config(offer)), out: Vec::new() };
    for (number, one) in handling.iter().enumerate() {
        run.push(number, one);
    }
    let Run { mut coalescer, mut out, .. } = run;
    coalescer.end_of_burst(0, &mut |train: Train<Numbered>, reason| {
        out.push((outcome(&train, burst), Some(reason)));
    });
    out
}

fn config(offer: Offer) -> GroConfig {
    GroConfig {
        udp: offer.udp,
        profile: Profile::Linux,
        hold: Hold::EndOfBurst,
        flows: FLOWS,
        max_segments: crate::bed::MAX_BURST + 1,
        spare_trains: 0,
        ..GroConfig::default()
    }
}

struct Run<'a> {
    burst: &'a [Vec<u8>],
    coalescer: Coalescer<Numbered>,
    out: Vec<(Outcome, Option<FlushReason>)>,
}

impl Run<'_> {
    fn push(&mut self, number: usize, handling: &Handling) {
        let came = &self.burst[number];
        let bytes = in_lane(handling.instead.as_ref().unwrap_or(came).clone(), handling.lane);
        if let (true, Some(bytes)) = (handling.apart, divider(&bytes)) {
            self.coalesce(Numbered { number: None, bytes });
        }
        if handling.past {
            self.out.push((Outcome::alone(came), None));
        } else {
            self.coalesce(Numbered { number: Some(number), bytes });
        }
    }

    fn coalesce(&mut self, packet: Numbered) {
        let (burst, out) = (self.burst, &mut self.out);
        let mut sink = |train: Train<Numbered>, reason| {
            if train.packets()[0].number.is_some() {
                out.push((outcome(&train, burst), Some(reason)));
            }
        };
        self.coalescer.push(packet, 0, &mut sink);
    }
}

/// The packet with a source port of its own in each lane, and as good a checksum as before.
fn in_lane(mut bytes: Vec<u8>, lane: usize) -> Vec<u8> {
    let Ok(headers) = Headers::parse(&bytes[..], Link::Ethernet) else { return bytes };
    let (transport, Some(ports)) = (usize::from(headers.transport), headers.ports) else {
        return bytes;
    };
    let is_udp = headers.protocol == Protocol::UDP;
    let at = transport + if is_udp { udp::CHECKSUM } else { tcp::CHECKSUM };
    let Some(before) = bytes.be16(at).filter(|_| lane > 0) else { return bytes };
    let port = ports.src.wrapping_add(1000 * lane as u16);
    // RFC 1624, equation 3.
    let checksum = match (Sum::of(!before) + Sum::of(!ports.src) + Sum::of(port)).checksum() {
        _ if is_udp && before == 0 => 0,
        0 if is_udp => 0xffff,
        checksum => checksum,
    };
    bytes[transport..transport + 2].copy_from_slice(&port.to_be_bytes());
    bytes[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

/// A train as the kernel would show it.
fn outcome(train: &Train<Numbered>, burst: &[Vec<u8>]) -> Outcome {
    if let [Numbered { number: Some(number), .. }] = train.packets() {
        assert_eq!((train.gso_size(), train.gso_segs(), train.gso_type().0), (0, 1, 0), "G29");
        return Outcome::alone(&burst[*number]);
    }
    let mut bytes = vec![0; train.header_len(Link::Ethernet)];
    train.write_header(&mut bytes, Link::Ethernet, ChecksumMode::Partial);
    let header_len = bytes.len();
    train.payloads().for_each(|payload| bytes.extend(payload));
    let segments = (bytes.len() - header_len).div_ceil(train.gso_size().into());
    assert_eq!(usize::from(train.gso_segs()), segments, "G28");
    assert_eq!(train.packets().len(), segments, "G30");
    let network = bytes.len() - train.ip_len();
    restore(&mut bytes, burst, train);
    let vnet = train.vnet_header();
    Outcome {
        gso_size: vnet.gso_size,
        gso_type: vnet.gso_type,
        partial: vnet.needs_csum().then_some((vnet.csum_start + network as u16, vnet.csum_offset)),
        bytes,
    }
}

/// Takes the super-packet out of its lane.
fn restore(bytes: &mut [u8], burst: &[Vec<u8>], train: &Train<Numbered>) {
    let (Ok(headers), Some(first)) =
        (Headers::parse(bytes, Link::Ethernet), train.packets()[0].number)
    else {
        return;
    };
    let (version, port) = (usize::from(headers.network), usize::from(headers.transport));
    bytes[version] = burst[first][version];
    bytes[port..port + 2].copy_from_slice(&burst[first][port..port + 2]);
}

/// A pure acknowledgement of the same flow: never held, and what is held of its flow goes before it (G8).
fn divider(bytes: &[u8]) -> Option<Vec<u8>> {
    let Headers { addresses, ports, protocol, .. } = Headers::parse(bytes, Link::Ethernet).ok()?;
    let ports = ports?;
    let (src, dst) = match addresses {
        Addresses::V4 { src, dst } => (src.into(), dst.into()),
        Addresses::V6 { src, dst } => (src.into(), dst.into()),
    };
    let packet = Packet { src, dst, src_port: ports.src, dst_port: ports.dst, ..Packet::tcp4() };
    Some(Packet { protocol, payload: vec![], flags: tcp::Flags::ACK, ..packet }.build())
}
