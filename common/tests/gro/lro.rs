//! The profile `lro`: what may move forward within a train does not count.

use sluice_common::offload::{ChecksumMode, Profile};
use sluice_common::reason::FlushReason;
use sluice_common::testing::Packet;
use sluice_common::wire::Link;

use crate::burst::{assert_joins, assert_releases, coalesce, pair, with_profile};

fn lro() -> sluice_common::offload::GroConfig {
    with_profile(Profile::Lro)
}

#[test]
fn g11_g12_g13_lro_acknowledgement_window_and_timestamps_may_move_forward() {
    let changes: [fn(&mut Packet); 6] = [
        |packet| packet.ack += 1,
        |packet| packet.ack = packet.ack.wrapping_add((1 << 31) - 1),
        |packet| packet.window += 1,
        |packet| packet.window -= 1,
        |packet| packet.options[7] += 1,
        |packet| packet.options[11] += 1,
    ];
    for first in [Packet::tcp4(), Packet::tcp6()] {
        for change in changes {
            assert_joins(lro(), &pair(first.clone(), change));
        }
    }
}

#[test]
fn g11_g13_lro_nothing_moves_back() {
    let ack = pair(Packet::tcp4(), |packet| packet.ack -= 1);
    assert_releases(lro(), &ack, FlushReason::Acknowledgement);
    for at in [7, 11] {
        let older = pair(Packet::tcp4(), |packet| {
            packet.options[at - 2] = 1;
            packet.options[at] = 0;
        });
        let [mut first, mut second] = older;
        first.options[at - 2] = 2;
        second.options[at - 2] = 1;
        assert_releases(lro(), &[first, second], FlushReason::Options);
    }
    // Compared with the last packet, not with the first.
    let first = Packet::tcp4();
    let mut second = first.next();
    second.ack += 9;
    let mut third = second.next();
    third.ack -= 1;
    let reasons: Vec<_> =
        coalesce(lro(), &[first, second, third]).iter().map(|(_, r)| *r).collect();
    assert_eq!(reasons, [FlushReason::Acknowledgement, FlushReason::EndOfBurst]);
}

/// A change to a packet, and why it releases the train before it.
type Change = (fn(&mut Packet), FlushReason);

#[test]
fn g12_g13_g14_lro_tos_ecn_and_the_kinds_of_options_are_still_equal() {
    let changes: [Change; 6] = [
        (|packet| packet.tos = 0xb8, FlushReason::Tos),
        (|packet| packet.tos = 3, FlushReason::Tos),
        (|packet| packet.options = vec![8, 10, 0, 0, 1, 0, 0, 0, 2, 0, 1, 1], FlushReason::Options),
        (|packet| packet.options[2] = 254, FlushReason::Options),
        (|packet| packet.options[3] = 0, FlushReason::Options),
        (|packet| packet.options.extend([1; 4]), FlushReason::HeaderLength),
    ];
    for (change, reason) in changes {
        assert_releases(lro(), &pair(Packet::tcp4(), change), reason);
    }
}

#[test]
fn g27_lro_the_last_packet_wins_in_the_derived_header() {
    for first in [Packet::tcp4(), Packet::tcp6()] {
        let mut packets = vec![first.clone(), first.next(), first.next().next()];
        for (n, packet) in packets.iter_mut().enumerate() {
            packet.ack += 10 * n as u32;
            packet.window += n as u16;
            packet.options[7] += n as u8;
        }
        let released = coalesce(lro(), &packets);
        let train = &released[0].0;
        assert_eq!(train.packets().len(), 3);
        let payload: Vec<u8> = packets.iter().flat_map(|packet| packet.payload.clone()).collect();
        let last = packets[2].clone();
        let mut whole = Packet { seq: packets[0].seq, id: packets[0].id, ..last };
        whole = whole.with_payload(&payload);
        let mut bytes = vec![0; train.header_len(Link::Ethernet)];
        train.write_header(&mut bytes, Link::Ethernet, ChecksumMode::Full);
        bytes.extend(train.payloads().flatten());
        assert_eq!(bytes, whole.build());
    }
}

#[test]
fn g30_lro_is_the_profile_that_is_not_reversible() {
    assert!(!Profile::Lro.is_reversible());
    for profile in [Profile::Linux, Profile::Linux612, Profile::AccEcn, Profile::Reorder] {
        assert!(profile.is_reversible());
    }
}
