//! Editing packets: every field that is named has its value, every other byte stays, and each checksum holds
//! if and only if it did before.

use std::net::{IpAddr, Ipv6Addr};

use proptest::option;
use proptest::prelude::*;
use sluice_common::checksum::naive;
use sluice_common::classify::Field;
use sluice_common::stage::Edit;
use sluice_common::testing::{Field as Value, Packet};
use sluice_common::wire::{EtherType, Fragment, Headers, Link, Protocol};

use crate::bytes::{
    address, field, packet, parse, port, pseudo_header, sum_of_ipv4, sum_of_transport,
};

/// New values, as an edit is told them.
#[derive(Clone, Debug)]
struct Values {
    macs: [Option<[u8; 6]>; 2],
    vlan: Option<u16>,
    addresses: [Option<IpAddr>; 2],
    ports: [Option<u16>; 2],
}

impl Values {
    fn edit(&self) -> Edit {
        let mut edit = Edit::default();
        for end in Field::BOTH {
            edit = self.macs[end as usize].map_or(edit, |mac| edit.with_mac(end, mac));
            edit = self.addresses[end as usize].map_or(edit, |new| edit.with_address(end, new));
            edit = self.ports[end as usize].map_or(edit, |port| edit.with_port(end, port));
        }
        self.vlan.map_or(edit, |vlan| edit.with_vlan(vlan))
    }

    /// The packet whose fields are these, its checksums aside. Addresses of the other family do not count.
    fn put_into(&self, packet: &Packet) -> Packet {
        let mut new = packet.clone();
        let is_same = |address: &IpAddr| address.is_ipv4() == packet.src.is_ipv4();
        let [src_mac, dst_mac] = self.macs;
        new.macs = [dst_mac.unwrap_or(new.macs[0]), src_mac.unwrap_or(new.macs[1])];
        let [src, dst] = self.addresses.map(|address| address.filter(is_same));
        (new.src, new.dst) = (src.unwrap_or(new.src), dst.unwrap_or(new.dst));
        let [src_port, dst_port] = self.ports;
        new.src_port = src_port.unwrap_or(new.src_port);
        new.dst_port = dst_port.unwrap_or(new.dst_port);
        if let (Some(vlan), Some((_, tci))) = (self.vlan, new.tags.first_mut()) {
            *tci = *tci & 0xf000 | vlan;
        }
        new
    }
}

fn values() -> impl Strategy<Value = Values> {
    let any_address = || option::of(prop_oneof![address(false), address(true)]);
    (
        [option::of(any::<[u8; 6]>()), option::of(any::<[u8; 6]>())],
        option::of(0_u16..4096),
        [any_address(), any_address()],
        [option::of(port()), option::of(port())],
    )
        .prop_map(|(macs, vlan, addresses, ports)| Values { macs, vlan, addresses, ports })
}

/// The bytes with both checksums taken out.
fn without_checksums(bytes: &[u8]) -> Vec<u8> {
    let (mut bytes, headers) = (bytes.to_vec(), parse(bytes));
    let transport = usize::from(headers.transport);
    let at = transport + if headers.protocol == Protocol::UDP { 6 } else { 16 };
    bytes[at..at + 2].fill(0);
    if !headers.is_ipv6() {
        bytes[usize::from(headers.network) + 10..][..2].fill(0);
    }
    bytes
}

/// `packet` after `edit`.
fn edited(packet: &Packet, edit: &Edit, partial: bool) -> Vec<u8> {
    let mut bytes = packet.build();
    let headers = parse(&bytes);
    edit.apply(&mut bytes, &headers, partial);
    assert_eq!(parse(&bytes), edit.headers(&headers), "the headers that were foretold");
    bytes
}

