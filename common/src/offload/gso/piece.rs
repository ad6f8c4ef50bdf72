//! GSO partial (S14): for a port that cuts TCP and UDP payload itself and knows nothing of the tunnel
//! around it.
//!
//! Such a port copies everything before the inner transport header into each wire packet. That works if
//! it says of every one of them what is true: so the full segments go together, behind headers that hold
//! the lengths and the outer checksum of one full segment, and a shorter last one goes by itself. Only
//! the outer and inner IPv4 identifications are left for the port to count up.

use super::{Segmenter, Work};

/// Consecutive wire packets that leave together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    first: usize,
    count: usize,
}

impl Piece {
    /// The first wire packet of it, as [`Segmenter`] counts them.
    #[must_use]
    pub const fn first(&self) -> usize {
        self.first
    }

    /// How many wire packets the port makes of it. One is to be sent as it is: with
    /// [`write_header`](Segmenter::write_header).
    #[must_use]
    pub const fn count(&self) -> usize {
        self.count
    }
}

impl<'a> Segmenter<'a> {
    /// The pieces, one or two: the full segments, and what is left. Fragments of a datagram (S11) go one by
    /// one.
    pub fn pieces(&self) -> impl Iterator<Item = Piece> + use<> {
        let count = self.count();
        let full = match &self.work {
            Work::Split(template) => template.full_payload() / template.gso_size(),
            _ => 0,
        };
        let all = (full > 0).then_some(Piece { first: 0, count: full });
        all.into_iter().chain((full..count).map(|first| Piece { first, count: 1 }))
    }

    /// The first `count` wire packets, if all of them are full, cut out of one payload, and in no tunnel: a super-packet by
    /// itself, with [`write_super_header`](Self::write_super_header).
    #[must_use]
    pub fn leading(&self, count: usize) -> Option<Piece> {
        let Work::Split(template) = &self.work else { return None };
        if template.is_encapsulated() {
            return None;
        }
        let full = template.full_payload() / template.gso_size();
        (1..=full).contains(&count).then_some(Piece { first: 0, count })
    }

    /// Payload bytes of each wire packet of a [`Piece`]; 0 for a packet that is not cut.
    #[must_use]
    pub fn gso_size(&self) -> usize {
        match &self.work {
            Work::Split(template) => template.gso_size(),
            _ => 0,
        }
    }

    /// What follows the header of `piece`.
    #[must_use]
    pub fn piece_payload(&self, piece: Piece) -> &'a [u8] {
        match &self.work {
            Work::Split(template) => {
                let first = template.payload_range(piece.first).start;
                let last = template.payload_range(piece.first + piece.count - 1).end;
                &self.packet[first..last]
            }
            _ => self.payload(piece.first),
        }
    }

    /// Writes the header of a [`leading`](Self::leading) piece to the beginning of `out`: that of a super-packet which
    /// ends with it, its checksum partial. Returns the header's length.
    ///
    /// # Panics
    /// If `piece` is no leading one, or `out` shorter than [`header_len`](Self::header_len).
    pub fn write_super_header(&self, piece: Piece, out: &mut [u8]) -> usize {
        let Work::Split(template) = &self.work else {
            panic!("{piece:?} is not cut out of a payload")
        };
        let out = &mut out[..template.header_len()];
        template.write_super(piece.count, &self.packet[..out.len()], out);
        out.len()
    }

    /// Writes the header of `piece` to the beginning of `out`. Inner and outer IP headers and the tunnel's
    /// headers are those of its first wire packet; the inner transport header is that of a super-packet,
    /// its checksum partial. Returns the header's length.
    ///
    /// # Panics
    /// If `piece` is not of [`pieces`](Self::pieces), or `out` shorter than
    /// [`header_len`](Self::header_len).
    pub fn write_piece_header(&self, piece: Piece, out: &mut [u8]) -> usize {
        match &self.work {
            Work::Split(template) if piece.count > 1 => {
                let out = &mut out[..template.header_len()];
                template.write_full(piece.count, &self.packet[..out.len()], out);
                out.len()
            }
            _ => self.write_header(piece.first, out, crate::offload::ChecksumMode::Partial),
        }
    }
}
