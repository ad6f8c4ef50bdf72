//! A packet of a capture, and the buffer that knows its number.

use std::rc::Rc;

use sluice_common::offload::Buffer;

use super::interface::LinkType;

/// The longest packet whose missing bytes are made up: the largest IP packet and any link header.
const LONGEST: usize = 65_535 + 64;

/// One packet of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Its number in the capture, from 1.
    pub number: u64,
    /// When it came, in nanoseconds since 1970.
    pub time: u64,
    /// Its interface, from 0.
    pub interface: usize,
    /// Its length on the wire, link header of the capture included.
    pub len: usize,
    /// How many of its bytes the capture has.
    pub captured: usize,
    pub(super) link: LinkType,
    /// Its bytes; those the capture has not are 0.
    bytes: Box<[u8]>,
}

impl Packet {
    /// The packet of which the capture has `data` and says that it was `len` bytes long.
    pub(super) fn new(
        number: u64,
        time: u64,
        interface: usize,
        link: LinkType,
        data: &[u8],
        len: usize,
    ) -> Self {
        let len = len.max(data.len());
        let mut bytes = data.to_vec();
        if len <= LONGEST {
            bytes.resize(len, 0);
        }
        let captured = data.len();
        Self { number, time, interface, len, captured, link, bytes: bytes.into() }
    }

    /// Whether the capture has less than the wire had.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.captured < self.len
    }

    /// What the capture has.
    pub(super) fn data(&self) -> &[u8] {
        &self.bytes[..self.captured]
    }

    /// The header that the capture put before the packet.
    pub(super) fn hidden(&self) -> &[u8] {
        &self.bytes[..self.link.hidden().min(self.bytes.len())]
    }

    /// What the engine sees.
    pub(super) fn seen(&self) -> &[u8] {
        if self.link.may_be_ip(&self.bytes) {
            self.bytes.get(self.link.hidden()..).unwrap_or_default()
        } else {
            &[]
        }
    }
}

/// A packet on its way through the engine.
#[derive(Clone, Debug)]
pub struct Numbered(pub Rc<Packet>);

impl Buffer for Numbered {
    fn head(&self) -> &[u8] {
        self.0.seen()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_capture_cut_off_is_made_up_within_bounds() {
        let cut = |len| Packet::new(1, 0, 0, LinkType::Ethernet, &[7; 60], len);
        assert_eq!((cut(1_514).seen().len(), cut(1_514).is_cut()), (1_514, true));
        assert_eq!((cut(60).seen().len(), cut(60).is_cut()), (60, false));
        assert_eq!(cut(u32::MAX as usize).seen().len(), 60, "not what a header claims");
        assert_eq!(cut(20).seen().len(), 60, "longer than it says");
    }

    #[test]
    fn the_header_of_a_cooked_capture_is_not_the_engines() {
        let mut bytes = vec![0; 16];
        bytes[14] = 8;
        bytes.extend([0x45, 1, 2]);
        let packet = Packet::new(1, 0, 0, LinkType::Cooked, &bytes, bytes.len());
        assert_eq!((packet.seen(), packet.hidden().len()), (&[0x45, 1, 2][..], 16));
        bytes[15] = 6;
        let arp = Packet::new(1, 0, 0, LinkType::Cooked, &bytes, bytes.len());
        assert_eq!(arp.seen(), [0; 0]);
    }
}
