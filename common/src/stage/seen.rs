//! What a stage is shown of a train.

use crate::Side;
use crate::offload::{Buffer, Checksum, Train};
use crate::wire::{Headers, Link};

/// A train as a stage sees it.
///
/// All its packets have the same MAC addresses, VLAN tags, addresses and ports: what is true of the first is
/// true of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen<'a> {
    /// Where it came in.
    pub side: Side,
    /// The headers of its first packet, counted from its link header; of a tunnel's packet the outer ones.
    pub headers: Headers,
    /// The first piece of its first packet, link header included.
    pub head: &'a [u8],
    /// Bytes of the super-packet from the IP header on.
    pub ip_len: usize,
    /// Payload bytes of each packet but the last; 0 in a train of one.
    pub gso_size: u16,
    /// How many packets it has on a wire.
    pub gso_segs: u16,
    /// Whether the transport checksums hold the pseudo-header sum only. That of a tunnel's outer header never
    /// does, whatever stands inside.
    pub partial: bool,
}

impl<'a> Seen<'a> {
    /// `train`, whose packets begin with an Ethernet header, come in at `side`; `None` if it is not IP.
    #[must_use]
    pub fn of<H: Buffer>(side: Side, train: &'a Train<H>) -> Option<Self> {
        let head = train.packets().first()?.head();
        let headers = Headers::parse(head, Link::Ethernet).ok()?;
        Some(Self {
            side,
            headers,
            head,
            ip_len: train.ip_len(),
            gso_size: train.gso_size(),
            gso_segs: train.gso_segs(),
            partial: is_partial(train, &headers),
        })
    }
}

/// A train's checksum is the inner one's where it is inside a tunnel.
fn is_partial<H: Buffer>(train: &Train<H>, headers: &Headers) -> bool {
    let starts = train.packet_vnet_header().csum_start;
    train.checksum() == Checksum::Partial && starts == headers.transport - headers.network
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::offload::{Coalescer, GroConfig, RxChecksum};
    use crate::reason::FlushReason;
    use crate::testing::{Field, Packet, Tunnel};
    use crate::wire::EtherType;

    /// The only train of these packets.
    fn train(packets: &[Packet]) -> Train<Vec<u8>> {
        let config = GroConfig { rx_checksum: RxChecksum::Partial, ..GroConfig::default() };
        let (mut coalescer, mut trains) = (Coalescer::new(config), Vec::new());
        let mut sink = |train: Train<Vec<u8>>, _: FlushReason| trains.push(train);
        for packet in packets {
            coalescer.push(packet.build(), 0, &mut sink);
        }
        coalescer.end_of_burst(0, &mut sink);
        assert_eq!(trains.len(), 1);
        trains.remove(0)
    }

    #[test]
    fn a_train_is_seen_as_one_with_the_headers_of_its_first_packet() {
        let first = Packet { tags: [(EtherType::VLAN, 5)].into(), ..Packet::tcp6() };
        let train = train(&[first.clone(), first.next()]);
        let seen = Seen::of(Side::B, &train).unwrap();
        let bytes = first.build();
        assert_eq!((seen.side, seen.head), (Side::B, &bytes[..]));
        assert_eq!(seen.headers, Headers::parse(&bytes[..], Link::Ethernet).unwrap());
        assert_eq!((seen.gso_size, seen.gso_segs, seen.partial), (100, 2, false));
        assert_eq!(seen.ip_len, 40 + 32 + 200);
    }

    #[test]
    fn a_partial_checksum_is_that_of_the_headers_that_are_seen() {
        let plain = Packet { checksum: Field::Partial, ..Packet::tcp4() };
        let inside = plain.clone().inside(Tunnel::vxlan().with_udp_checksum(Field::Right));
        for (packet, is_partial) in [(plain, true), (inside, false)] {
            let train = train(&[packet]);
            assert_eq!(train.checksum(), Checksum::Partial);
            assert_eq!(Seen::of(Side::A, &train).unwrap().partial, is_partial);
        }
    }

    #[test]
    fn what_is_not_ip_is_not_seen() {
        let mut arp = Packet::tcp4().build();
        arp[12..14].copy_from_slice(&EtherType::ARP.0.to_be_bytes());
        let (mut coalescer, mut seen) = (Coalescer::new(GroConfig::default()), Vec::new());
        coalescer.push(arp, 0, &mut |train: Train<Vec<u8>>, _: FlushReason| {
            seen.push(Seen::of(Side::A, &train).is_none());
        });
        assert_eq!(seen, [true]);
    }
}
