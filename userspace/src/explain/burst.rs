//! Which packets a worker would find together.

/// What belongs to one burst.
///
/// A capture says when each packet came, not when a worker looked. Packets that came closer after one
/// another than [`gap`](Self::gap) are taken for found in one turn, [`most`](Self::most) of them at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bursts {
    /// Nanoseconds. A packet that comes later than this after the one before it begins a burst.
    pub gap: u64,
    /// Most packets of a burst.
    pub most: usize,
}

impl Default for Bursts {
    /// 2 µs: more than the coarse clock of a pcap file blurs (1 µs) and about what a turn of a worker
    /// takes; less, and a NAPI burst falls apart; more, and a worker that is faster than the wire seems
    /// to find bursts where it finds single packets. 64: a worker takes no more in one turn.
    fn default() -> Self {
        Self { gap: 2_000, most: 64 }
    }
}

/// The burst that is going on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Burst {
    /// When its first packet came: the time the engine is told for all of them.
    pub(super) start: u64,
    /// When its last one came.
    pub(super) last: u64,
    packets: usize,
}

impl Burst {
    /// A burst that begins with a packet at `time`.
    pub(super) const fn new(time: u64) -> Self {
        Self { start: time, last: time, packets: 1 }
    }

    /// Whether a packet at `time` comes too late for it.
    pub(super) const fn is_over(&self, time: u64, bursts: &Bursts) -> bool {
        time.saturating_sub(self.last) > bursts.gap
    }

    /// Takes a packet at `time`, if there is room.
    pub(super) const fn take(&mut self, time: u64, bursts: &Bursts) -> bool {
        if self.is_over(time, bursts) || self.packets >= bursts.most {
            return false;
        }
        self.packets += 1;
        self.last = time;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_close_together_are_a_burst_of_bounded_size() {
        let bursts = Bursts { gap: 100, most: 3 };
        let mut burst = Burst::new(1_000);
        assert!(burst.take(1_100, &bursts) && burst.take(1_200, &bursts));
        assert!(!burst.take(1_200, &bursts), "three are enough");
        assert!(!Burst::new(1_000).take(1_101, &bursts), "too late");
        assert_eq!((burst.start, burst.last), (1_000, 1_200));
    }
}
