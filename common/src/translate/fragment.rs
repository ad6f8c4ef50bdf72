//! IPv4 fragmentation as routers do it (RFC 791 §3.2): any packet whose sender lets them.

use core::iter;
use core::ops::Range;

use crate::checksum::sum;
use crate::offload::{Buffer, ip_len};
use crate::wire::{Fragment, HeaderOption, Headers, Protocol, ipv4};

/// Offsets count in units of so many bytes.
const UNIT: usize = 8;
/// No IP packet is longer, and none may become so when it is put together.
const MAX_LEN: usize = 65_535;

/// An IPv4 packet, in one piece or several, that is to leave as [`count`](Self::count) fragments.
///
/// It may be a fragment itself: what is put together from its own fragments is the packet it belongs to.
///
/// ```text
///  ┌──────┬────┬─────────┬─────────────────────────────────────┐
///  │ link │ IP │ options │ payload                             │ what it was padded with is not sent
///  └──────┴────┴─────────┴─────────────────────────────────────┘
///  ┌──────┬────┬─────────┬───────────┐
///  │ link │ IP │ options │ 8 · n     │  MF
///  └──────┴────┴─────────┴───────────┘
///  ┌──────┬────┬────────┬────────────┐
///  │ link │ IP │ copied │ 8 · m      │  MF, offset
///  └──────┴────┴────────┴────────────┘
///  ┌──────┬────┬────────┬───────┐
///  │ link │ IP │ copied │ rest  │       offset, MF if the packet has it
///  └──────┴────┴────────┴───────┘
/// ```
///
/// The transport header, in the first fragment only, goes as it came. A partial checksum in it is the caller's
/// to complete beforehand: nobody else can, once the packet is in parts.
#[derive(Clone, Copy, Debug)]
pub struct Fragments<'a, B: ?Sized> {
    packet: &'a B,
    /// Link header and IP header of the packet.
    head: &'a [u8],
    /// Where the IP header begins.
    network: usize,
    /// Bytes after the IP header.
    payload: usize,
    /// Bytes of the IP header in all fragments but the first.
    later_header: usize,
    /// Payload bytes in the first fragment.
    first: usize,
    /// Payload bytes in the others but the last.
    later: usize,
}

impl<'a, B: Buffer + ?Sized> Fragments<'a, B> {
    /// How `packet` is cut into IP packets of at most `mtu` bytes; its outermost headers are `headers`. One
    /// that fits is a single fragment: itself.
    ///
    /// `None`: it is not to be fragmented, or not so. It is IPv6, or has DF set. It is a whole TCP packet (S7).
    /// Its length says more than there is, or it is a fragment before the last one that does not end at a
    /// multiple of eight, or one that reaches beyond 65,535 bytes. Its header checksum is wrong, which is not
    /// to be repaired. Or `mtu` leaves no room for eight bytes.
    #[must_use]
    pub fn new(packet: &'a B, headers: &Headers, mtu: usize) -> Option<Self> {
        if headers.protocol == Protocol::TCP && headers.fragment == Fragment::Whole {
            return None;
        }
        let (network, transport) = (usize::from(headers.network), usize::from(headers.transport));
        let head = packet.head().get(..transport)?;
        let header = head.get(network..).filter(|header| is_sound(header))?;
        let payload = payload_len(packet, head, network)?;
        let later_header = later_header_len(header);
        let fragments =
            Self { packet, head, network, payload, later_header, first: payload, later: UNIT };
        if header.len() + payload <= mtu {
            return Some(fragments);
        }
        let [first, later] =
            [header.len(), later_header].map(|len| mtu.saturating_sub(len) / UNIT * UNIT);
        (first > 0).then_some(Self { first, later, ..fragments })
    }

    /// How many fragments there are, at least one.
    #[must_use]
    pub fn count(&self) -> usize {
        1 + (self.payload - self.first).div_ceil(self.later)
    }

    /// Length of the frame of fragment `i` in bytes, link header included.
    #[must_use]
    pub fn len(&self, i: usize) -> usize {
        self.network + self.header_len(i) + self.range(i).len()
    }

