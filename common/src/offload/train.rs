//! A train: consecutive packets of one flow, in their own buffers, and what their common header says.

use alloc::vec::Vec;
use core::iter;

use super::{Buffer, ChecksumMode, GsoType, VnetHeader, derive};
use crate::wire::{Headers, Link, Protocol, TunnelKind, tcp, udp};

/// What is known of a train's transport checksums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Checksum {
    /// Nothing, or that one is wrong: whoever gets the packet has to verify it.
    #[default]
    Unknown,
    /// Verified, or trusted.
    Valid,
    /// The field holds the pseudo-header sum only, and is to be completed before the packet is on a wire.
    Partial,
}

/// Where the headers of a packet begin and end, in bytes from its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Layout {
    /// The IP header.
    pub(super) network: u16,
    /// The transport header.
    pub(super) transport: u16,
    /// The payload; what stands before it is the header.
    pub(super) payload: u16,
    /// What stands around the packet that the others are about, if it is inside a tunnel.
    pub(super) outer: Option<OuterLayout>,
}

/// Where the outer headers of a tunnel's packet begin, in bytes from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OuterLayout {
    pub(super) kind: TunnelKind,
    /// The outer IP header.
    pub(super) network: u16,
    /// What follows it: UDP, GRE, or the inner packet.
    pub(super) transport: u16,
    /// The inner packet, its Ethernet header included.
    pub(super) payload: u16,
}

impl Layout {
    /// Where the outermost IP header begins.
    pub(super) fn start(&self) -> u16 {
        self.outer.map_or(self.network, |outer| outer.network)
    }
}

/// What a train is, but for its bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shape {
    pub(super) layout: Layout,
    /// `None`: not an IP packet.
    pub(super) protocol: Option<Protocol>,
    /// Bytes of the whole from the outermost IP header on.
    pub(super) ip_len: u32,
    /// Payload bytes of each packet but the last.
    pub(super) gso_size: u16,
    pub(super) gso_segs: u16,
    pub(super) gso_type: GsoType,
    /// TCP flags of the whole (G27).
    pub(super) flags: tcp::Flags,
    pub(super) checksum: Checksum,
    /// Profile `lro`: the derived header has what the last packet's says.
    pub(super) has_last: bool,
}

/// Consecutive packets of one flow, at least one, in order, in their own buffers `H`.
///
/// A train of one is a packet as it came; a longer one has a header derived from its first packet's.
#[derive(Debug)]
pub struct Train<H> {
    pub(super) packets: Vec<H>,
    pub(super) shape: Shape,
}

impl Shape {
    /// Bytes of the whole from the innermost IP header on.
    pub(super) fn inner_ip_len(&self) -> usize {
        self.ip_len as usize - usize::from(self.layout.network - self.layout.start())
    }
}

impl<H: Buffer> Train<H> {
    pub(super) fn new(packets: Vec<H>, shape: Shape) -> Self {
        debug_assert!(!packets.is_empty());
        Self { packets, shape }
    }

    /// The packets, link header and padding included, as they came.
    #[must_use]
    pub fn packets(&self) -> &[H] {
        &self.packets
    }

    /// The packets, to be changed where they stand: addresses, ports, a tag's VLAN ID, whatever the network
    /// may change, with the checksums that cover it. All of them alike, or they are no train any more; and
    /// what is known of the whole stays known: where each header begins and ends, every length, the protocol, the
    /// flags and whether the checksums are right.
    #[must_use]
    pub fn packets_mut(&mut self) -> &mut [H] {
        &mut self.packets
    }

    /// The packets' buffers. The vector's storage belongs to the coalescer: give it back with
    /// [`recycle`](super::Coalescer::recycle).
    #[must_use]
    pub fn into_packets(self) -> Vec<H> {
        self.packets
    }

    /// Whether this is an IP packet at all.
    #[must_use]
    pub fn is_ip(&self) -> bool {
        self.shape.protocol.is_some()
    }

    /// The headers of the first packet, in a tunnel the outer ones, parsed again; `None` if it is not IP.
    #[must_use]
    pub fn headers(&self) -> Option<Headers> {
        self.headers_at(self.shape.layout.start())
    }

    /// Those that begin at `network` in the first packet. Offsets in them are from there.
    pub(super) fn headers_at(&self, network: u16) -> Option<Headers> {
        let ip = self.first().get(network.into()..)?;
        Headers::parse(ip, Link::None).ok().filter(|_| self.is_ip())
    }

    /// Bytes of the super-packet from the IP header on; of a packet that is not IP, all its bytes.
    #[must_use]
    pub fn ip_len(&self) -> usize {
        self.shape.ip_len as usize
    }

