//! Where every frame is.

use std::fmt;

use crate::port::Rings;

/// The frames of one worker, by who has them. They add up, or there is a bug.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// All frames of the UMEM.
    pub total: u32,
    /// In the pool.
    pub free: u32,
    /// In trains that are being coalesced.
    pub held: u32,
    /// In the worker's backlog.
    pub backlog: u32,
    /// Handed to other workers.
    pub handed: u32,
    /// The kernel's.
    pub rings: Rings,
    /// Dropped instead of given back.
    pub lost: u32,
}

impl Ledger {
    /// How many frames are accounted for.
    #[must_use]
    pub const fn accounted(&self) -> u32 {
        self.free
            + self.held
            + self.backlog
            + self.handed
            + self.rings.inbound()
            + self.rings.outbound()
    }

    /// Every number of it, always in the same order.
    pub(super) fn gauges(&mut self) -> [&mut u32; 10] {
        let Self { total, free, held, backlog, handed, rings, lost } = self;
        let Rings { fill, receive, transmit, completion } = rings;
        [total, free, held, backlog, handed, fill, receive, transmit, completion, lost]
    }

    /// Whether every frame is accounted for, once.
    #[must_use]
    pub const fn is_balanced(&self) -> bool {
        self.lost == 0 && self.accounted() == self.total
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { total, free, held, backlog, handed, rings, lost } = self;
        let Rings { fill, receive, transmit, completion } = rings;
        write!(
            f,
            "{free} free + {held} held + {backlog} in the backlog + {handed} handed on + {fill} in fill + {receive} in rx + \
             {transmit} in tx + {completion} in completion = {} of {total}, {lost} lost",
            self.accounted()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_a_doubled_and_a_lost_frame_show() {
        let rings = Rings { fill: 4, receive: 3, transmit: 2, completion: 1 };
        let good = Ledger { total: 16, free: 3, held: 2, backlog: 1, handed: 0, rings, lost: 0 };
        assert!(good.is_balanced(), "{good}");
        assert!(!Ledger { free: 2, ..good }.is_balanced());
        assert!(!Ledger { held: 3, ..good }.is_balanced());
        assert!(!Ledger { handed: 1, ..good }.is_balanced());
        assert!(!Ledger { lost: 1, ..good }.is_balanced());
    }
}
