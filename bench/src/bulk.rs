//! Packets as they come from a bulk transfer.

use sluice_common::testing::Packet;

/// Payload of a full-size packet on Ethernet with timestamps.
pub const MSS: usize = 1448;

/// `packets` full-size packets of each of `flows` flows, one of each flow in turn.
#[must_use]
pub fn bulk(flows: usize, packets: usize) -> Vec<Vec<u8>> {
    let mut senders: Vec<Packet> = (0..flows).map(sender).collect();
    let mut stream = Vec::with_capacity(flows * packets);
    for _ in 0..packets {
        for sender in &mut senders {
            stream.push(sender.build());
            *sender = sender.next();
        }
    }
    stream
}

/// A packet and what its sender sends after it, `packets` of them.
#[must_use]
pub fn in_order(first: &Packet, packets: usize) -> Vec<Vec<u8>> {
    let all = std::iter::successors(Some(first.clone()), |last| Some(last.next()));
    all.take(packets).map(|packet| packet.build()).collect()
}

fn sender(flow: usize) -> Packet {
    let mut packet = Packet::tcp4().with_payload(&[0x5a; MSS]);
    packet.src = [10, 1, (flow >> 8) as u8, flow as u8].into();
    packet
}
