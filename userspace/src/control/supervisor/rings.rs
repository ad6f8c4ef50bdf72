//! Finding out that a driver never looks at the rings of a restarted data plane.
//!
//! Seen with igb in zero-copy mode on Linux 6.18: sockets that are bound while the program is attached
//! receive nothing, for ever and without an error. The interface counts packets, the program sees none.
//! Attaching the program anew mends it.

use std::time::Duration;

/// How long to look. A second is long against a link reset's packets in flight, short against patience.
const WINDOW: Duration = Duration::from_secs(1);
/// Packets within the window that the interface counted and the program did not see: fewer could have
/// been counted before the program's counters were read.
const SUSPICIOUS: u64 = 16;
/// How often to try: what three attachments do not mend, more would not, and each resets the link.
const MOST: u64 = 3;

/// What has been counted so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counted {
    /// Packets the interface has received.
    pub(super) interface: u64,
    /// Packets the XDP program has decided on.
    pub(super) program: u64,
}

/// Watches the time after each start of a data plane.
#[derive(Debug, Default)]
pub(super) struct EmptyRings {
    window: Option<(Duration, Counted)>,
    attempts: u64,
}

impl EmptyRings {
    /// A data plane was started under an attached program.
    pub(super) fn restarted(&mut self, now: Duration, counted: Counted) {
        self.window = Some((now, counted));
        self.attempts = 0;
    }

    /// Whether there is something to watch, so that `counted` is worth its system calls.
    pub(super) fn due(&self, now: Duration) -> bool {
        self.window.is_some_and(|(since, _)| now.saturating_sub(since) >= WINDOW)
    }

    /// Whether the program is to be attached anew. Looks on until packets have been seen or there is no
    /// use in trying.
    pub(super) fn check(&mut self, now: Duration, counted: Counted) -> bool {
        let Some((_, before)) = self.window else { return false };
        if counted.program > before.program {
            self.window = None;
            return false;
        }
        self.window = Some((now, before));
        let unseen = counted.interface.saturating_sub(before.interface) >= SUSPICIOUS;
        if unseen {
            self.attempts += 1;
            self.window = (self.attempts < MOST).then_some((now, counted));
        }
        unseen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn counted(interface: u64, program: u64) -> Counted {
        Counted { interface, program }
    }

    fn watching() -> EmptyRings {
        let mut rings = EmptyRings::default();
        rings.restarted(Duration::ZERO, counted(100, 50));
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
    fn a_program_that_sees_packets_is_left_alone_for_good() {
        let mut rings = watching();
        assert!(!rings.check(WINDOW, counted(200, 51)));
        assert!(!rings.due(WINDOW * 9));
        assert!(!rings.check(WINDOW * 9, counted(900, 51)));
    }

    #[test]
    fn a_silent_wire_proves_nothing_and_is_watched_on() {
        let mut rings = watching();
        assert!(!rings.check(WINDOW, counted(100 + SUSPICIOUS - 1, 50)));
        assert!(rings.due(WINDOW * 2));
        assert!(rings.check(WINDOW * 2, counted(100 + SUSPICIOUS, 50)));
    }

    #[test]
    fn three_attempts_are_enough() {
        let mut rings = watching();
        let asked = (1..9).filter(|&n| rings.check(WINDOW * n, counted(100 * n as u64 + 100, 50)));
        assert_eq!(asked.count(), MOST as usize);
    }
}
