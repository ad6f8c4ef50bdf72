//! Where in the sequence does a packet stand (G10)? Asked by the profile `reorder`.

use super::held::Held;
use crate::offload::packet::Examined;

/// Where a packet stands, seen from the train held for its flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::offload) enum Place {
    /// At its end. UDP has no sequence: every datagram does.
    Next,
    /// Beyond a gap that some packets may fill.
    Early,
    /// Before its end, or in another part of the stream.
    Elsewhere,
}

/// Where `packet` stands. A gap is no wider than `most` segments of the train, and as many are beyond it.
pub(in crate::offload) fn place(held: &Held, packet: &Examined, most: usize) -> Place {
    let ahead = packet.seq.wrapping_sub(held.next_seq);
    let furthest = u64::from(held.shape.gso_size) * 2 * most as u64;
    match ahead {
        _ if held.is_udp() => Place::Next,
        0 => Place::Next,
        // Half of the sequence numbers lie behind.
        ahead if u64::from(ahead) < furthest.min(1 << 31) => Place::Early,
        _ => Place::Elsewhere,
    }
}
