//! When which train is due: a timing wheel.
//!
//! Deadlines move with every packet of an adaptive hold, so they are kept in teeth, not sorted: putting
//! one in, moving it and finding the earliest take the same time however many there are. A deadline is
//! rounded down to its tooth: a train goes a little early, never late.

use alloc::vec;
use alloc::vec::Vec;

use super::list::{Links, List};

/// Teeth of the wheel: as many as a word has bits, so that the next one in use is one instruction.
const TEETH: u64 = 64;

#[derive(Debug)]
pub(super) struct Wheel {
    /// Nanoseconds a tooth lasts.
    width: u64,
    /// The earliest tick that may be in use.
    base: u64,
    /// Which teeth are in use.
    used: u64,
    teeth: [List; TEETH as usize],
    links: Links,
    /// The tick of each slot.
    ticks: Vec<u64>,
    /// The ticks of the times that were last asked for: present and deadline.
    last: [Tick; 2],
}

/// Which tick a time is in. All packets of a burst have the same time, and a division takes longer than all else that
/// is done here.
#[derive(Clone, Copy, Debug, Default)]
struct Tick {
    time: u64,
    tick: u64,
}

impl Tick {
    #[inline]
    fn of(&mut self, time: u64, width: u64) -> u64 {
        if self.time != time {
            *self = Self { time, tick: time / width };
        }
        self.tick
    }
}

impl Wheel {
    /// A wheel for `slots` deadlines, none further ahead than `span` nanoseconds.
    pub(super) fn new(slots: usize, span: u64) -> Self {
        Self {
            // Two teeth to spare: now and the deadline may each lie anywhere in theirs.
            width: span / (TEETH - 2) + 1,
            base: 0,
            used: 0,
            teeth: [List::EMPTY; TEETH as usize],
            links: Links::new(slots),
            ticks: vec![0; slots],
            last: [Tick::default(); 2],
        }
    }

    /// Puts in `slot`, due at `due`.
    #[inline]
    pub(super) fn insert(&mut self, slot: u32, now: u64, due: u64) {
        let [present, deadline] = &mut self.last;
        let (present, due) = (present.of(now, self.width), deadline.of(due, self.width));
        self.base = self.earliest_tick().map_or(present, |tick| tick.min(present).max(self.base));
        // Who lets deadlines pass for a whole turn of the wheel gets the new ones early.
        let tick = due.clamp(self.base, self.base + TEETH - 1);
        let tooth = tick % TEETH;
        self.ticks[slot as usize] = tick;
        self.teeth[tooth as usize].push_back(&mut self.links, slot);
        self.used |= 1 << tooth;
    }

    /// Moves `slot`, which is in the wheel, to `due`.
    #[inline]
    pub(super) fn update(&mut self, slot: u32, now: u64, due: u64) {
        // The tick begins no later than what is due and ends after it.
        let begins = self.ticks[slot as usize] * self.width;
        if due.wrapping_sub(begins) >= self.width {
            self.remove(slot);
            self.insert(slot, now, due);
        }
    }

    /// Takes out `slot`, which is in the wheel.
    #[inline]
    pub(super) fn remove(&mut self, slot: u32) {
        let tooth = self.ticks[slot as usize] % TEETH;
        let list = &mut self.teeth[tooth as usize];
        list.remove(&mut self.links, slot);
        if list.first().is_none() {
            self.used &= !(1 << tooth);
        }
    }

    /// When the earliest is due.
    pub(super) fn earliest(&self) -> Option<u64> {
        self.earliest_tick().map(|tick| tick * self.width)
    }

    /// A slot that is due at `now`, earliest first. It stays in the wheel.
    #[inline]
    pub(super) fn due(&mut self, now: u64) -> Option<u32> {
        let tick = self.earliest_tick()?;
        if tick * self.width > now {
            return None;
        }
        self.base = tick;
        self.teeth[(tick % TEETH) as usize].first()
    }

    #[inline]
    fn earliest_tick(&self) -> Option<u64> {
        let turned = self.used.rotate_right((self.base % TEETH) as u32);
        (turned != 0).then(|| self.base + u64::from(turned.trailing_zeros()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(wheel: &mut Wheel, now: u64) -> Vec<u32> {
        core::iter::from_fn(|| {
            let slot = wheel.due(now)?;
            wheel.remove(slot);
            Some(slot)
        })
        .collect()
    }

    #[test]
    fn g25_deadlines_come_in_order_and_never_late() {
        let mut wheel = Wheel::new(3, 6_200);
        for (slot, due) in [(0, 5_000), (1, 1_000), (2, 3_000)] {
            wheel.insert(slot, 100, due);
        }
        assert!(wheel.earliest().is_some_and(|due| due <= 1_000 && due > 800));
        assert_eq!(drain(&mut wheel, 500), [0; 0]);
        assert_eq!(drain(&mut wheel, 1_000), [1]);
        assert_eq!(drain(&mut wheel, 10_000), [2, 0]);
        assert_eq!(wheel.earliest(), None);
    }

    #[test]
    fn g25_a_deadline_moves() {
        let mut wheel = Wheel::new(2, 6_200);
        wheel.insert(0, 0, 1_000);
        wheel.insert(1, 0, 2_000);
        wheel.update(0, 900, 3_000);
        assert_eq!(drain(&mut wheel, 2_000), [1]);
        assert_eq!(drain(&mut wheel, 3_000), [0]);
    }

    #[test]
    fn g25_the_wheel_turns_on_while_something_is_always_in_it() {
        let mut wheel = Wheel::new(2, 6_200);
        wheel.insert(0, 0, 6_200);
        wheel.insert(1, 6_000, 12_200);
        assert_eq!(drain(&mut wheel, 6_200), [0]);
        assert_eq!(drain(&mut wheel, 12_000), [0; 0], "not before its time");
        assert_eq!(drain(&mut wheel, 12_200), [1]);
    }

    #[test]
    fn g25_a_late_caller_gets_every_deadline_and_none_is_forgotten() {
        let mut wheel = Wheel::new(3, 6_200);
        wheel.insert(0, 0, 6_200);
        wheel.insert(1, 1_000_000, 1_006_200);
        wheel.insert(2, 1_000_000, 1_000_001);
        assert!(wheel.earliest().is_some_and(|due| due <= 6_200));
        let mut all = drain(&mut wheel, 1_006_200);
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2]);
        wheel.insert(0, 2_000_000, 2_000_500);
        assert!(wheel.earliest().is_some_and(|due| due > 1_900_000));
    }
}
