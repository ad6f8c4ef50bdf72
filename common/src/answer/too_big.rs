//! ICMP "fragmentation needed" (RFC 792, RFC 1191 §4) and ICMPv6 "packet too big" (RFC 4443 §3.2).

use super::forbidden::{is_host, is_host_v6, may_be_answered};
use crate::checksum::{Sum, pseudo_header, sum};
use crate::offload::ip_len;
use crate::wire::{Addresses, Headers, Protocol, ethernet, icmp, ipv4, ipv6, vlan};

/// Longest answer: a host need not take a longer IPv4 packet (RFC 1812 §4.3.2.3).
const MAX_V4: usize = 576;
/// Every IPv6 link carries it (RFC 4443 §2.4(c)).
const MAX_V6: usize = 1280;
/// The longest frame [`too_big`] writes, in bytes.
pub const MAX_LEN: usize = ethernet::HEADER_LEN + vlan::MAX_TAGS * vlan::TAG_LEN + MAX_V6;

/// Internetwork control, as what routers send is to be marked (RFC 1812 §4.3.2.5).
const TOS: u8 = 0xc0;
/// TTL or hop limit: the default that IANA recommends ("IP Time to Live Parameter").
const TTL: u8 = 64;

/// Source addresses of answers. Where there is none, an answer comes from the address its packet was sent to:
/// the sender has a way to that, and hears it for that destination anyway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AnswerFrom {
    /// Of ICMP.
    pub v4: Option<[u8; 4]>,
    /// Of ICMPv6.
    pub v6: Option<[u8; 16]>,
}

/// Writes the Ethernet frame that tells the sender of `packet` that IP packets may be `mtu` bytes long, and
/// returns its length. It goes out where `packet` came in, to where it came from, in the same VLANs.
///
/// `packet` may be the first piece of a longer one; `headers` are its outermost ones. As much of it is quoted
/// as is there and as an answer may hold: 576 bytes in all in IPv4, 1,280 in IPv6.
///
/// `None`, and no answer: to what RFC 1122 §3.2.2 and RFC 4443 §2.4(e) forbid to answer, which is errors,
/// fragments but the first, packets not from one host, and in IPv4 those not to one; to IPv4 packets with a
/// wrong header checksum, whose sender cannot be told; where no host would be the source; or if `out` is too
/// short, which with [`MAX_LEN`] bytes it never is. Whether DF is set is not asked.
pub fn too_big(
    packet: &[u8],
    headers: &Headers,
    mtu: u16,
    from: &AnswerFrom,
    out: &mut [u8],
) -> Option<usize> {
    if !may_be_answered(packet, headers) {
        return None;
    }
    let addresses = addresses(headers, from)?;
    let (header_len, most) = match addresses {
        Addresses::V4 { .. } => (ipv4::HEADER_LEN, MAX_V4),
        Addresses::V6 { .. } => (ipv6::HEADER_LEN, MAX_V6),
    };
    let quote = quote(packet, headers, most - header_len - icmp::HEADER_LEN)?;
    let link = link(packet, headers)?;
    let len = link.len() + header_len + icmp::HEADER_LEN + quote.len();
    let (link_out, ip) = out.get_mut(..len)?.split_at_mut(link.len());
    write_link(link, link_out);
    let (header, message) = ip.split_at_mut(header_len);
    write_header(&addresses, message.len() as u16, header);
    write_message(&addresses, mtu, quote, message);
    Some(len)
}

/// From whom to whom, if both are hosts.
fn addresses(headers: &Headers, from: &AnswerFrom) -> Option<Addresses> {
    let answer = match headers.addresses.reversed() {
        Addresses::V4 { src, dst } => Addresses::V4 { src: from.v4.unwrap_or(src), dst },
        Addresses::V6 { src, dst } => Addresses::V6 { src: from.v6.unwrap_or(src), dst },
    };
    let is_from_host = match answer {
        Addresses::V4 { src, .. } => is_host(src),
        Addresses::V6 { src, .. } => is_host_v6(src),
    };
    is_from_host.then_some(answer)
}

/// What of the IP packet is there, without padding, up to `most` bytes.
fn quote<'a>(packet: &'a [u8], headers: &Headers, most: usize) -> Option<&'a [u8]> {
    let network = usize::from(headers.network);
    let ip = packet.get(network..)?;
    let len = ip_len(packet, network)?.min(ip.len()).min(most);
    Some(&ip[..len])
}

/// The Ethernet header of `packet` with its tags.
fn link<'a>(packet: &'a [u8], headers: &Headers) -> Option<&'a [u8]> {
    let len = ethernet::HEADER_LEN + headers.vlan.count() * vlan::TAG_LEN;
    packet.get(..len).filter(|_| len == usize::from(headers.network))
}