proptest! {
    #[test]
    fn the_fields_named_change_and_no_other_byte_does(packet in packet(), values in values()) {
        let bytes = edited(&packet, &values.edit(), false);
        let expected = values.put_into(&packet).build();
        prop_assert_eq!(without_checksums(&bytes), without_checksums(&expected));
    }

    #[test]
    fn a_checksum_holds_after_an_edit_if_and_only_if_it_did_before(
        packet in packet(), values in values(),
    ) {
        let (before, after) = (packet.build(), edited(&packet, &values.edit(), false));
        let (old, new) = (parse(&before), parse(&after));
        let is_none = packet.protocol == Protocol::UDP && field(&before, &old) == 0;
        if is_none {
            prop_assert_eq!(field(&after, &new), 0, "none stays none");
        } else {
            let sums = [
                sum_of_transport(&packet, &before, &old), sum_of_transport(&packet, &after, &new),
            ];
            // Not only is what holds the same, but by how much it fails.
            prop_assert_eq!(sums[0], sums[1]);
            let says_none = packet.protocol == Protocol::UDP && field(&after, &new) == 0;
            prop_assert!(!says_none, "a checksum became none");
        }
        if !new.is_ipv6() {
            prop_assert_eq!(sum_of_ipv4(&before, &old), sum_of_ipv4(&after, &new));
        }
    }

    #[test]
    fn a_right_checksum_is_bit_for_bit_what_the_sender_would_have_written(
        packet in packet(), values in values(),
    ) {
        let packet = Packet { checksum: Value::Right, ip_checksum: Value::Right, ..packet };
        prop_assert_eq!(edited(&packet, &values.edit(), false), values.put_into(&packet).build());
    }

    #[test]
    fn a_partial_checksum_is_bit_for_bit_that_of_the_new_addresses(
        packet in packet(), values in values(),
    ) {
        let packet = Packet { checksum: Value::Partial, ip_checksum: Value::Right, ..packet };
        prop_assert_eq!(edited(&packet, &values.edit(), true), values.put_into(&packet).build());
    }

    #[test]
    fn an_edit_of_nothing_or_to_what_is_there_changes_no_bit(packet in packet()) {
        let same = Values {
            macs: [Some(packet.macs[1]), Some(packet.macs[0])],
            vlan: packet.tags.first().map(|(_, tci)| tci & 0x0fff),
            addresses: [Some(packet.src), Some(packet.dst)],
            ports: [Some(packet.src_port), Some(packet.dst_port)],
        };
        for edit in [Edit::default(), same.edit()] {
            prop_assert_eq!(edited(&packet, &edit, false), packet.build());
        }
        prop_assert!(Edit::default().is_nothing() && !same.edit().is_nothing());
    }

    #[test]
    fn a_packet_that_is_cut_short_is_no_danger(
        packet in packet(), values in values(), len in 0_usize..100, partial: bool,
    ) {
        let mut bytes = packet.build();
        let headers = parse(&bytes);
        bytes.truncate(len);
        values.edit().apply(&mut bytes, &headers, partial);
        prop_assert!(bytes.len() <= len);
    }

    #[test]
    fn the_fragments_of_an_edited_datagram_are_the_edited_fragments(
        packet in packet(), values in values(),
    ) {
        let v4 = Packet::tcp4();
        let (src, dst) = if packet.src.is_ipv4() { (packet.src, packet.dst) } else { (v4.src, v4.dst) };
        // Ports are in the first fragment only: what changes them must not be asked of a fragment alone.
        let values = Values { ports: [None; 2], ..values };
        let payload = vec![7; 40];
        let whole = Packet { src, dst, payload, padding: 0, ip_checksum: Value::Right, ..packet };
        let mut parts = fragments(&whole.build());
        for (part, is) in parts.iter_mut().zip([Fragment::First, Fragment::Later]) {
            let headers = parse(part);
            assert_eq!(headers.fragment, is);
            values.edit().apply(part, &headers, false);
        }
        prop_assert_eq!(parts, fragments(&edited(&whole, &values.edit(), false)));
    }
}

/// An IPv4 packet in two fragments, the first with 24 bytes.
fn fragments(whole: &[u8]) -> [Vec<u8>; 2] {
    let headers = parse(whole);
    let (network, transport) = (usize::from(headers.network), usize::from(headers.transport));
    let part = |body: &[u8], word: u16| {
        let mut part = [&whole[..transport], body].concat();
        let len = (part.len() - network) as u16;
        part[network + 2..network + 4].copy_from_slice(&len.to_be_bytes());
        part[network + 6..network + 8].copy_from_slice(&word.to_be_bytes());
        part[network + 10..network + 12].fill(0);
        let checksum = naive(&part[network..transport]).checksum();
        part[network + 10..network + 12].copy_from_slice(&checksum.to_be_bytes());
        part
    };
    let (first, later) = whole[transport..].split_at(24);
    [part(first, 0x2000), part(later, 3)]
}

