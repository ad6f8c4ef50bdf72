//! The segmenter (TSO, USO, GSO): a super-packet from a TUN device becomes wire packets.
//!
//! [`Segmenter::new`] judges the packet and its vnet header, of which it believes nothing; only then is
//! anything written, so that a packet goes out whole or not at all.
//!
//! | file | what it holds |
//! |---|---|
//! | `cut` | the same for a train: to segments of another size |
//! | `judge` | what is to be done with a packet, if anything |
//! | `limits` | what bounds the wire packets |
//! | `fragment` | a datagram larger than the MTU |
//! | `jumbo` | super-packets beyond 64 KiB |
//! | `piece` | GSO partial: what a port is given that cuts packets itself |

#[cfg(feature = "alloc")]
mod cut;
mod fragment;
mod judge;
mod jumbo;
mod limits;
mod piece;

#[cfg(feature = "alloc")]
pub use cut::Cut;
pub use jumbo::without_jumbo_option;
pub use limits::Limits;
pub use piece::Piece;

use fragment::Fragments;
use judge::Completion;

use super::template::Template;
use super::{ChecksumMode, GsoType, VnetHeader};
use crate::checksum::{Sum, copy, sum};
use crate::reason::DropReason;
use crate::wire::{Addresses, Headers, Link, Tunnel, TunnelPorts, udp};

/// One packet that is to leave as [`count`](Self::count) wire packets.
#[derive(Clone, Debug)]
pub struct Segmenter<'a> {
    packet: &'a [u8],
    headers: Headers,
    work: Work,
}

/// What there is to do.
#[derive(Clone, Debug)]
enum Work {
    /// S1: nothing.
    Whole,
    /// S1: complete the checksum.
    Complete(Completion),
    /// Cut the payload.
    Split(Template),
    /// S11: cut the datagram.
    Fragment(Fragments),
}

impl<'a> Segmenter<'a> {
    /// Judges `packet`, an IP packet without link header, with the vnet header that came with it.
    /// No wire packet is to be longer than `limits` say, which may be just an MTU; a datagram that is too
    /// long by itself becomes IP fragments, where its sender allows that (S11).
    ///
    /// # Errors
    /// The reason to drop it (S15), with nothing written.
    pub fn new(
        packet: &'a [u8],
        vnet: &VnetHeader,
        limits: impl Into<Limits>,
    ) -> Result<Self, DropReason> {
        let limits = limits.into();
        let headers = Headers::parse(packet, Link::None).map_err(|_| DropReason::NotIp)?;
        let work = match GsoType(vnet.gso_type.into()) {
            GsoType::NONE => judge::whole(packet, &headers, vnet, limits)?,
            GsoType::UDP => judge::datagram(packet, &headers, vnet, limits)?,
            _ => judge::split(packet, &headers, vnet, limits)?,
        };
        Ok(Self { packet, headers, work })
    }

    /// Judges the same way a packet that may be a tunnel's (S13): `vnet` is then about what is inside, and
    /// each wire packet has the tunnel's headers around it with lengths, identification and checksums of its
    /// own. A packet of no tunnel is as with [`new`](Self::new).
    ///
    /// An outer UDP checksum of 0 stays 0. What others hold is not looked at, as they are made again.
    ///
    /// # Errors
    /// The reason to drop it (S15), with nothing written.
    pub fn encapsulated(
        packet: &'a [u8],
        vnet: &VnetHeader,
        ports: &TunnelPorts,
        limits: impl Into<Limits>,
    ) -> Result<Self, DropReason> {
        let limits = limits.into();
        let headers = Headers::parse(packet, Link::None).map_err(|_| DropReason::NotIp)?;
        let work = match (Tunnel::find(packet, &headers, ports), vnet.gso_type) {
            (None, _) => return Self::new(packet, vnet, limits),
            (_, 0) => judge::whole(packet, &headers, vnet, limits)?,
            (Some(Err(_)), _) => return Err(DropReason::UnknownGsoType),
            (Some(Ok(tunnel)), _) => judge::inside(packet, &headers, &tunnel, vnet, limits)?,
        };
        Ok(Self { packet, headers, work })
    }

    /// The same with what a vnet header cannot say: [`GsoType::FIXED_ID`], [`GsoType::OUTER_FIXED_ID`],
    /// [`GsoType::ACCECN`].
    #[must_use]
    pub fn keeping(mut self, gso_type: GsoType) -> Self {
        if let Work::Split(template) = &mut self.work {
            template.keep(gso_type, self.packet);
        }
        self
    }

    /// How many wire packets there are, at least one.
    #[inline]
    #[must_use]
    pub fn count(&self) -> usize {
        match &self.work {
            Work::Split(template) => template.count(),
            Work::Fragment(fragments) => fragments.count(),
            _ => 1,
        }
    }

    /// The parsed headers, of a tunnel's packet the outer ones: addresses, ports, protocol.
    #[inline]
    #[must_use]
    pub fn headers(&self) -> &Headers {
        &self.headers
    }