/// The way back. What was sent to a group of stations comes from none of them: without the group bit such an
/// address is a locally administered one.
fn write_link(link: &[u8], out: &mut [u8]) {
    out.copy_from_slice(link);
    out[..6].copy_from_slice(&link[6..12]);
    out[6..12].copy_from_slice(&link[..6]);
    out[6] &= !1;
}

/// An IP header before `after` bytes of ICMP or ICMPv6.
fn write_header(addresses: &Addresses, after: u16, out: &mut [u8]) {
    match addresses {
        Addresses::V4 { src, dst } => {
            let [l0, l1] = (ipv4::HEADER_LEN as u16 + after).to_be_bytes();
            let [f0, f1] = ipv4::DF.to_be_bytes();
            // With DF an identification says nothing (RFC 6864 §4.1).
            out[..12].copy_from_slice(&[
                0x45,
                TOS,
                l0,
                l1,
                0,
                0,
                f0,
                f1,
                TTL,
                Protocol::ICMP.0,
                0,
                0,
            ]);
            out[12..16].copy_from_slice(src);
            out[16..].copy_from_slice(dst);
            if let Some(mut packet) = ipv4::Packet::new(out) {
                packet.fill_checksum();
            }
        }
        Addresses::V6 { src, dst } => {
            let [l0, l1] = after.to_be_bytes();
            out[..8].copy_from_slice(&[
                0x60 | TOS >> 4,
                TOS << 4,
                0,
                0,
                l0,
                l1,
                Protocol::ICMPV6.0,
                TTL,
            ]);
            out[8..24].copy_from_slice(src);
            out[24..].copy_from_slice(dst);
        }
    }
}