#[test]
fn a_udp_checksum_that_comes_to_zero_is_written_as_all_ones() {
    // With a port of 0 changed to what the checksum was, the sum is 0xFFFF.
    for (protocol, zero) in [(Protocol::UDP, 0xffff), (Protocol::TCP, 0)] {
        let packet = Packet { src_port: 0, protocol, ..Packet::tcp4() };
        let bytes = packet.build();
        let edit = Edit::default().with_port(Field::Source, field(&bytes, &parse(&bytes)));
        let bytes = edited(&packet, &edit, false);
        assert_eq!(field(&bytes, &parse(&bytes)), zero, "{protocol:?}");
    }
}

#[test]
fn an_ipv6_fragment_has_its_checksum_changed_in_the_first_only() {
    let source = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7);
    let edit =
        Edit::default().with_address(Field::Source, source.into()).with_port(Field::Source, 9);
    for (word, is_first) in [(1_u16, true), (8, false)] {
        let mut body = vec![0; 8];
        body[2..4].copy_from_slice(&word.to_be_bytes());
        let packet = Packet { extensions: vec![(Protocol::FRAGMENT, body)], ..Packet::udp6() };
        let (before, after) = (packet.build(), edited(&packet, &edit, false));
        let transport = usize::from(parse(&before).transport);
        assert_eq!(before[transport..] != after[transport..], is_first);
        assert_eq!(after[14 + 8..14 + 24], source.octets());
    }
}

#[test]
fn icmpv6_covers_the_addresses_and_other_protocols_do_not() {
    let edit = Edit::default().with_address(Field::Destination, "2001:db8::7".parse().unwrap());
    for (protocol, covers) in [(Protocol::ICMPV6, true), (Protocol(132), false)] {
        let payload = vec![128, 0, 0, 0, 0, 1, 0, 1, 0xab];
        let mut packet = Packet { protocol, payload, ..Packet::tcp6() };
        let bytes = packet.build();
        let sum = pseudo_header(&bytes, &parse(&bytes), 9) + naive(&packet.payload);
        packet.payload[2..4].copy_from_slice(&sum.checksum().to_be_bytes());
        let (before, after) = (packet.build(), edited(&packet, &edit, false));
        let headers = parse(&after);
        let transport = usize::from(headers.transport);
        match covers {
            true => assert_eq!(sum_of_transport(&packet, &after, &headers), 0xffff),
            false => assert_eq!(before[transport..], after[transport..]),
        }
        assert_ne!(before, after);
    }
}

#[test]
fn icmp_over_ipv4_covers_no_address() {
    let payload = vec![8, 0, 0x12, 0x34, 0, 1, 0, 1];
    let packet = Packet { protocol: Protocol::ICMP, payload, ..Packet::tcp4() };
    let edit = Edit::default()
        .with_address(Field::Source, [192, 0, 2, 1].into())
        .with_port(Field::Source, 7);
    let bytes = edited(&packet, &edit, false);
    assert_eq!(bytes[34..], packet.payload);
    assert_eq!(sum_of_ipv4(&bytes, &parse(&bytes)), 0xffff);
}

#[test]
fn the_priority_in_a_tag_and_the_inner_tag_stay() {
    let tags = vec![(EtherType::QINQ, 0xb00a), (EtherType::VLAN, 0x200a)];
    let bytes = edited(&Packet { tags, ..Packet::tcp4() }, &Edit::default().with_vlan(20), false);
    assert_eq!(bytes[12..20], [0x88, 0xa8, 0xb0, 20, 0x81, 0, 0x20, 10]);
}

#[test]
fn a_packet_without_a_link_header_has_none_written_over_it() {
    let packet = Packet { link: Link::None, ..Packet::tcp4() };
    let mut bytes = packet.build();
    let headers = Headers::parse(&bytes[..], packet.link).unwrap();
    Edit::default().with_mac(Field::Source, [9; 6]).with_vlan(5).apply(&mut bytes, &headers, false);
    assert_eq!(bytes, packet.build());
}
