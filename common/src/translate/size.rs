//! How much a packet may carry, and whether it may be cut.

use crate::wire::{Headers, ipv4, ipv6, tcp};

/// Payload bytes that a TCP packet of a flow may carry over a link of `mtu` to a receiver that announced an
/// MSS of `announced`, if its SYN was seen; at least 1.
///
/// `headers` are those of the flow's packets, `tcp_header_len` the bytes of their TCP headers with options.
/// The MSS counts neither IP nor TCP options (RFC 6691 §2): what the packets have of them comes off it.
#[must_use]
pub fn segment_size(
    headers: &Headers,
    tcp_header_len: usize,
    mtu: u16,
    announced: Option<u16>,
) -> u16 {
    let network_len = usize::from(headers.transport.saturating_sub(headers.network));
    let plain = if headers.is_ipv6() { ipv6::HEADER_LEN } else { ipv4::HEADER_LEN };
    let header_len = network_len + tcp_header_len;
    let options = header_len.saturating_sub(plain + tcp::HEADER_LEN);
    let of_link = usize::from(mtu).saturating_sub(header_len);
    let of_receiver = announced.map(|mss| usize::from(mss).saturating_sub(options));
    of_receiver.unwrap_or(of_link).min(of_link).max(1) as u16
}

/// Whether the segment whose TCP header `bytes` begin with may be cut or rewritten: not if it is signed with
/// MD5 (RFC 2385) or TCP-AO (RFC 5925), which cover header and payload, nor if its header is not all there.
#[must_use]
pub fn is_alterable(bytes: &[u8]) -> bool {
    tcp::options(bytes)
        .is_some_and(|mut options| options.all(|option| !matches!(option.kind, tcp::MD5 | tcp::AO)))
}

#[cfg(test)]
mod tests {
    use std::vec;

    use super::*;
    use crate::testing::Packet;
    use crate::wire::{Link, Protocol};

    fn headers(packet: &Packet) -> Headers {
        Headers::parse(&packet.build()[..], Link::Ethernet).unwrap()
    }

    #[test]
    fn the_link_bounds_the_packet_with_all_its_headers() {
        let [v4, v6] = [Packet::tcp4(), Packet::tcp6()].map(|packet| headers(&packet));
        assert_eq!(segment_size(&v4, 20, 1500, None), 1460);
        assert_eq!(segment_size(&v4, 32, 1500, None), 1448);
        assert_eq!(segment_size(&v6, 32, 9000, None), 8928);
        let options = headers(&Packet { ip_options: vec![1; 8], ..Packet::tcp4() });
        assert_eq!(segment_size(&options, 20, 1500, None), 1452);
    }

    #[test]
    fn the_receiver_bounds_the_payload_less_all_options() {
        let v4 = headers(&Packet::tcp4());
        assert_eq!(segment_size(&v4, 20, 9000, Some(1000)), 1000);
        assert_eq!(segment_size(&v4, 32, 9000, Some(1000)), 988);
        assert_eq!(segment_size(&v4, 32, 1500, Some(8960)), 1448, "the link carries less");
        assert_eq!(segment_size(&v4, 32, 1500, Some(1460)), 1448);
        let options = headers(&Packet { ip_options: vec![1; 8], ..Packet::tcp4() });
        assert_eq!(segment_size(&options, 32, 9000, Some(1000)), 980);
        let extensions = vec![(Protocol::DESTINATION_OPTIONS, vec![0; 24])];
        let extended = headers(&Packet { extensions, ..Packet::tcp6() });
        assert_eq!(segment_size(&extended, 20, 9000, Some(1220)), 1196);
        assert_eq!(segment_size(&extended, 20, 1280, Some(1220)), 1196);
    }

    #[test]
    fn where_there_is_no_room_a_packet_carries_one_byte() {
        let v4 = headers(&Packet::tcp4());
        for (mtu, announced) in [(0, None), (40, None), (1500, Some(0)), (1500, Some(12))] {
            assert_eq!(segment_size(&v4, 32, mtu, announced), 1);
        }
        assert_eq!(segment_size(&v4, usize::from(u16::MAX), 1500, Some(1)), 1);
    }

    #[test]
    fn signed_segments_are_not_altered() {
        let alterable = |options: &[u8]| {
            let packet = Packet { link: Link::None, options: options.to_vec(), ..Packet::tcp4() };
            is_alterable(&packet.build()[20..])
        };
        assert!(alterable(&[]));
        assert!(alterable(&[1, 1, 8, 10, 0, 0, 0, 19, 0, 0, 0, 29]));
        assert!(!alterable(&[&[1, 1, tcp::MD5, 18][..], &[0; 16]].concat()));
        assert!(!alterable(&[&[2, 4, 5, 0xb4, tcp::AO, 16][..], &[0; 14]].concat()));
        assert!(!is_alterable(&Packet::tcp4().build()[34..54]), "options that are not there");
    }
}
