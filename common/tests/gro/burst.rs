//! What comes out when packets come in one burst.

use sluice_common::offload::{Coalescer, GroConfig, Profile, Train};
use sluice_common::reason::FlushReason;
use sluice_common::testing::Packet;

pub(crate) type Released = Vec<(Train<Vec<u8>>, FlushReason)>;

/// What comes out, packets per train and reason, when `packets` come in one burst.
pub(crate) fn coalesce(config: GroConfig, packets: &[Packet]) -> Released {
    let built: Vec<_> = packets.iter().map(Packet::build).collect();
    coalesce_bytes(config, &built)
}

pub(crate) fn coalesce_bytes(config: GroConfig, packets: &[Vec<u8>]) -> Released {
    let mut coalescer = Coalescer::new(config);
    let mut released = Vec::new();
    let mut sink = |train, reason| released.push((train, reason));
    for packet in packets {
        coalescer.push(packet.clone(), 0, &mut sink);
    }
    coalescer.end_of_burst(0, &mut sink);
    assert_eq!((coalescer.held(), coalescer.deadline()), (0, None));
    released
}

pub(crate) fn outcome(released: &Released) -> Vec<(usize, FlushReason)> {
    released.iter().map(|(train, reason)| (train.packets().len(), *reason)).collect()
}

pub(crate) fn linux() -> GroConfig {
    GroConfig::default()
}

pub(crate) fn with_profile(profile: Profile) -> GroConfig {
    GroConfig { profile, ..linux() }
}

/// `first` and what its sender sends next, changed.
pub(crate) fn pair(first: Packet, change: impl FnOnce(&mut Packet)) -> [Packet; 2] {
    let mut second = first.next();
    change(&mut second);
    [first, second]
}

#[track_caller]
pub(crate) fn assert_joins(config: GroConfig, packets: &[Packet]) {
    let out = outcome(&coalesce(config, packets));
    assert_eq!(out, [(packets.len(), FlushReason::EndOfBurst)]);
}

/// The second packet releases the train of the first because of `reason` and starts its own.
#[track_caller]
pub(crate) fn assert_releases(config: GroConfig, packets: &[Packet; 2], reason: FlushReason) {
    let out = outcome(&coalesce(config, packets));
    assert_eq!(out, [(1, reason), (1, FlushReason::EndOfBurst)]);
}

/// The second packet takes no part: the train goes first, then it, both because of `reason`.
#[track_caller]
pub(crate) fn assert_passes(config: GroConfig, packets: &[Packet; 2], reason: FlushReason) {
    let released = coalesce(config, packets);
    assert_eq!(outcome(&released), [(1, reason), (1, reason)]);
    assert_eq!(released[1].0.packets()[0], packets[1].build(), "the packet goes on as it came");
}
