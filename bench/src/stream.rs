//! The headers of interleaved bulk transfers.

use std::io::{self, Write};

use sluice_common::checksum::update;
use sluice_common::testing::Packet;
use sluice_common::wire::{ethernet, ipv4, tcp};

use crate::MSS;

/// Bytes of Ethernet, IPv4 and TCP header with timestamps.
pub const HEADER: usize = 66;
/// Bytes of a full-size packet.
pub const FRAME: usize = HEADER + MSS;
/// What all payloads are made of.
pub const FILL: u8 = 0x5a;

/// Packets of a stream if its flows are few: as many as take a millisecond or so, to be repeated.
const LEAST: usize = 16_384;
/// Packets of each flow if they are many, so that there is something to merge.
const EACH: usize = 8;

const ID: usize = ethernet::HEADER_LEN + 4;
const IP_CHECKSUM: usize = ethernet::HEADER_LEN + 10;
const TCP: usize = ethernet::HEADER_LEN + ipv4::HEADER_LEN;
const SEQ: usize = TCP + 4;
const TCP_CHECKSUM: usize = TCP + tcp::CHECKSUM;

/// The header of a full-size packet.
pub type Header = [u8; HEADER];

/// The headers of full-size packets, one of each flow in turn. All have the same payload.
#[derive(Debug)]
pub struct Stream {
    headers: Vec<Header>,
}

impl Stream {
    /// Of so many flows.
    #[must_use]
    pub fn of(flows: usize) -> Self {
        let mut present: Vec<Header> = (0..flows).map(first).collect();
        let each = (LEAST / flows).max(EACH);
        let mut headers = Vec::with_capacity(flows * each);
        for _ in 0..each {
            headers.extend_from_slice(&present);
            present.iter_mut().for_each(go_on);
        }
        Self { headers }
    }

    /// How many packets there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.headers.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.headers.is_empty()
    }

    /// The packets in bursts of so many.
    pub fn bursts(&self, burst: usize) -> impl Iterator<Item = &[Header]> {
        self.headers.chunks(burst)
    }

    /// Writes the headers, one after the other, for a program in another language.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        out.write_all(self.headers.as_flattened())
    }
}

/// Who sends a flow. There are 16 million of them.
#[must_use]
pub const fn source(flow: usize) -> [u8; 4] {
    [10, 1 + (flow >> 16) as u8, (flow >> 8) as u8, flow as u8]
}

/// The first packet of a flow.
fn first(flow: usize) -> Header {
    let mut packet = Packet::tcp4().with_payload(&[FILL; MSS]);
    packet.src = source(flow).into();
    *packet.build().first_chunk().expect("a full-size packet is longer than its header")
}

/// Makes of a packet's header that of the packet its sender sends after it.
fn go_on(header: &mut Header) {
    let id = word(header, ID);
    change(header, ID, id.wrapping_add(1), IP_CHECKSUM);
    let seq = u32::from(word(header, SEQ)) << 16 | u32::from(word(header, SEQ + 2));
    let seq = seq.wrapping_add(MSS as u32);
    change(header, SEQ, (seq >> 16) as u16, TCP_CHECKSUM);
    change(header, SEQ + 2, seq as u16, TCP_CHECKSUM);
}

fn change(header: &mut Header, at: usize, new: u16, checksum: usize) {
    let updated = update(word(header, checksum), word(header, at), new);
    header[at..at + 2].copy_from_slice(&new.to_be_bytes());
    header[checksum..checksum + 2].copy_from_slice(&updated.to_be_bytes());
}

fn word(header: &Header, at: usize) -> u16 {
    u16::from_be_bytes([header[at], header[at + 1]])
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::in_order;

    #[test]
    fn a_flow_goes_on_as_its_sender_would() {
        let packets = in_order(&Packet::tcp4().with_payload(&[FILL; MSS]), 400);
        let mut header: Header = *packets[0].first_chunk().unwrap();
        for packet in &packets {
            assert_eq!(packet[..HEADER], header);
            go_on(&mut header);
        }
    }

    #[test]
    fn of_a_hundred_thousand_flows_no_two_are_one() {
        let sources: HashSet<_> = (0..100_000).map(source).collect();
        assert_eq!(sources.len(), 100_000);
        let packets: HashSet<_> = (65_530..65_540).map(first).collect();
        assert_eq!(packets.len(), 10);
    }

    #[test]
    fn flows_take_turns() {
        let stream = Stream::of(3);
        assert_eq!(stream.len() % 3, 0);
        let bursts: Vec<_> = stream.bursts(3).collect();
        assert!(bursts[0].iter().zip(bursts[1]).all(|(a, b)| a[26..34] == b[26..34] && a != b));
        assert_ne!(bursts[0][0][26..34], bursts[0][1][26..34]);
    }
}