    /// Writes the frame of fragment `i` to the beginning of `out`, with a header checksum of its own, and
    /// returns its length.
    ///
    /// # Panics
    /// If `i` is not below [`count`](Self::count), or `out` shorter than [`len`](Self::len).
    pub fn write(&self, i: usize, out: &mut [u8]) -> usize {
        let len = self.len(i);
        let (link, ip) = out[..len].split_at_mut(self.network);
        link.copy_from_slice(&self.head[..self.network]);
        let (header, payload) = ip.split_at_mut(self.header_len(i));
        self.write_header(i, header);
        copy(self.packet, self.head.len() + self.range(i).start, payload);
        len
    }

    fn write_header(&self, i: usize, out: &mut [u8]) {
        let header = &self.head[self.network..];
        if i == 0 {
            out.copy_from_slice(header);
        } else {
            write_later(header, out);
        }
        let Range { start, end } = self.range(i);
        let total = out.len() + end - start;
        let Some(mut packet) = ipv4::Packet::new(out) else { return };
        // The offset of what is itself a fragment goes on, and so does its MF.
        let word = packet.fragment_word() + (start / UNIT) as u16;
        let more = if end < self.payload { ipv4::MF } else { 0 };
        packet.set_total_len(total as u16);
        packet.set_fragment_word(word | more);
        packet.fill_checksum();
    }

    /// Which bytes of the payload are in fragment `i`.
    fn range(&self, i: usize) -> Range<usize> {
        let end = (self.first + i * self.later).min(self.payload);
        let start = if i == 0 { 0 } else { self.first + (i - 1) * self.later };
        assert!(start < end || i == 0, "there are {} fragments, and not {i}", self.count());
        start..end
    }

    fn header_len(&self, i: usize) -> usize {
        if i == 0 { self.head.len() - self.network } else { self.later_header }
    }
}

/// Whether `header` is an IPv4 header, with a checksum that holds, which lets routers fragment.
fn is_sound(header: &[u8]) -> bool {
    ipv4::Packet::new(header).is_some_and(|packet| {
        header[0] >> 4 == 4 && packet.fragment_word() & ipv4::DF == 0 && sum(header).checksum() == 0
    })
}

/// Bytes after the IP header that `head` ends with, if they are there and are what a packet or its fragment can
/// have.
fn payload_len<B: Buffer + ?Sized>(packet: &B, head: &[u8], network: usize) -> Option<usize> {
    let header_len = head.len() - network;
    let payload = ip_len(head, network)?.checked_sub(header_len)?;
    let word = ipv4::Packet::new(&head[network..])?.fragment_word();
    let offset = usize::from(word & ipv4::OFFSET) * UNIT;
    let is_last = word & ipv4::MF == 0;
    let is_there = head.len() + payload <= packet.total_len();
    let is_sound = is_last || payload.is_multiple_of(UNIT);
    let ends = header_len + offset + payload;
    (is_there && is_sound && ends <= MAX_LEN).then_some(payload)
}

/// RFC 791 §3.1: the options of `header` that stand in every fragment.
fn copied(header: &[u8]) -> impl Iterator<Item = HeaderOption<'_>> {
    ipv4::options(header).into_iter().flatten().filter(|option| option.kind & ipv4::COPIED != 0)
}

fn later_header_len(header: &[u8]) -> usize {
    let options: usize = copied(header).map(|option| 2 + option.data.len()).sum();
    ipv4::HEADER_LEN + options.next_multiple_of(4)
}

/// Writes `header` as all fragments but the first have it, padded to `out`.
fn write_later(header: &[u8], out: &mut [u8]) {
    let (fixed, options) = out.split_at_mut(ipv4::HEADER_LEN);
    fixed.copy_from_slice(&header[..ipv4::HEADER_LEN]);
    fixed[0] = 0x40 | ((ipv4::HEADER_LEN + options.len()) / 4) as u8;
    options.fill(0);
    let mut at = 0;
    for option in copied(header) {
        let bytes = &header[option.at..option.at + 2 + option.data.len()];
        options[at..at + bytes.len()].copy_from_slice(bytes);
        at += bytes.len();
    }
}

/// Fills `out` with the bytes of `packet` from `from` on, which are there.
fn copy<B: Buffer + ?Sized>(packet: &B, from: usize, mut out: &mut [u8]) {
    let mut before = from;
    for piece in iter::once(packet.head()).chain(packet.rest()) {
        let skipped = before.min(piece.len());
        before -= skipped;
        let len = out.len().min(piece.len() - skipped);
        let (now, then) = out.split_at_mut(len);
        now.copy_from_slice(&piece[skipped..skipped + len]);
        out = then;
    }
}
