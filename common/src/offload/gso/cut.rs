//! Cutting a train to another segment size: what has to be done between networks whose MTUs differ.
//!
//! At its own size a train is its packets (G30). At another its payload, which stands in their buffers, is
//! copied once into segments, and each gets a header of its own.

use core::mem;

use crate::checksum::{Sum, copy, sum};
use crate::offload::template::Template;
use crate::offload::train::Layout;
use crate::offload::{Buffer, Checksum, ChecksumMode, Train};
use crate::translate::is_alterable;
use crate::wire::{Headers, Link, tcp};

/// Bytes of the longest header. Ethernet with two VLAN tags, IPv4 and TCP take 142 with all options they can
/// have, and the rest is room for IPv6 extension headers. More would be cleared for every train and used for
/// hardly any.
const MAX_HEADER: usize = 256;
/// The longest IP packet (G18).
const MAX_IP_LEN: usize = 65_535;

impl<H: Buffer> Train<H> {
    /// The train in segments of `size` payload bytes, larger or smaller than its packets have; also one packet
    /// that is too large, or small ones that fill a larger one. Nothing is copied yet.
    ///
    /// `None` where it has to stay as it is: it is not TCP or in a tunnel, is a fragment, says something untrue
    /// of its lengths, or has SYN, RST (S5) or URG; it is signed (RFC 2385, RFC 5925), segment by segment; a
    /// checksum is not known to be right and would be repaired (G7), that of an IPv4 header included; a full
    /// segment would be longer than an IP packet can be; or its header has more than 256 bytes, link header
    /// included.
    ///
    /// ```
    /// use sluice_common::offload::{Coalescer, GroConfig, Train};
    /// use sluice_common::reason::FlushReason;
    /// use sluice_common::testing::Packet;
    ///
    /// // One jumbo packet of 8,948 bytes and its way through a smaller MTU.
    /// let packet = Packet::tcp4().with_payload(&[7; 8948]);
    /// let mut sent = Vec::new();
    /// let mut sink = |train: Train<Vec<u8>>, _: FlushReason| {
    ///     let mut cut = train.cut(1448).expect("a sound TCP packet");
    ///     for i in 0..cut.count() {
    ///         let mut segment = vec![0; cut.segment_len(i)];
    ///         cut.write(&mut segment);
    ///         sent.push(segment);
    ///     }
    /// };
    /// let mut coalescer = Coalescer::new(GroConfig::default());
    /// coalescer.push(packet.build(), 0, &mut sink);
    /// coalescer.end_of_burst(0, &mut sink);
    ///
    /// assert_eq!(sent.len(), 7);
    /// let first = packet.clone().with_payload(&[7; 1448]);
    /// assert_eq!(sent[0], first.build());
    /// assert_eq!(sent[1], first.next().build());
    /// ```
    #[must_use]
    pub fn cut(&self, size: usize) -> Option<Cut<'_, H>> {
        let header_len = self.header_len(Link::Ethernet);
        let longest = size.checked_add(self.header_len(Link::None))?;
        let is_possible = size > 0 && longest <= MAX_IP_LEN && header_len <= MAX_HEADER;
        let headers = self.headers().filter(|_| is_possible && self.may_be_cut())?;
        Some(Cut::new(self, &headers, header_len, size))
    }

    fn may_be_cut(&self) -> bool {
        let kept = tcp::Flags::SYN.with(tcp::Flags::RST).with(tcp::Flags::URG);
        self.tcp_flags().is_some_and(|flags| !flags.intersects(kept))
            && self.shape.layout.outer.is_none()
            && self.checksum() != Checksum::Unknown
            && self.headers_may_be_copied().unwrap_or(false)
    }

    /// Whether the IPv4 header checksum holds, which nobody has asked of a packet that took no part, and no
    /// option is about one segment only.
    fn headers_may_be_copied(&self) -> Option<bool> {
        let Layout { network, transport, .. } = self.shape.layout;
        let head = self.packets.first()?.head();
        let (ip, tcp) =
            head.get(network.into()..)?.split_at_checked((transport - network).into())?;
        let holds = ip.first()? >> 4 == 6 || sum(ip).folded() == 0xffff;
        Some(holds && is_alterable(tcp))
    }
}

/// A train that is to leave in segments of another size: [`Train::cut`].
///
/// They are written in order, into as many slices as it takes: first the payload, which is copied and summed in
/// one pass, then the header, which has the checksum.
///
/// ```
/// use sluice_common::offload::{Buffer, Cut};
///
/// /// A segment in frames of 1,024 bytes; all but the last are full.
/// fn next<H: Buffer>(cut: &mut Cut<'_, H>) -> Vec<Vec<u8>> {
///     let header_len = cut.header_len();
///     let mut first = vec![0; 1024];
///     let len = cut.write_payload(&mut first[header_len..]);
///     first.truncate(header_len + len);
///     let mut frames = vec![first];
///     while cut.payload_left() > 0 {
///         let mut frame = vec![0; 1024];
///         let len = cut.write_payload(&mut frame);
///         frame.truncate(len);
///         frames.push(frame);
///     }
///     cut.write_header(&mut frames[0]);
///     frames
/// }
/// ```
#[derive(Debug)]
pub struct Cut<'a, H> {
    template: Template,
    /// That of the whole, as far as the template leaves it as it is.
    header: [u8; MAX_HEADER],
    payload: Payload<'a, H>,
    /// The segment that is being written.
    at: usize,
    /// Bytes of its payload that are written.
    written: usize,
    /// Their sum.
    sum: Sum,
}

