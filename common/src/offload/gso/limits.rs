//! What bounds the wire packets.

/// What the way out takes, and lends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the longest wire packet, from its IP header on.
    pub mtu: usize,
    /// The identification of the fragments should an IPv6 datagram be too large (S11). It has to differ
    /// from those of the last minutes between the same addresses, and be hard to guess (RFC 7739).
    ///
    /// `None` for a packet that is passed on: IPv6 is fragmented by its sender and nobody else (RFC 8200
    /// §4.5). IPv4 has an identification in each packet.
    pub fragment_id: Option<u32>,
}

impl From<usize> for Limits {
    /// An MTU, and nothing else.
    fn from(mtu: usize) -> Self {
        Self { mtu, fragment_id: None }
    }
}