    /// Payload bytes of each packet but the last; 0 in a train of one.
    #[must_use]
    pub fn gso_size(&self) -> u16 {
        if self.is_super() { self.shape.gso_size } else { 0 }
    }

    /// How many wire packets it makes.
    #[must_use]
    pub fn gso_segs(&self) -> u16 {
        self.shape.gso_segs
    }

    /// How it is segmented; [`GsoType::NONE`] in a train of one.
    #[must_use]
    pub fn gso_type(&self) -> GsoType {
        if self.is_super() { self.shape.gso_type } else { GsoType::NONE }
    }

    /// The TCP flags of the whole (G27), in a tunnel those of the inner packet; `None` where there is no TCP
    /// header, or not all of it.
    #[must_use]
    pub fn tcp_flags(&self) -> Option<tcp::Flags> {
        let is_tcp = self.shape.protocol == Some(Protocol::TCP);
        self.transport_header_len().filter(|_| is_tcp).map(|_| self.shape.flags)
    }

    /// Bytes of the TCP or UDP header of each packet, in a tunnel of the inner one; `None` where there is
    /// none, or not all of it. What [`header_len`](Self::header_len) has beyond it stands before it.
    #[must_use]
    pub fn transport_header_len(&self) -> Option<usize> {
        let Layout { transport, payload, .. } = self.shape.layout;
        payload.checked_sub(transport).filter(|len| *len > 0).map(usize::from)
    }

    /// What is known of the transport checksums.
    #[must_use]
    pub fn checksum(&self) -> Checksum {
        self.shape.checksum
    }

    /// Whether this is more than one wire packet.
    #[must_use]
    pub fn is_super(&self) -> bool {
        self.shape.gso_segs > 1
    }

    /// Takes the last packet out of a train of several, each in a buffer of its own: it is to leave by itself, behind
    /// the others.
    pub fn pop(&mut self) -> Option<H> {
        if !self.is_super() || !self.is_segmented() {
            return None;
        }
        let end = self.packets.last().map(|last| self.payload_end(last.head()))?;
        let last = self.packets.pop()?;
        self.shape.ip_len -= (end - usize::from(self.shape.layout.payload)) as u32;
        self.shape.gso_segs -= 1;
        // What the others have of these closed the train, and would have been the last (G21).
        self.shape.flags = self.shape.flags.without(tcp::Flags::CLOSING);
        Some(last)
    }

    /// Whether each buffer holds one wire packet, so that [`packets`](Self::packets) is what
    /// segmentation at the train's own size would make (G30). Not so where a packet was a super-packet
    /// when it came (G20).
    #[must_use]
    pub fn is_segmented(&self) -> bool {
        self.packets.len() == usize::from(self.shape.gso_segs)
    }

    /// Bytes [`write_header`](Self::write_header) writes for `link`: 0 for a packet that is passed on
    /// as one piece.
    #[must_use]
    pub fn header_len(&self, link: Link) -> usize {
        usize::from(self.shape.layout.payload) - self.header_start(link)
    }

    /// Writes the header of the super-packet to the beginning of `out` and returns its length:
    /// link header included with [`Link::Ethernet`], from the IP header on with [`Link::None`].
    /// [`payloads`](Self::payloads) follow it.
    ///
    /// A train of one keeps its header bit for bit (G29); but with [`ChecksumMode::Full`] a
    /// [`Checksum::Partial`] is completed.
    ///
    /// # Panics
    /// If `out` is shorter than [`header_len`](Self::header_len).
    pub fn write_header(&self, out: &mut [u8], link: Link, mode: ChecksumMode) -> usize {
        let start = self.header_start(link);
        let header = &self.first()[start..usize::from(self.shape.layout.payload)];
        let out = &mut out[..header.len()];
        out.copy_from_slice(header);
        if self.is_super()
            && self.shape.has_last
            && let Some(last) = self.packets.last()
        {
            derive::last_says(out, start, &self.shape, last.head());
        }
        if self.is_super() {
            derive::lengths_and_flags(out, start, &self.shape);
        }
        match mode {
            ChecksumMode::Full if self.is_super() || self.checksum() == Checksum::Partial => {
                derive::full_checksum(out, start, &self.shape, self.payloads());
            }
            ChecksumMode::Partial if self.is_super() => {
                derive::partial_checksum(out, start, &self.shape);
            }
            _ => {}
        }
        if self.is_super() {
            derive::outer_headers(out, start, &self.shape);
        }
        header.len()
    }

    /// What follows the header: the payload of each packet, Ethernet padding trimmed. That of a packet
    /// whose buffer has several pieces comes in several.
    pub fn payloads(&self) -> impl Iterator<Item = &[u8]> {
        self.packets.iter().flat_map(|packet| self.payload_pieces(packet))
    }