fn write_message(addresses: &Addresses, mtu: u16, quote: &[u8], out: &mut [u8]) {
    out[icmp::HEADER_LEN..].copy_from_slice(quote);
    let (kind, code, pseudo) = match addresses {
        Addresses::V4 { .. } => {
            (icmp::Kind::DESTINATION_UNREACHABLE.0, icmp::FRAGMENTATION_NEEDED, Sum::default())
        }
        Addresses::V6 { .. } => {
            let pseudo = pseudo_header(addresses, Protocol::ICMPV6, out.len() as u16);
            (icmp::KindV6::PACKET_TOO_BIG.0, 0, pseudo)
        }
    };
    let Some(mut message) = icmp::Message::new(&mut *out) else { return };
    message.set_kind(kind, code);
    message.set_mtu(mtu.into());
    message.set_checksum(0);
    let checksum = (pseudo + sum(out)).checksum();
    out[2..4].copy_from_slice(&checksum.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::vec;
    use std::vec::Vec;

    use etherparse::icmpv4::DestUnreachableHeader::FragmentationNeeded;
    use etherparse::{
        Icmpv4Type, Icmpv6Type, NetHeaders, PacketHeaders, TransportHeader, VlanHeader,
    };

    use super::*;
    use crate::testing::{Field, Packet};
    use crate::wire::{EtherType, Link, icmp::Kind, icmp::KindV6};

    const FROM: AnswerFrom = AnswerFrom { v4: Some([192, 0, 2, 254]), v6: Some([0x20; 16]) };

    /// The answer to `packet`, of which the first `seen` bytes are there.
    fn answer_to(packet: &[u8], seen: usize, from: &AnswerFrom) -> Option<Vec<u8>> {
        let packet = &packet[..seen.min(packet.len())];
        let headers = Headers::parse(packet, Link::Ethernet).unwrap();
        let mut out = vec![0xee; MAX_LEN + 8];
        let len = too_big(packet, &headers, 1500, from, &mut out)?;
        assert!(out[len..].iter().all(|byte| *byte == 0xee), "nothing is written behind it");
        out.truncate(len);
        Some(out)
    }

    fn answer(packet: &Packet) -> Option<Vec<u8>> {
        answer_to(&packet.build(), usize::MAX, &AnswerFrom::default())
    }

    fn large(packet: Packet) -> Packet {
        let payload: Vec<u8> = (0..=250).cycle().take(3000).collect();
        packet.with_payload(&payload)
    }

    /// What an independent parser finds in an answer: source, destination, and the quote; with the checksums
    /// right and the MTU 1,500.
    #[track_caller]
    fn read(answer: &[u8]) -> (IpAddr, IpAddr, Vec<u8>) {
        let parsed = PacketHeaders::from_ethernet_slice(answer).unwrap();
        let quote = parsed.payload.slice();
        match (parsed.net.unwrap(), parsed.transport.unwrap()) {
            (NetHeaders::Ipv4(ip, _), TransportHeader::Icmpv4(icmp)) => {
                let needed = FragmentationNeeded { next_hop_mtu: 1500 };
                assert_eq!(icmp.icmp_type, Icmpv4Type::DestinationUnreachable(needed));
                assert_eq!(icmp.checksum, icmp.icmp_type.calc_checksum(quote));
                assert_eq!(ip.header_checksum, ip.calc_header_checksum());
                assert_eq!((ip.time_to_live, ip.more_fragments), (64, false));
                assert_eq!(usize::from(ip.total_len), 20 + 8 + quote.len());
                (ip.source.into(), ip.destination.into(), quote.to_vec())
            }
            (NetHeaders::Ipv6(ip, _), TransportHeader::Icmpv6(icmp)) => {
                assert_eq!(icmp.icmp_type, Icmpv6Type::PacketTooBig { mtu: 1500 });
                let checksum = icmp.icmp_type.calc_checksum(ip.source, ip.destination, quote);
                assert_eq!(icmp.checksum, checksum.unwrap());
                assert_eq!(ip.hop_limit, 64);
                assert_eq!(usize::from(ip.payload_length), 8 + quote.len());
                (ip.source.into(), ip.destination.into(), quote.to_vec())
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_sender_is_told_with_as_much_of_its_packet_as_an_answer_may_hold() {
        for (packet, longest) in [(Packet::tcp4(), 576), (Packet::udp6(), 1280)] {
            let packet = large(packet);
            let bytes = packet.build();
            let answer = answer(&packet).unwrap();
            assert_eq!(answer.len(), 14 + longest);
            let (src, dst, quote) = read(&answer);
            assert_eq!((src, dst), (packet.dst, packet.src), "from where it was sent to");
            assert_eq!(quote, bytes[14..14 + quote.len()]);
        }
    }

    #[test]
    fn the_answer_goes_back_the_way_the_packet_came() {
        let mut packet = large(Packet::tcp6());
        packet.tags = vec![(EtherType::QINQ, 0x6005), (EtherType::VLAN, 6)];
        let answer = answer(&packet).unwrap();
        let parsed = PacketHeaders::from_ethernet_slice(&answer).unwrap();
        let Some(VlanHeader::Double(tags)) = parsed.vlan() else { panic!("no tags") };
        assert_eq!((tags.outer.vlan_id.value(), tags.inner.vlan_id.value()), (5, 6));
        assert_eq!(tags.outer.pcp.value(), 3);
        assert_eq!(answer[..6], packet.macs[1]);
        assert_eq!(answer[6..12], packet.macs[0]);
        assert_eq!(answer[12..22], packet.build()[12..22]);
        assert_eq!(answer.len(), MAX_LEN);
    }

    #[test]
    fn the_source_is_the_one_configured() {
        for packet in [large(Packet::udp4()), large(Packet::tcp6())] {
            let answer = answer_to(&packet.build(), usize::MAX, &FROM).unwrap();
            let expected = if packet.src.is_ipv6() {
                IpAddr::from(FROM.v6.unwrap())
            } else {
                IpAddr::from(FROM.v4.unwrap())
            };
            assert_eq!(read(&answer).0, expected);
        }
    }

    #[test]
    fn what_is_not_there_and_what_is_padding_is_not_quoted() {
        let packet = large(Packet::tcp4()).build();
        for seen in [14 + 52, 14 + 53, 14 + 300] {
            let (_, _, quote) = read(&answer_to(&packet, seen, &FROM).unwrap());
            assert_eq!(quote, packet[14..seen]);
        }
        let padded = Packet { padding: 20, ..Packet::tcp6().with_payload(&[7; 9]) };
        let (_, _, quote) = read(&answer(&padded).unwrap());
        assert_eq!(quote.len(), padded.build().len() - 14 - 20);
    }

    #[test]
    fn an_answer_that_has_no_room_is_none() {
        let packet = large(Packet::tcp4()).build();
        let headers = Headers::parse(&packet[..], Link::Ethernet).unwrap();
        let mut out = [0; 14 + 576];
        assert_eq!(too_big(&packet, &headers, 1500, &FROM, &mut out[..589]), None);
        assert_eq!(too_big(&packet, &headers, 1500, &FROM, &mut out), Some(590));
    }

    /// An ICMP or ICMPv6 message of this type.
    fn message(packet: Packet, kind: u8) -> Packet {
        let protocol = if packet.src.is_ipv6() { Protocol::ICMPV6 } else { Protocol::ICMP };
        let mut packet = large(Packet { protocol, ..packet });
        packet.payload[0] = kind;
        packet
    }

    #[test]
    fn errors_are_not_answered_with_errors() {
        for kind in 0..=255 {
            let v4 = message(Packet::tcp4(), kind);
            assert_eq!(answer(&v4).is_none(), Kind(kind).is_error(), "{kind}");
            let v6 = message(Packet::tcp6(), kind);
            assert_eq!(answer(&v6).is_none(), KindV6(kind).is_error(), "{kind}");
        }
        // Nor is a message whose type is not there.
        for (packet, headers_end) in [(Packet::tcp4(), 34), (Packet::tcp6(), 54)] {
            let packet = message(packet, 128).build();
            assert_eq!(answer_to(&packet, headers_end, &FROM), None);
            assert!(answer_to(&packet, headers_end + 1, &FROM).is_some());
        }
    }

    #[test]
    fn only_the_first_fragment_is_answered() {
        let fragment = |word| Packet { fragment_word: word, ..large(Packet::udp4()) };
        assert!(answer(&fragment(ipv4::MF)).is_some());
        assert!(answer(&fragment(ipv4::MF | 1)).is_none());
        assert!(answer(&fragment(100)).is_none());
        let fragment = |offset| {
            let extensions = vec![(Protocol::FRAGMENT, vec![0, 0, 0, offset, 0, 0, 0, 1])];
            Packet { extensions, ..large(Packet::udp6()) }
        };
        assert!(answer(&fragment(1)).is_some());
        assert!(answer(&fragment(9)).is_none());
    }

    #[test]
    fn nothing_sent_to_many_is_answered_in_ipv4() {
        let packet = large(Packet::udp4());
        for dst in [[224, 0, 0, 1], [239, 255, 255, 255], [255; 4]] {
            let many = Packet { dst: dst.into(), ..packet.clone() };
            assert_eq!(answer_to(&many.build(), usize::MAX, &FROM), None, "{dst:?}");
        }
        for mac in [[0xff; 6], [1, 0, 0x5e, 0, 0, 1]] {
            let many = Packet { macs: [mac, packet.macs[1]], ..packet.clone() };
            assert_eq!(answer_to(&many.build(), usize::MAX, &FROM), None, "{mac:?}");
        }
    }

    #[test]
    fn a_sender_to_many_is_told_in_ipv6_by_a_host() {
        let packet = Packet {
            dst: IpAddr::from([0xff0e, 0, 0, 0, 0, 0, 0, 1]),
            macs: [[0x33, 0x33, 0, 0, 0, 1], [2, 0, 0, 0, 0, 1]],
            ..large(Packet::udp6())
        };
        assert_eq!(answer(&packet), None, "a group is nobody's address");
        let answer = answer_to(&packet.build(), usize::MAX, &FROM).unwrap();
        assert_eq!(read(&answer).0, IpAddr::from(FROM.v6.unwrap()));
        assert_eq!(answer[6..12], [0x32, 0x33, 0, 0, 0, 1]);
    }

    #[test]
    fn who_is_not_one_host_is_not_answered() {
        let v4 = [[0; 4], [127, 0, 0, 1], [224, 0, 0, 1], [240, 0, 0, 1], [255; 4]];
        for src in v4 {
            let packet = Packet { src: src.into(), ..large(Packet::udp4()) };
            assert_eq!(answer(&packet), None, "{src:?}");
        }
        let v6 = [[0; 8], [0, 0, 0, 0, 0, 0, 0, 1], [0xff02, 0, 0, 0, 0, 0, 0, 1]];
        for src in v6 {
            let packet = Packet { src: src.into(), ..large(Packet::udp6()) };
            assert_eq!(answer(&packet), None, "{src:?}");
        }
        for packet in [large(Packet::udp4()), large(Packet::udp6())] {
            let group = Packet { macs: [packet.macs[0], [3; 6]], ..packet };
            assert_eq!(answer(&group), None);
        }
        let unknown = Packet { ip_checksum: Field::Wrong, ..large(Packet::udp4()) };
        assert_eq!(answer(&unknown), None, "a damaged header");
    }

    #[test]
    fn a_packet_without_the_link_header_that_was_parsed_is_not_answered() {
        let packet = Packet { link: Link::None, ..large(Packet::tcp6()) }.build();
        let headers = Headers::parse(&packet[..], Link::None).unwrap();
        assert_eq!(too_big(&packet, &headers, 1500, &FROM, &mut [0; MAX_LEN]), None);
    }
}
