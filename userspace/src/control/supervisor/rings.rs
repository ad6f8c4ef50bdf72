//! Finding out that a driver passes the program by.
//!
//! The interface counts packets and the program sees none, without an error, where a driver
//! - never looks at the rings of a restarted data plane: igb in zero-copy mode on Linux 6.18 receives nothing for
//!   sockets that are bound while the program is attached;
//! - forgets the program when it resets the NIC: vmxnet3 drops it whenever it empties its rings, as it does when the
//!   interface is set down, while the kernel goes on naming it. All packets take the kernel's path then.
//!
//! Attaching the program anew mends both. The first is known to have happened; of the second a carrier tells that was
//! away meanwhile. Otherwise nobody looks, for an interface may count what its rings had no room for.
//!
//! In zero-copy mode the interface may count by the very rings that the driver never looks at, so that there silence is
//! a sign as well, where packets came before.

use std::time::Duration;

use super::super::nic::LinkCounts;

/// How long to look. A second is long against a link reset's packets in flight, short against patience.
const WINDOW: Duration = Duration::from_secs(1);
/// Packets within the window that the interface counted and the program did not see: fewer could have
/// been counted before the program's counters were read.
const SUSPICIOUS: u64 = 16;
/// How long nothing comes in zero-copy mode until that is a sign. Whoever talks says something in that time, if only to
/// repeat it; where really nobody does, a reset of the link disturbs nobody.
const SILENCE: Duration = Duration::from_secs(3);
/// How often to try: what three attachments do not mend, more would not, and each resets the link.
const MOST: u64 = 3;

/// What has been counted so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counted {
    /// What the interface has.
    pub(super) interface: LinkCounts,
    /// Packets the XDP program has decided on.
    pub(super) program: u64,
}

/// Watches the time after each start of a data plane, and after each time without a carrier.
#[derive(Debug, Default)]
pub(super) struct EmptyRings {
    /// When it was last looked.
    looked: Duration,
    /// How often the carrier had come or gone then.
    carrier_changes: u32,
    /// What had been counted when the watch began, while there is one.
    window: Option<Counted>,
    attempts: u64,
    /// Since when nothing has come, where that is a sign.
    silent: Option<Duration>,
    /// What the program had decided on when the data plane was last started.
    seen: u64,
}

impl EmptyRings {
    /// A data plane was started under an attached program, with rings in zero-copy mode or not.
    pub(super) fn restarted(&mut self, now: Duration, counted: Counted, zero_copy: bool) {
        let was_busy = counted.program.saturating_sub(self.seen) >= SUSPICIOUS;
        *self = Self {
            looked: now,
            carrier_changes: counted.interface.carrier_changes,
            window: Some(counted),
            attempts: 0,
            silent: (zero_copy && was_busy).then_some(now),
            seen: counted.program,
        };
    }

    /// Whether it is time to look, so that `counted` is worth its system calls.
    pub(super) fn due(&self, now: Duration) -> bool {
        now.saturating_sub(self.looked) >= WINDOW
    }