    /// The payload of `packet`, piece after piece.
    pub(super) fn payload_pieces<'a>(
        &self,
        packet: &'a H,
    ) -> impl Iterator<Item = &'a [u8]> + use<'a, H> {
        self.pieces(packet, self.shape.layout.payload.into())
    }

    /// Packet `index` as it came, from its outermost IP header on, Ethernet padding trimmed; one whose buffer
    /// has several pieces comes in several. For a port that does not take the whole.
    ///
    /// # Panics
    /// If `index` is not below the number of [`packets`](Self::packets).
    pub fn packet(&self, index: usize) -> impl Iterator<Item = &[u8]> {
        self.pieces(&self.packets[index], self.shape.layout.start().into())
    }

    /// The bytes of `packet` from `from`, which is in the first piece, to its end.
    fn pieces<'a>(
        &self,
        packet: &'a H,
        from: usize,
    ) -> impl Iterator<Item = &'a [u8]> + use<'a, H> {
        let head = packet.head();
        let mut left = self.payload_end(head).saturating_sub(from);
        let first = head.get(from..).unwrap_or_default();
        iter::once(first).chain(packet.rest()).map(move |piece| {
            let piece = &piece[..piece.len().min(left)];
            left -= piece.len();
            piece
        })
    }

    /// The vnet header for this train: with [`ChecksumMode::Partial`] and [`Link::None`] it, the header
    /// and the payloads are what a TUN device takes.
    #[must_use]
    pub fn vnet_header(&self) -> VnetHeader {
        if !self.is_super() {
            return self.packet_vnet_header();
        }
        VnetHeader {
            gso_type: self.gso_type().0 as u8,
            gso_size: self.shape.gso_size,
            hdr_len: self.header_len(Link::None) as u16,
            ..self.needs_csum()
        }
    }

    /// The vnet header for this train where whoever takes it is to cut it to segments of `size` payload bytes, whatever
    /// size it came in; also for one packet. With [`write_uncut_header`](Self::write_uncut_header) and the payloads it
    /// is what a packet socket takes, if [`cut`](Self::cut) says that it may be cut.
    #[must_use]
    pub fn vnet_header_at(&self, size: u16) -> VnetHeader {
        VnetHeader {
            gso_type: self.shape.gso_type.0 as u8,
            gso_size: size,
            hdr_len: self.header_len(Link::None) as u16,
            ..self.needs_csum()
        }
    }

    /// As [`write_header`](Self::write_header) with [`ChecksumMode::Partial`], but the checksum of one packet is partial
    /// too: somebody else is to cut it.
    ///
    /// # Panics
    /// If `out` is shorter than [`header_len`](Self::header_len).
    pub fn write_uncut_header(&self, out: &mut [u8], link: Link) -> usize {
        let len = self.write_header(out, link, ChecksumMode::Partial);
        if !self.is_super() {
            derive::partial_checksum(out, self.header_start(link), &self.shape);
        }
        len
    }

    /// The vnet header for each [`packet`](Self::packet) by itself, if each is one
    /// ([`is_segmented`](Self::is_segmented)).
    #[must_use]
    pub fn packet_vnet_header(&self) -> VnetHeader {
        match self.checksum() {
            Checksum::Partial => self.needs_csum(),
            Checksum::Valid => {
                VnetHeader { flags: VnetHeader::DATA_VALID, ..VnetHeader::default() }
            }
            Checksum::Unknown => VnetHeader::default(),
        }
    }

    fn needs_csum(&self) -> VnetHeader {
        VnetHeader {
            flags: VnetHeader::NEEDS_CSUM,
            csum_start: self.shape.layout.transport - self.shape.layout.start(),
            csum_offset: checksum_offset(self.shape.protocol) as u16,
            ..VnetHeader::default()
        }
    }

    fn first(&self) -> &[u8] {
        self.packets.first().map(Buffer::head).unwrap_or_default()
    }

    fn header_start(&self, link: Link) -> usize {
        match link {
            Link::Ethernet => 0,
            Link::None => usize::from(self.shape.layout.start()),
        }
    }

    /// Where a packet of this train ends, its padding aside.
    pub(super) fn payload_end(&self, packet: &[u8]) -> usize {
        let network = usize::from(self.shape.layout.start());
        let ip_len = match self.packets.len() {
            1 => self.ip_len(),
            _ => super::ip_len(packet, network).unwrap_or(0),
        };
        network + ip_len
    }
}

/// Where the checksum stands in a transport header.
pub(super) fn checksum_offset(protocol: Option<Protocol>) -> usize {
    match protocol {
        Some(Protocol::UDP) => udp::CHECKSUM,
        _ => tcp::CHECKSUM,
    }
}
