//! What is recognised at a glance comes out as it would by the rules.

use proptest::prelude::*;
use sluice_common::checksum::{Sum, naive};
use sluice_common::offload::{GroConfig, Hold, Profile, RxChecksum};
use sluice_common::testing::{Event, Field, Packet, express, stream};
use sluice_common::wire::tcp::Flags;

fn config() -> impl Strategy<Value = GroConfig> {
    let profile = prop::sample::select(vec![
        Profile::Linux,
        Profile::Linux612,
        Profile::AccEcn,
        Profile::Lro,
        Profile::Reorder,
    ]);
    let rx_checksum = prop::sample::select(vec![
        RxChecksum::Verify,
        RxChecksum::Trust,
        RxChecksum::Partial,
        RxChecksum::Leave,
    ]);
    let ceiling = 2_000;
    let hold = prop::sample::select(vec![
        Hold::EndOfBurst,
        Hold::AtMost(ceiling),
        Hold::Adaptive { ceiling },
    ]);
    let sizes =
        (prop::sample::select(vec![0, 1, 2, 3, 17, 64]), prop::sample::select(vec![900, 65_535]));
    let tables = prop::sample::select(vec![1, 2, 64]);
    (profile, rx_checksum, hold, sizes, tables).prop_map(
        |(profile, rx_checksum, hold, (max_segments, max_size), flows)| GroConfig {
            profile,
            rx_checksum,
            hold,
            max_segments,
            max_size,
            flows,
            ..GroConfig::default()
        },
    )
}

/// Most steps are of the flow that can be recognised.
fn plan() -> impl Strategy<Value = Vec<u8>> {
    let action = prop_oneof![4 => 21_u8..64, 1 => 0_u8..21, 1 => 64_u8..];
    let step = (action, prop_oneof![3 => Just(0_u8), 1 => 0_u8..12], any::<[u8; 2]>());
    let steps = prop::collection::vec(step, 0..80);
    steps.prop_map(|steps| {
        steps.into_iter().flat_map(|(action, flow, [a, b])| [action, flow, a, b]).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, ..ProptestConfig::default() })]

    #[test]
    fn every_stream_comes_out_as_by_the_rules(config in config(), plan in plan(), partial: bool) {
        express(&stream(&plan, partial), config);
    }

    /// A packet that is the next one but for any byte of its headers.
    #[test]
    fn a_byte_that_differs_makes_the_difference_it_makes_by_the_rules(
        config in config(),
        first in prop::sample::select(firsts()),
        at in 0_usize..90,
        flip in 1_u8..,
        mends: bool,
    ) {
        express(&but_for(&first, at, flip, mends), config);
    }
}

/// The same for each bit, where nothing but the rules about headers keeps packets apart: chance would leave some out.
#[test]
fn every_bit_that_differs_makes_the_difference_it_makes_by_the_rules() {
    let each = |first: &Packet, rx_checksum, mends| {
        let bits = first.build().len() - first.payload.len();
        for bit in 0..8 * bits {
            let events = but_for(first, bit / 8, 1 << (bit % 8), mends);
            express(&events, GroConfig { rx_checksum, ..GroConfig::default() });
        }
    };
    for first in firsts() {
        each(&first, RxChecksum::Trust, false);
        each(&first, RxChecksum::Verify, true);
    }
}

/// First packets of streams that can be recognised, with options and without.
fn firsts() -> Vec<Packet> {
    let stamped = [Packet::tcp4(), Packet::tcp6()];
    let plain = stamped.clone().map(|packet| Packet { options: Vec::new(), ..packet });
    [stamped, plain].concat()
}

/// Three packets, the last of which is the next one but for `flip` in its byte `at`.
fn but_for(first: &Packet, at: usize, flip: u8, mends: bool) -> Vec<Event> {
    let mut built: Vec<_> = in_order(first).take(3).map(|packet| packet.build()).collect();
    let third = &mut built[2];
    let at = at % third.len();
    third[at] ^= flip;
    if mends {
        mend(third);
    }
    built.into_iter().map(Event::Packet).collect()
}

/// It and those that follow it.
fn in_order(first: &Packet) -> impl Iterator<Item = Packet> {
    std::iter::successors(Some(first.clone()), |last| Some(last.next()))
}

/// Makes the checksums right again, so that they are not what tells.
fn mend(packet: &mut [u8]) {
    let is_ipv6 = packet[12..14] == [0x86, 0xdd];
    let ip = if is_ipv6 { [22, 54] } else { [26, 34] };
    if !is_ipv6 {
        put(packet, 24, |packet| naive(&packet[14..34]));
    }
    put(packet, ip[1] + 16, |packet| covered(packet, ip));
}

/// The sum of all that the TCP checksum of a packet covers, whose addresses and TCP header begin there.
fn covered(packet: &[u8], [addresses, transport]: [usize; 2]) -> Sum {
    let len = packet.len() - transport;
    naive(&packet[addresses..]) + Sum::of(6) + Sum::of(len as u16)
}

/// Puts the checksum of what `total` sums at `at`.
fn put(packet: &mut [u8], at: usize, total: impl Fn(&[u8]) -> Sum) {
    packet[at..at + 2].fill(0);
    let checksum = total(packet).checksum();
    packet[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
}

/// A checksum field that holds the pseudo-header sum and is the whole packet's checksum as well, by chance: with
/// `partial` the rules take it for a partial one.
#[test]
fn a_checksum_that_is_complete_and_partial_is_what_the_rules_say() {
    let mut packets: Vec<_> = in_order(&Packet::tcp4()).take(3).collect();
    packets[1].checksum = Field::Partial;
    let mut built: Vec<_> = packets.iter().map(Packet::build).collect();
    let chance = &mut built[1];
    let total = covered(chance, [26, 34]);
    let at = chance.len() - 2;
    let word = u16::from_be_bytes([chance[at], chance[at + 1]]);
    let mended = Sum::of(word) + Sum::of(total.checksum());
    chance[at..].copy_from_slice(&mended.folded().to_be_bytes());
    let events: Vec<_> = built.into_iter().map(Event::Packet).collect();
    for rx_checksum in [RxChecksum::Verify, RxChecksum::Partial] {
        express(&events, GroConfig { rx_checksum, ..GroConfig::default() });
    }
}

#[test]
fn what_ends_a_train_ends_it_in_full_flight() {
    let changes: [fn(&mut Packet); 9] = [
        |packet| packet.flags = Flags::ACK.with(Flags::PSH),
        |packet| packet.flags = Flags::ACK.with(Flags::FIN),
        |packet| packet.flags = Flags::ACK.with(Flags::CWR),
        |packet| packet.payload.truncate(99),
        |packet| packet.payload.push(1),
        |packet| packet.payload.clear(),
        |packet| packet.padding = 6,
        |packet| packet.checksum = Field::Partial,
        |packet| packet.id -= 1,
    ];
    let firsts = [Packet::tcp4(), Packet::tcp6()];
    let cases = firsts.iter().flat_map(|first| changes.map(|change| (first, change)));
    for (first, change) in cases {
        let mut packets: Vec<_> = in_order(first).take(6).collect();
        change(&mut packets[4]);
        let events: Vec<_> = packets.iter().map(|one| Event::Packet(one.build())).collect();
        for rx_checksum in [RxChecksum::Verify, RxChecksum::Trust, RxChecksum::Partial] {
            express(&events, GroConfig { rx_checksum, ..GroConfig::default() });
        }
    }
}
