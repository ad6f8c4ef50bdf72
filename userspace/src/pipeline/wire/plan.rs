//! How a train is to leave: nothing is touched before this is known.

use sluice_common::offload::{Buffer, Train};
use sluice_common::translate::segment_size;
use sluice_common::wire::{Headers, Link, Protocol};

/// How a train leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// Packet by packet, as they came.
    AsItCame,
    /// In segments of so many bytes of payload. What cannot be cut goes as it came if it fits.
    Recut {
        /// Payload bytes of a segment.
        size: usize,
        /// Whether the packets fit as they are.
        fits: bool,
    },
    /// It does not fit.
    TooLarge,
}

/// What bounds the packets that leave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Bytes of the largest IP packet.
    pub(super) mtu: u16,
    /// Whether TCP is carried over from another MTU.
    pub(super) translate: bool,
}

impl Plan {
    /// Of a train whose first packet has these headers. `announced` is the MSS its receiver has announced.
    pub(super) fn of<H: Buffer>(
        train: &Train<H>,
        headers: &Headers,
        bounds: Bounds,
        announced: impl FnOnce() -> Option<u16>,
    ) -> Self {
        let longest = longest(train);
        let fits = longest <= usize::from(bounds.mtu);
        let transport = train.transport_header_len();
        let (true, Protocol::TCP, Some(transport)) =
            (bounds.translate, headers.protocol, transport)
        else {
            return if fits { Self::AsItCame } else { Self::TooLarge };
        };
        let payload = longest - train.header_len(Link::None);
        if payload == 0 {
            return if fits { Self::AsItCame } else { Self::TooLarge };
        }
        let size = segment_size(headers, transport, bounds.mtu, announced()).into();
        // Larger ones are cut, and several smaller ones fill larger ones.
        if payload > size || size > payload && train.is_super() {
            return Self::Recut { size, fits };
        }
        Self::AsItCame
    }
}

/// Bytes of the longest packet of a train, from its IP header on.
fn longest<H: Buffer>(train: &Train<H>) -> usize {
    if train.is_super() {
        train.header_len(Link::None) + usize::from(train.gso_size())
    } else {
        train.ip_len()
    }
}
