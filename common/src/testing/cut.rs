//! What must hold of a train that is cut to segments of another size.

use alloc::vec;
use alloc::vec::Vec;

use super::round_trip::{checksums_hold, complete, linear};
use crate::checksum::naive;
use crate::offload::{
    Buffer, Checksum, ChecksumMode, Cut, GroConfig, GsoType, Profile, RxChecksum, Train,
};
use crate::wire::{Headers, Link, Protocol};

/// Bytes in each slice that a segment is written to: odd, so that words lie across them.
const SLICE: usize = 127;

/// Cuts `train` to sizes below and above its own. Trains of TCP can be cut, and what should not be is not.
pub(super) fn check_cuts<H: Buffer>(train: &Train<H>, config: &GroConfig) {
    let whole = linear(train, Link::Ethernet, ChecksumMode::Partial);
    let own = usize::from(train.gso_size());
    for size in [whole.len() / 5 + 1, 2 * own + 1, 8_948] {
        match train.cut(size) {
            Some(cut) => Expected::new(train, &whole, size, config).check(cut),
            None => assert!(!is_plain_super(train, &whole), "a train of TCP is not cut to {size}"),
        }
    }
}

/// Whether nothing keeps it from being cut: not even a byte of its options looks like a signature's kind.
fn is_plain_super<H: Buffer>(train: &Train<H>, whole: &[u8]) -> bool {
    let is_tcp = train.headers().is_some_and(|headers| headers.protocol == Protocol::TCP);
    let header = &whole[..train.header_len(Link::Ethernet)];
    let options = train.transport_header_len().map_or(0, |len| len.saturating_sub(20));
    let may_be_signed = header[header.len() - options..].iter().any(|byte| matches!(byte, 19 | 29));
    let is_cut = is_tcp && header.len() <= 256 && !may_be_signed;
    is_cut && train.is_super() && train.checksum() != Checksum::Unknown
}

/// Segments in the plainest way.
struct Expected<'a> {
    /// The super-packet, with its link header.
    whole: &'a [u8],
    headers: Headers,
    header_len: usize,
    size: usize,
    gso_type: GsoType,
    config: &'a GroConfig,
}

impl<'a> Expected<'a> {
    fn new<H: Buffer>(
        train: &Train<H>,
        whole: &'a [u8],
        size: usize,
        config: &'a GroConfig,
    ) -> Self {
        let headers = Headers::parse(whole, config.link).expect("what is not IP is not cut");
        let is_known = config.rx_checksum == RxChecksum::Trust
            || train.is_super()
            || train.checksum() == Checksum::Partial
            || checksums_hold(&whole[headers.network.into()..], config);
        assert!(is_known, "G7: a wrong checksum is repaired");
        let keeps_cwr = config.profile == Profile::AccEcn;
        let gso_type = if keeps_cwr { GsoType::ACCECN } else { GsoType::NONE };
        Self {
            whole,
            headers,
            header_len: train.header_len(Link::Ethernet),
            size,
            gso_type: gso_type.with(train.gso_type()),
            config,
        }
    }

    fn check<H: Buffer>(&self, mut cut: Cut<'_, H>) {
        let payload = &self.whole[self.header_len..];
        assert_eq!(cut.count(), payload.len().div_ceil(self.size).max(1), "S2");
        for i in 0..cut.count() {
            let segment = write(&mut cut, i);
            assert_eq!(segment, self.segment(i), "segment {i} of {}", cut.count());
            assert!(checksums_hold(&segment[self.headers.network.into()..], self.config), "S9");
        }
        assert_eq!(cut.payload_left(), 0);
    }

    /// The header of the whole, and what rules S4 to S9 say of segment `i`.
    fn segment(&self, i: usize) -> Vec<u8> {
        let (header, payload) = self.whole.split_at(self.header_len);
        let offset = i * self.size;
        let end = payload.len().min(offset + self.size);
        let mut segment = [header, &payload[offset..end]].concat();
        let ip = &mut segment[self.headers.network.into()..];
        self.put_network(i, ip);
        self.put_tcp(offset, end == payload.len(), ip);
        let network = self.headers.network;
        let transport = self.headers.transport - network;
        complete(ip, &Headers { network: 0, transport, ..self.headers });
        segment
    }

    fn put_network(&self, i: usize, ip: &mut [u8]) {
        let len = ip.len() as u16;
        if self.headers.is_ipv6() {
            return ip[4..6].copy_from_slice(&(len - 40).to_be_bytes());
        }
        ip[2..4].copy_from_slice(&len.to_be_bytes());
        if !self.gso_type.has(GsoType::FIXED_ID) {
            let id = u16::from_be_bytes([ip[4], ip[5]]).wrapping_add(i as u16);
            ip[4..6].copy_from_slice(&id.to_be_bytes());
        }
        ip[10..12].fill(0);
        let header = &ip[..usize::from(self.headers.transport - self.headers.network)];
        let checksum = naive(header).checksum();
        ip[10..12].copy_from_slice(&checksum.to_be_bytes());
    }

    fn put_tcp(&self, offset: usize, is_last: bool, ip: &mut [u8]) {
        let tcp = &mut ip[usize::from(self.headers.transport - self.headers.network)..];
        let seq = u32::from_be_bytes([tcp[4], tcp[5], tcp[6], tcp[7]]).wrapping_add(offset as u32);
        tcp[4..8].copy_from_slice(&seq.to_be_bytes());
        // FIN and PSH on the last, CWR on the first.
        let ends = if is_last { 0xff } else { !0x09 };
        let begins = if offset == 0 || self.gso_type.has(GsoType::ACCECN) { 0xff } else { !0x80 };
        tcp[13] &= ends & begins;
    }
}

/// Segment `i`, the next one, by way of several slices.
fn write<H: Buffer>(cut: &mut Cut<'_, H>, i: usize) -> Vec<u8> {
    let mut segment = vec![0xee; cut.header_len()];
    while cut.payload_left() > 0 {
        let mut slice = [0; SLICE];
        let len = cut.write_payload(&mut slice);
        segment.extend(&slice[..len]);
    }
    assert_eq!(cut.write_header(&mut segment), cut.header_len());
    assert_eq!(segment.len(), cut.segment_len(i));
    segment
}