impl<'a, H: Buffer> Cut<'a, H> {
    /// Of a train that may be cut. Offsets in `headers` are from its IP header.
    fn new(train: &'a Train<H>, headers: &Headers, header_len: usize, size: usize) -> Self {
        let mut header = [0; MAX_HEADER];
        train.write_header(&mut header, Link::Ethernet, ChecksumMode::Partial);
        let layout = train.shape.layout;
        let headers = Headers { network: layout.network, transport: layout.transport, ..*headers };
        let payload_len = train.ip_len() - train.header_len(Link::None);
        let (bytes, gso_type) = (&header[..header_len], train.shape.gso_type);
        let template = Template::new(bytes, &headers, payload_len, size, gso_type);
        let payload = Payload { train, packet: 0, piece: 0, rest: &[] };
        Self { template, header, payload, at: 0, written: 0, sum: Sum::default() }
    }

    /// How many segments there are, at least one (S2).
    #[inline]
    #[must_use]
    pub fn count(&self) -> usize {
        self.template.count()
    }

    /// Bytes of the header of each segment, link header included.
    #[inline]
    #[must_use]
    pub fn header_len(&self) -> usize {
        self.template.header_len()
    }

    /// Bytes of segment `i`, `i` < [`count`](Self::count), link header included.
    #[inline]
    #[must_use]
    pub fn segment_len(&self, i: usize) -> usize {
        self.header_len() + self.template.payload_range(i).len()
    }

    /// Payload bytes of the next segment that are not written yet; 0 behind the last segment.
    #[inline]
    #[must_use]
    pub fn payload_left(&self) -> usize {
        if self.at == self.count() {
            return 0;
        }
        self.template.payload_range(self.at).len() - self.written
    }

    /// Writes to `out` as much payload of the next segment as it holds or as is left, and returns how many bytes
    /// that were.
    ///
    /// # Panics
    /// If the headers of the train's packets no longer say the lengths they said when they came.
    pub fn write_payload(&mut self, out: &mut [u8]) -> usize {
        let len = out.len().min(self.payload_left());
        let mut out = &mut out[..len];
        while !out.is_empty() {
            let from = self.payload.take(out.len()).expect("packets are as long as they were");
            let (to, rest) = mem::take(&mut out).split_at_mut(from.len());
            self.sum = self.sum.then(copy(from, to), self.written);
            self.written += from.len();
            out = rest;
        }
        len
    }

    /// Writes the header of the next segment (S3–S9), whose payload is written, to the beginning of `out`. That
    /// was this segment; the one after it is the next. Returns the header's length.
    ///
    /// # Panics
    /// If payload of the segment is left, no segment is left, or `out` is shorter than
    /// [`header_len`](Self::header_len).
    pub fn write_header(&mut self, out: &mut [u8]) -> usize {
        assert!(self.at < self.count(), "all {} segments are written", self.count());
        assert_eq!(self.payload_left(), 0, "bytes of payload are not written yet");
        let out = &mut out[..self.header_len()];
        self.template.write(self.at, &self.header[..out.len()], Some(self.sum), out);
        (self.at, self.written, self.sum) = (self.at + 1, 0, Sum::default());
        out.len()
    }

    /// Writes the next segment, of which nothing is written yet, to the beginning of `out` and returns its length.
    ///
    /// # Panics
    /// If no segment is left, or `out` is shorter than it.
    pub fn write(&mut self, out: &mut [u8]) -> usize {
        let (header, payload) = out.split_at_mut(self.header_len());
        let len = self.write_payload(payload);
        self.write_header(header) + len
    }
}

/// A train's payload, piece after piece.
#[derive(Debug)]
struct Payload<'a, H> {
    train: &'a Train<H>,
    packet: usize,
    /// The piece of the packet that comes next.
    piece: usize,
    /// What is left of the one before it.
    rest: &'a [u8],
}

impl<'a, H: Buffer> Payload<'a, H> {
    /// The next bytes, at most `most`; `None` at the end.
    fn take(&mut self, most: usize) -> Option<&'a [u8]> {
        while self.rest.is_empty() {
            self.rest = self.next_piece()?;
        }
        let (taken, rest) = self.rest.split_at(most.min(self.rest.len()));
        self.rest = rest;
        Some(taken)
    }

    fn next_piece(&mut self) -> Option<&'a [u8]> {
        loop {
            let packet = self.train.packets.get(self.packet)?;
            if let Some(piece) = self.train.payload_pieces(packet).nth(self.piece) {
                self.piece += 1;
                return Some(piece);
            }
            (self.packet, self.piece) = (self.packet + 1, 0);
        }
    }
}
