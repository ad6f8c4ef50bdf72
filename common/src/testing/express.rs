//! The property: what is recognised at a glance comes out as it would by the rules.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::round_trip::{Numbered, told};
use super::stream::Event;
use crate::offload::{Coalescer, GroConfig, Train};
use crate::reason::FlushReason;

/// Coalesces the packets of `events` twice and checks that the same trains go at the same time for the same reason.
///
/// [`Coalescer::push`] looks for the next packet of a bulk transfer first; [`Coalescer::push_super`] never does, and is
/// the oracle.
///
/// # Panics
/// If anything differs.
pub fn express(events: &[Event], config: GroConfig) {
    in_pieces(events, config, usize::MAX);
}

/// [`express`] of the stream and the configuration that any bytes tell: the body of the fuzz target of that name.
pub fn express_of_bytes(data: &[u8]) {
    if let Some((config, events, piece)) = told(data) {
        in_pieces(&events, config, piece);
    }
}

fn in_pieces(events: &[Event], config: GroConfig, piece: usize) {
    let at_a_glance = outcome(events, config, piece, |coalescer, packet, now, mut out| {
        coalescer.push(packet, now, &mut out);
    });
    let by_the_rules = outcome(events, config, piece, |coalescer, packet, now, mut out| {
        coalescer.push_super(packet, 0, now, &mut out);
    });
    assert_eq!(at_a_glance, by_the_rules);
}

/// One of the two ways into a coalescer.
type Push =
    fn(&mut Coalescer<Numbered>, Numbered, u64, &mut dyn FnMut(Train<Numbered>, FlushReason));

/// All that comes out, and what is held after each event.
fn outcome(events: &[Event], config: GroConfig, piece: usize, push: Push) -> Vec<String> {
    let (mut coalescer, mut out, mut now) = (Coalescer::new(config), Vec::new(), 0);
    for (number, event) in events.iter().enumerate() {
        let mut sink = |train: Train<_>, reason| out.push(format!("{reason:?} {train:?}"));
        match event {
            Event::Packet(bytes) => {
                let packet = Numbered { number, bytes: bytes.clone(), piece };
                push(&mut coalescer, packet, now, &mut sink);
            }
            Event::EndOfBurst(pause) => {
                coalescer.end_of_burst(now, &mut sink);
                now += pause;
            }
        }
        let held = (coalescer.held(), coalescer.held_pieces(), coalescer.deadline());
        out.push(format!("{held:?}"));
    }
    let mut sink = |train: Train<_>, reason| out.push(format!("{reason:?} {train:?}"));
    coalescer.flush(FlushReason::Shutdown, &mut sink);
    out
}