    /// Where the packet comes from and goes to.
    #[inline]
    #[must_use]
    pub fn addresses(&self) -> &Addresses {
        &self.headers.addresses
    }

    /// Bytes of wire packet `i`, `i` < [`count`](Self::count).
    #[inline]
    #[must_use]
    pub fn segment_len(&self, i: usize) -> usize {
        self.head_len(i) + self.payload(i).len()
    }

    /// Writes wire packet `i` to the beginning of `out` and returns its length. The payload is copied
    /// once and summed in the same pass.
    ///
    /// # Panics
    /// If `i` is not below [`count`](Self::count), or `out` shorter than
    /// [`segment_len`](Self::segment_len).
    pub fn write(&self, i: usize, out: &mut [u8]) -> usize {
        let payload = self.payload(i);
        let (head, tail) = out[..self.segment_len(i)].split_at_mut(self.head_len(i));
        if self.sums_payloads() {
            let payload_sum = copy(payload, tail);
            self.head(i, head, Some(payload_sum));
        } else {
            tail.copy_from_slice(payload);
            self.head(i, head, None);
        }
        self.segment_len(i)
    }

    /// S18: writes only the header of wire packet `i`, for a port that gathers; what follows it is
    /// [`payload`](Self::payload). With [`ChecksumMode::Partial`] (S9) the port completes the checksum
    /// that stands at [`checksum_at`](Self::checksum_at). Returns the header's length.
    ///
    /// # Panics
    /// If `i` is not below [`count`](Self::count), or `out` shorter than
    /// [`header_len`](Self::header_len).
    pub fn write_header(&self, i: usize, out: &mut [u8], mode: ChecksumMode) -> usize {
        let payload_sum = match mode {
            ChecksumMode::Full if self.sums_payloads() => Some(sum(self.payload(i))),
            _ => None,
        };
        let head = &mut out[..self.head_len(i)];
        self.head(i, head, payload_sum);
        head.len()
    }

    /// The most bytes [`write_header`](Self::write_header) writes: none for a packet that goes as it is. All
    /// headers are of this length, but that of the first fragment of a datagram may be longer than the others.
    #[inline]
    #[must_use]
    pub fn header_len(&self) -> usize {
        self.head_len(0)
    }

    /// What follows the header of wire packet `i`.
    ///
    /// # Panics
    /// If `i` is not below [`count`](Self::count).
    #[inline]
    #[must_use]
    pub fn payload(&self, i: usize) -> &'a [u8] {
        match &self.work {
            Work::Split(template) => &self.packet[template.payload_range(i)],
            Work::Fragment(fragments) => {
                &self.packet[fragments.payload_range(i, self.packet.len())]
            }
            _ => &self.packet[self.header_len()..],
        }
    }

    /// Where a wire packet's checksum begins to sum and where it stands, in bytes from the IP header;
    /// `None` if it is complete as it is.
    #[must_use]
    pub fn checksum_at(&self) -> Option<(usize, usize)> {
        match &self.work {
            // That of a fragmented datagram no port could complete.
            Work::Whole | Work::Fragment(_) => None,
            Work::Complete(Completion { start, at }) => Some((*start, *at)),
            Work::Split(template) => Some(template.checksum_at()),
        }
    }

    /// Bytes of the header of wire packet `i`.
    fn head_len(&self, i: usize) -> usize {
        match &self.work {
            Work::Whole => 0,
            Work::Complete(Completion { at, .. }) => at + 2,
            Work::Split(template) => template.header_len(),
            Work::Fragment(fragments) => fragments.head_len(i),
        }
    }

    /// Whether each wire packet has a checksum over its own payload.
    fn sums_payloads(&self) -> bool {
        matches!(self.work, Work::Complete(_) | Work::Split(_))
    }

    /// Writes the header of wire packet `i`; without `payload_sum` its checksum stays partial.
    fn head(&self, i: usize, out: &mut [u8], payload_sum: Option<Sum>) {
        match &self.work {
            Work::Split(template) => {
                let header = &self.packet[..out.len()];
                template.write(i, header, payload_sum, out);
            }
            Work::Complete(Completion { start, at }) => {
                let header = &self.packet[..out.len()];
                out.copy_from_slice(header);
                if let Some(payload_sum) = payload_sum {
                    let total = sum(&header[*start..]).then(payload_sum, at - start);
                    out[*at..].copy_from_slice(&completed(total, at - start).to_be_bytes());
                }
            }
            Work::Fragment(fragments) => fragments.write_head(i, self.packet, out),
            Work::Whole => {}
        }
    }
}

/// S9: the checksum over a sum that includes the pseudo header. A UDP result of 0 is written 0xFFFF.
fn completed(total: Sum, offset: usize) -> u16 {
    match total.checksum() {
        0 if offset == udp::CHECKSUM => 0xffff,
        checksum => checksum,
    }
}
