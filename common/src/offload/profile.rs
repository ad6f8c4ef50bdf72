//! Which set of coalescing rules applies.

/// A set of coalescing rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Profile {
    /// As Linux 6.18: G15 classic, G16 as from 6.18.
    #[default]
    Linux,
    /// As Linux 6.12: G15 classic, G16 as up to 6.17.
    Linux612,
    /// As `Linux`, with CWR a flag like others (G15).
    AccEcn,
    /// As `Linux`, but a packet that comes early, beyond a gap in the sequence, is held aside until the gap
    /// is filled, and joins then. [`Reorder`](super::Reorder) bounds how many, and how long.
    Reorder,
    /// Large receive offload: as `Linux`, but acknowledgement number, window and timestamps may move forward
    /// within a train; the derived header has the last. Less is told of each packet, so that segmentation
    /// gives none of them back.
    Lro,
}

impl Profile {
    /// Whether segmentation gives the packets back as they came (G30). Packets that are forwarded have to be.
    #[must_use]
    pub const fn is_reversible(self) -> bool {
        !matches!(self, Self::Lro)
    }
}

/// What is thought of the transport checksum of a received packet (G7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RxChecksum {
    /// Verify it.
    #[default]
    Verify,
    /// Take it for right: the NIC has verified it.
    Trust,
    /// Verify it, and take one that holds only the pseudo-header sum for right: the packet never left
    /// the machine, and its sender left the rest to a NIC that was not there.
    Partial,
    /// Leave it to whoever gets the packet: nothing is verified, and so nothing merges.
    Leave,
}