    /// Whether the program is to be attached anew. Looks on until packets have been seen or there is no
    /// use in trying.
    pub(super) fn check(&mut self, now: Duration, counted: Counted) -> bool {
        self.looked = now;
        let carrier_changes = counted.interface.carrier_changes;
        let was_away = carrier_changes != self.carrier_changes;
        self.carrier_changes = carrier_changes;
        // What was seen before that proves nothing. Attaching resets many a link too: where that has not helped, it is no
        // reason to begin again.
        if was_away && self.attempts < MOST {
            self.window = Some(counted);
            self.silent = self.silent.map(|_| now);
            return false;
        }
        let Some(before) = self.window else { return false };
        if counted.program > before.program {
            (self.window, self.attempts, self.silent) = (None, 0, None);
            return false;
        }
        let received = counted.interface.received.saturating_sub(before.interface.received);
        let is_silent = |since: &mut Duration| now.saturating_sub(*since) >= SILENCE;
        // Once: what is silent after that had nobody to hear.
        let unseen = self.silent.take_if(is_silent).is_some() || received >= SUSPICIOUS;
        if unseen {
            self.attempts += 1;
            self.window = (self.attempts < MOST).then_some(counted);
        }
        unseen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn counted(received: u64, program: u64) -> Counted {
        after(0, received, program)
    }

    /// After the carrier has come or gone so often.
    const fn after(carrier_changes: u32, received: u64, program: u64) -> Counted {
        Counted { interface: LinkCounts { received, carrier_changes }, program }
    }

    fn watching() -> EmptyRings {
        let mut rings = EmptyRings::default();
        rings.restarted(Duration::ZERO, counted(100, 50), false);
        rings
    }

    /// In zero-copy mode, the data plane having been started for the second time.
    fn listening(seen_before: u64) -> EmptyRings {
        let mut rings = EmptyRings::default();
        rings.restarted(Duration::ZERO, counted(0, 50), true);
        rings.restarted(Duration::ZERO, counted(0, 50 + seen_before), true);
        rings
    }

    #[test]
    fn packets_the_program_never_saw_ask_for_a_new_attachment() {
        let mut rings = watching();
        assert!(!rings.due(WINDOW / 2));
        assert!(rings.due(WINDOW));
        assert!(rings.check(WINDOW, counted(200, 50)));
    }

    #[test]
    fn a_program_that_sees_packets_is_left_alone() {
        let mut rings = watching();
        assert!(!rings.check(WINDOW, counted(200, 51)));
        assert!(!rings.due(WINDOW), "once a window");
        assert!(!rings.check(WINDOW * 9, counted(900, 51)));
        assert!(!rings.check(WINDOW * 10, counted(999, 51)), "a worker may just be slow");
    }

    #[test]
    fn a_program_that_was_forgotten_with_the_carrier_is_attached_anew() {
        let mut rings = watching();
        assert!(!rings.check(WINDOW, counted(200, 51)));
        assert!(!rings.check(WINDOW * 2, after(2, 300, 51)), "nothing has come since that");
        assert!(rings.check(WINDOW * 3, after(2, 400, 51)));
        // The new attachment has reset the link, and works.
        assert!(!rings.check(WINDOW * 4, after(4, 500, 52)));
        assert!(!rings.check(WINDOW * 5, after(4, 600, 53)));
        // Next time it is again worth three attempts.
        assert!(!rings.check(WINDOW * 6, after(6, 700, 53)));
        let asked = (7..19).filter(|&n| rings.check(WINDOW * n, after(6, u64::from(n) * 100, 53)));
        assert_eq!(asked.count(), MOST as usize);
    }

    #[test]
    fn a_carrier_that_was_away_does_no_harm_to_a_program_that_sees_packets() {
        let mut rings = watching();
        assert!(!rings.check(WINDOW, counted(200, 51)));
        assert!(!rings.check(WINDOW * 2, after(2, 200, 51)));
        assert!(!rings.check(WINDOW * 3, after(2, 400, 52)));
        assert!(!rings.check(WINDOW * 4, after(2, 600, 52)));
    }

    #[test]
    fn a_silent_wire_proves_nothing_and_is_watched_on() {
        let mut rings = watching();
        assert!(!rings.check(WINDOW, counted(100 + SUSPICIOUS - 1, 50)));
        assert!(rings.due(WINDOW * 2));
        assert!(rings.check(WINDOW * 2, counted(100 + SUSPICIOUS, 50)));
    }

    #[test]
    fn silence_where_packets_came_before_asks_for_one_new_attachment_in_zero_copy_mode() {
        let asked = |mut rings: EmptyRings| {
            (1..20).filter(move |&n| rings.check(WINDOW * n, counted(0, 50 + SUSPICIOUS))).collect()
        };
        let at: Vec<u32> = asked(listening(SUSPICIOUS));
        assert_eq!(at, [SILENCE.as_secs() as u32]);
        let never: Vec<u32> = asked(listening(SUSPICIOUS - 1));
        assert_eq!(never, [0; 0], "the wire was silent before");
        let mut copying = EmptyRings::default();
        copying.restarted(Duration::ZERO, counted(0, 50 + SUSPICIOUS), false);
        assert_eq!(asked(copying), [0_u32; 0], "the driver has its own rings");
    }

    #[test]
    fn silence_while_the_link_comes_back_is_none() {
        let mut rings = listening(SUSPICIOUS);
        assert!(!rings.check(WINDOW * 2, after(1, 0, 50 + SUSPICIOUS)));
        assert!(!rings.check(WINDOW * 4, after(2, 0, 50 + SUSPICIOUS)));
        assert!(!rings.check(WINDOW * 6, after(2, 0, 50 + SUSPICIOUS)));
        assert!(rings.check(WINDOW * 7, after(2, 0, 50 + SUSPICIOUS)));
    }

    #[test]
    fn what_was_seen_before_the_carrier_went_is_no_proof() {
        let mut rings = watching();
        assert!(!rings.check(WINDOW, after(2, 900, 900)));
        assert!(rings.check(WINDOW * 2, after(2, 1000, 900)));
    }

    #[test]
    fn three_attempts_are_enough_even_where_each_resets_the_link() {
        let (mut rings, mut attempts) = (watching(), 0);
        for n in 1..20 {
            let counted = after(attempts * 2, u64::from(n) * 100 + 100, 50);
            attempts += u32::from(rings.check(WINDOW * n, counted));
        }
        assert_eq!(u64::from(attempts), MOST);
    }
}
