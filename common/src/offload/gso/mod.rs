//! The segmenter (TSO, USO, GSO): a super-packet from a TUN device becomes wire packets.
//!
//! [`Segmenter::new`] judges the packet and its vnet header, of which it believes nothing; only then is
//! anything written, so that a packet goes out whole or not at all.

mod judge;
mod piece;

pub use piece::Piece;

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
    /// S1: complete the checksum at `at`, which covers all from `start` on.
    Complete { start: usize, at: usize },
    /// Cut the payload.
    Split(Template),
}

impl<'a> Segmenter<'a> {
    /// Judges `packet`, an IP packet without link header, with the vnet header that came with it.
    /// No wire packet is to be longer than `mtu` bytes from its IP header on.
    ///
    /// # Errors
    /// The reason to drop it (S15), with nothing written.
    pub fn new(packet: &'a [u8], vnet: &VnetHeader, mtu: usize) -> Result<Self, DropReason> {
        let headers = Headers::parse(packet, Link::None).map_err(|_| DropReason::NotIp)?;
        let work = match GsoType(vnet.gso_type.into()) {
            GsoType::NONE => judge::whole(packet, &headers, vnet, mtu)?,
            _ => judge::split(packet, &headers, vnet, mtu)?,
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
        mtu: usize,
    ) -> Result<Self, DropReason> {
        let headers = Headers::parse(packet, Link::None).map_err(|_| DropReason::NotIp)?;
        let work = match (Tunnel::find(packet, &headers, ports), vnet.gso_type) {
            (None, _) => return Self::new(packet, vnet, mtu),
            (_, 0) => judge::whole(packet, &headers, vnet, mtu)?,
            (Some(Err(_)), _) => return Err(DropReason::UnknownGsoType),
            (Some(Ok(tunnel)), _) => judge::inside(packet, &headers, &tunnel, vnet, mtu)?,
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
        self.header_len() + self.payload(i).len()
    }

    /// Writes wire packet `i` to the beginning of `out` and returns its length. The payload is copied
    /// once and summed in the same pass.
    ///
    /// # Panics
    /// If `i` is not below [`count`](Self::count), or `out` shorter than
    /// [`segment_len`](Self::segment_len).
    pub fn write(&self, i: usize, out: &mut [u8]) -> usize {
        let payload = self.payload(i);
        let (head, tail) = out[..self.segment_len(i)].split_at_mut(self.header_len());
        if matches!(self.work, Work::Whole) {
            tail.copy_from_slice(payload);
        } else {
            let payload_sum = copy(payload, tail);
            self.head(i, head, Some(payload_sum));
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
            ChecksumMode::Full => Some(sum(self.payload(i))),
            ChecksumMode::Partial => None,
        };
        let head = &mut out[..self.header_len()];
        self.head(i, head, payload_sum);
        head.len()
    }

    /// Bytes [`write_header`](Self::write_header) writes: none for a packet that goes as it is.
    #[inline]
    #[must_use]
    pub fn header_len(&self) -> usize {
        match &self.work {
            Work::Whole => 0,
            Work::Complete { at, .. } => at + 2,
            Work::Split(template) => template.header_len(),
        }
    }

    /// What follows the header of wire packet `i`.
    ///
    /// # Panics
    /// If `i` is not below [`count`](Self::count).
    #[inline]
    #[must_use]
    pub fn payload(&self, i: usize) -> &'a [u8] {
        match &self.work {
            Work::Split(template) => &self.packet[template.payload_range(i, self.packet.len())],
            _ => &self.packet[self.header_len()..],
        }
    }

    /// Where a wire packet's checksum begins to sum and where it stands, in bytes from the IP header;
    /// `None` if it is complete as it is.
    #[must_use]
    pub fn checksum_at(&self) -> Option<(usize, usize)> {
        match &self.work {
            Work::Whole => None,
            Work::Complete { start, at } => Some((*start, *at)),
            Work::Split(template) => Some(template.checksum_at()),
        }
    }

    /// Writes the header of wire packet `i`; without `payload_sum` its checksum stays partial.
    fn head(&self, i: usize, out: &mut [u8], payload_sum: Option<Sum>) {
        let header = &self.packet[..out.len()];
        match &self.work {
            Work::Split(template) => {
                template.write(i, header, self.payload(i).len(), payload_sum, out);
            }
            Work::Complete { start, at } => {
                out.copy_from_slice(header);
                if let Some(payload_sum) = payload_sum {
                    let total = sum(&header[*start..]).then(payload_sum, at - start);
                    out[*at..].copy_from_slice(&completed(total, at - start).to_be_bytes());
                }
            }
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
