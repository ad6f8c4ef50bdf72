//! What a held train is compared by.

use crate::offload::packet::Examined;
use crate::offload::train::Shape;
use crate::offload::{GsoType, Profile};
use crate::wire::tcp;

/// G19: Linux lets a train of UDP grow no further (`UDP_GRO_CNT_MAX`): datagrams may be tiny, and each costs
/// memory of its own.
pub(super) const MAX_DATAGRAMS: u16 = 64;

/// How the IPv4 identifications of a train go on (G16).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::offload) struct Ids {
    /// In the headers next to the transport header.
    pub(super) inner: Series,
    /// In those around a tunnel's.
    pub(super) outer: Series,
}

/// What the second packet of a train said about an IPv4 identification.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Series {
    /// There is no second packet yet.
    #[default]
    Open,
    /// First + n.
    Incrementing,
    /// All the same.
    Fixed,
}

/// What a held train is compared by, beside the bytes of its first packet.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::offload) struct Held {
    pub(in crate::offload) shape: Shape,
    /// The sequence number that comes next; means nothing in UDP.
    pub(in crate::offload) next_seq: u32,
    pub(in crate::offload) ids: Ids,
    /// How many pieces its buffers have.
    pub(in crate::offload) pieces: usize,
}

impl Held {
    /// A train that begins with `packet`.
    pub(in crate::offload) fn new(packet: &Examined) -> Self {
        let is_super = packet.shape.gso_segs > 1;
        let series = if is_super { Series::Incrementing } else { Series::Open };
        Self {
            shape: packet.shape,
            next_seq: packet.seq.wrapping_add(packet.payload_len),
            ids: Ids { inner: series, outer: series },
            pieces: packet.pieces,
        }
    }

    /// A train that begins with a wire packet in one piece.
    #[inline]
    pub(in crate::offload) const fn beginning(shape: Shape, next_seq: u32) -> Self {
        let ids = Ids { inner: Series::Open, outer: Series::Open };
        Self { shape, next_seq, ids, pieces: 1 }
    }

    pub(super) fn is_udp(&self) -> bool {
        self.shape.gso_type.kind() == GsoType::UDP_L4
    }

    /// G28: the shape of the train when it goes.
    pub(in crate::offload) fn shape(&self, profile: Profile) -> Shape {
        let mut shape = self.shape;
        shape.has_last = profile == Profile::Lro;
        let carries_cwr = shape.flags.intersects(tcp::Flags::CWR);
        if carries_cwr && profile == Profile::AccEcn {
            shape.gso_type = shape.gso_type.with(GsoType::ACCECN);
        } else if carries_cwr {
            shape.gso_type = shape.gso_type.with(GsoType::ECN);
        }
        if self.ids.inner == Series::Fixed {
            shape.gso_type = shape.gso_type.with(GsoType::FIXED_ID);
        }
        if self.ids.outer == Series::Fixed {
            shape.gso_type = shape.gso_type.with(GsoType::OUTER_FIXED_ID);
        }
        shape
    }

    /// The train with a wire packet in one piece at its end that [`goes_on`](super::goes_on).
    #[inline]
    pub(in crate::offload) fn go_on(&mut self, payload_len: u16, ids: Ids) {
        self.next_seq = self.next_seq.wrapping_add(payload_len.into());
        self.shape.ip_len += u32::from(payload_len);
        self.shape.gso_segs += 1;
        self.ids = ids;
        self.pieces += 1;
    }

    /// The train with `packet` at its end.
    pub(in crate::offload) fn extend(&mut self, packet: &Examined, ids: Ids) {
        self.next_seq = packet.seq.wrapping_add(packet.payload_len);
        self.shape.ip_len += packet.payload_len;
        self.shape.gso_segs += packet.shape.gso_segs;
        self.shape.flags =
            self.shape.flags.with(tcp::Flags(packet.shape.flags.0 & tcp::Flags::CLOSING.0));
        self.ids = ids;
        self.pieces += packet.pieces;
    }
}
