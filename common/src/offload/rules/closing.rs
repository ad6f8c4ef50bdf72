//! Can a train take another packet after its last one (G19, G21, G22)?

use super::held::{Held, MAX_DATAGRAMS};
use crate::offload::GroConfig;
use crate::offload::packet::Examined;
use crate::reason::FlushReason;
use crate::wire::tcp;

/// Why `held` takes no more packets after its last one, `packet`.
#[inline]
pub(in crate::offload) fn closing(
    held: &Held,
    packet: &Examined,
    config: &GroConfig,
) -> Option<FlushReason> {
    let flags = packet.shape.flags;
    let full = u32::from(held.shape.gso_size) * u32::from(packet.shape.gso_segs);
    first_broken! {
        /// G21
        flags.intersects(tcp::Flags::FIN) => Fin,
        /// G21
        flags.intersects(tcp::Flags::PSH) => Push,
        /// G22
        packet.payload_len < full => ShortSegment,
        /// G19
        held.is_udp() && held.shape.gso_segs >= MAX_DATAGRAMS => MaxDatagrams,
        /// What the port takes: another packet has as many pieces as this one.
        held.pieces + packet.pieces > config.max_segments => MaxSegments,
    }
}
