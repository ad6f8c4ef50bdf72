//! IP fragmentation (UFO): a datagram larger than the MTU (S11).
//!
//! UDP alone: a TCP segment that does not fit is refused, never fragmented (S7).

use core::ops::Range;

use super::judge::Completion;
use super::{Limits, completed};
use crate::checksum::sum;
use crate::wire::{Bytes, Fragment, Headers, Protocol, ipv4, ipv6, udp};

/// Offsets count in units of so many bytes.
const UNIT: usize = 8;

/// How a datagram is cut into fragments.
#[derive(Clone, Debug)]
pub(super) struct Fragments {
    version: Version,
    /// Bytes of the headers that stand in each fragment, an IPv6 Fragment header aside.
    per_fragment: usize,
    /// Bytes after these headers in each fragment but the last, a multiple of [`UNIT`].
    size: usize,
    count: usize,
    /// The checksum of the whole, to be made beforehand; it stands in the first fragment.
    checksum: Option<Completion>,
}

#[derive(Clone, Debug)]
enum Version {
    V4,
    V6 {
        id: u32,
        /// Where the last per-fragment header says what follows it.
        next_at: usize,
    },
}

impl Fragments {
    /// Of a packet whose lengths have been judged, with up to `most` bytes of the datagram in each
    /// fragment. `None`: it is not to be fragmented, or not into pieces as small as the MTU wants.
    pub(super) fn new(
        packet: &[u8],
        headers: &Headers,
        checksum: Option<Completion>,
        limits: Limits,
        most: usize,
    ) -> Option<Self> {
        if headers.protocol != Protocol::UDP || headers.fragment != Fragment::Whole {
            return None;
        }
        let (version, per_fragment) = match (headers.is_ipv6(), limits.fragment_id) {
            (true, None) => return None,
            (true, Some(id)) => {
                let (next_at, per_fragment) = per_fragment_headers(packet)?;
                (Version::V6 { id, next_at }, per_fragment)
            }
            (false, _) if !may_be_fragmented(packet, headers) => return None,
            (false, _) => (Version::V4, headers.transport.into()),
        };
        let fragments = Self { version, per_fragment, size: 0, count: 0, checksum };
        let room = limits.mtu.checked_sub(fragments.header_len())?;
        let size = room.min(most) / UNIT * UNIT;
        // The first fragment has all headers (RFC 7112), and with them the checksum.
        let headers_end = usize::from(headers.transport) + udp::HEADER_LEN;
        let first = headers_end.max(checksum.map_or(0, |checksum| checksum.at + 2));
        if size == 0 || first > per_fragment + size {
            return None;
        }
        let count = (packet.len() - per_fragment).div_ceil(size);
        Some(Self { size, count, ..fragments })
    }

    pub(super) const fn count(&self) -> usize {
        self.count
    }

    /// Bytes of the headers each fragment has.
    const fn header_len(&self) -> usize {
        match self.version {
            Version::V4 => self.per_fragment,
            Version::V6 { .. } => self.per_fragment + ipv6::FRAGMENT_LEN,
        }
    }

    /// Bytes [`write_head`](Self::write_head) writes: of the first fragment also what stands before the
    /// checksum of the whole, and that.
    pub(super) fn head_len(&self, i: usize) -> usize {
        self.header_len() + self.written(i)
    }

    /// Bytes of the datagram that are written with the headers.
    fn written(&self, i: usize) -> usize {
        match self.checksum {
            Some(checksum) if i == 0 => checksum.at + 2 - self.per_fragment,
            _ => 0,
        }
    }

    /// What of the packet follows the head of fragment `i`.
    pub(super) fn payload_range(&self, i: usize, packet_len: usize) -> Range<usize> {
        let start = self.per_fragment + i * self.size;
        start + self.written(i)..(start + self.size).min(packet_len)
    }

    /// Writes what stands before the payload of fragment `i` to `out`, which is as long.
    pub(super) fn write_head(&self, i: usize, packet: &[u8], out: &mut [u8]) {
        let (headers, after) = out.split_at_mut(self.header_len());
        headers[..self.per_fragment].copy_from_slice(&packet[..self.per_fragment]);
        let offset = i * self.size;
        let len = (packet.len() - self.per_fragment - offset).min(self.size);
        let is_last = i + 1 == self.count;
        match self.version {
            Version::V4 => write_v4(headers, len, offset, is_last),
            Version::V6 { id, next_at } => {
                write_v6(
                    headers,
                    self.per_fragment,
                    len,
                    next_at,
                    fragment_header(offset, is_last, id),
                );
            }
        }
        if let (Some(Completion { start, at }), 0) = (self.checksum, i) {
            after.copy_from_slice(&packet[self.per_fragment..at + 2]);
            let checksum = completed(sum(&packet[start..]), at - start);
            after[at - self.per_fragment..].copy_from_slice(&checksum.to_be_bytes());
        }
    }
}

/// The sender allows it. Options keep a packet whole: some of them may stand in the first fragment only
/// (RFC 791 §3.1), and none are worth the trouble.
fn may_be_fragmented(packet: &[u8], headers: &Headers) -> bool {
    let header = &packet[headers.network.into()..headers.transport.into()];
    let has_flags = ipv4::Packet::new(header).is_none_or(|packet| packet.fragment_word() != 0);
    !has_flags && header.len() == ipv4::HEADER_LEN
}

fn write_v4(header: &mut [u8], len: usize, offset: usize, is_last: bool) {
    let more = if is_last { 0 } else { ipv4::MF };
    let total = (header.len() + len) as u16;
    if let Some(mut packet) = ipv4::Packet::new(header) {
        packet.set_total_len(total);
        packet.set_fragment_word((offset / UNIT) as u16 | more);
        packet.fill_checksum();
    }
}

/// Bytes 2 to 7 of a Fragment header (RFC 8200 §4.5): offset, M flag, identification.
fn fragment_header(offset: usize, is_last: bool, id: u32) -> [u8; 6] {
    let [o0, o1] = (offset as u16 | u16::from(!is_last)).to_be_bytes();
    let [i0, i1, i2, i3] = id.to_be_bytes();
    [o0, o1, i0, i1, i2, i3]
}

fn write_v6(headers: &mut [u8], at: usize, len: usize, next_at: usize, fragment: [u8; 6]) {
    let next = core::mem::replace(&mut headers[next_at], Protocol::FRAGMENT.0);
    headers[at..at + 2].copy_from_slice(&[next, 0]);
    headers[at + 2..].copy_from_slice(&fragment);
    let payload_len = headers.len() - ipv6::HEADER_LEN + len;
    if let Some(mut packet) = ipv6::Packet::new(headers) {
        packet.set_payload_len(payload_len as u16);
    }
}

/// The headers that routers on the way look at stand in each fragment: up to the Routing header, or else
/// the Hop-by-Hop Options (RFC 8200 §4.5). Where the last of them names what follows it, and where it ends.
fn per_fragment_headers(packet: &[u8]) -> Option<(usize, usize)> {
    let (mut next_at, mut at) = (ipv6::NEXT_HEADER, ipv6::HEADER_LEN);
    let mut found = (next_at, at);
    loop {
        let kind = Protocol(packet.byte(next_at)?);
        if !kind.is_skippable_extension() {
            return Some(found);
        }
        next_at = at;
        at += (usize::from(packet.byte(at + 1)?) + 1) * UNIT;
        if matches!(kind, Protocol::HOP_BY_HOP | Protocol::ROUTING) {
            found = (next_at, at);
        }
    }
}
