//! What came out for a burst: the same words for the kernel and for the engine.

use std::fmt;

use sluice_common::wire::{Headers, Link};

/// One packet, or super-packet, that came out.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// All bytes, from the Ethernet header on, VLAN tags in their places.
    pub(crate) bytes: Vec<u8>,
    /// Payload bytes of each packet but the last; 0 of a packet that stayed alone.
    pub(crate) gso_size: u16,
    /// How many packets it makes. Of the kernel's, those its size makes: a capture does not show what it
    /// counted.
    pub(crate) gso_segs: u16,
    /// The kind of `virtio_net_hdr`, its ECN bit included.
    pub(crate) gso_type: u8,
    /// Where a partial checksum begins to sum, from the start of the bytes, and where it stands from
    /// there.
    pub(crate) partial: Option<(u16, u16)>,
}

impl Outcome {
    /// A packet that stayed alone.
    pub(crate) fn alone(bytes: &[u8]) -> Self {
        Self { bytes: bytes.to_vec(), gso_size: 0, gso_segs: 1, gso_type: 0, partial: None }
    }

    /// The first bytes, as far as they are not payload of a super-packet.
    fn head(&self) -> &[u8] {
        let headers = Headers::parse(&self.bytes[..], Link::Ethernet);
        let outermost = headers.map_or(14, |headers| usize::from(headers.transport));
        let transport = self.partial.map_or(outermost, |(start, _)| start.into());
        &self.bytes[..(transport + 32).min(self.bytes.len())]
    }
}

impl fmt::Debug for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bytes, gso_size, gso_segs, gso_type, partial } = self;
        write!(f, "{} bytes, gso_size {gso_size}, ", bytes.len())?;
        write!(f, "gso_segs {gso_segs}, gso_type {gso_type:#x}")?;
        if let Some((start, offset)) = partial {
            write!(f, ", checksum partial from {start}+{offset}")?;
        }
        write!(f, ": ")?;
        self.head().iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        let payload = &bytes[self.head().len()..];
        let sum = payload.iter().fold(0_u32, |sum, byte| sum.wrapping_mul(31) + u32::from(*byte));
        write!(f, "… ({} more, {sum:08x})", payload.len())
    }
}
