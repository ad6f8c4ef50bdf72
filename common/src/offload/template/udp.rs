//! What differs between the UDP headers of the segments (S9, S10).

use super::{Place, sum_without};
use crate::checksum::Sum;
use crate::wire::udp;

/// The UDP header of a super-packet.
#[derive(Clone, Debug)]
pub(super) struct Udp {
    /// Pseudo header without length, and ports.
    sum: Sum,
}

impl Udp {
    /// Of `header`, which has been judged: all there. `pseudo_sum` lacks the length.
    pub(super) fn new(header: &[u8], pseudo_sum: Sum) -> Self {
        Self { sum: pseudo_sum + sum_without(header, &[udp::LENGTH, udp::CHECKSUM]) }
    }

    /// S10: writes the length. Returns the sum of all but payload and checksum.
    pub(super) fn write(&self, place: Place, header: &mut [u8]) -> Sum {
        if let Some(mut datagram) = udp::Datagram::new(header) {
            datagram.set_len(place.transport_len);
        }
        // Once in the header, once in the pseudo header.
        self.sum + Sum::of(place.transport_len) + Sum::of(place.transport_len)
    }
}
