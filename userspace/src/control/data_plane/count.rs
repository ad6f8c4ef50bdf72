//! What a worker has counted, as the supervisor hears it.

use sluice_common::Side;
use sluice_common::reason::{DropReason, FlushReason};

use crate::observe::report::{Counters, LatencyReport, LedgerReport, SideReport, WorkerReport};
use crate::observe::{Counts, Histogram, Ledger, SideCounts, Times};
use crate::port::Statistics;

/// A worker's counts under their labels.
pub(super) fn worker_report(
    queue: u32,
    core: Option<usize>,
    counts: &Counts,
    times: &Times,
) -> WorkerReport {
    let counters = counts.plain().filter(|(label, _)| *label != "cpu_ns");
    WorkerReport {
        queue,
        helper: false,
        core,
        cpu_ms: counts.cpu_ns / 1_000_000,
        counters: labelled(counters),
        flushes: labelled(FlushReason::ALL.iter().map(|&r| (r.label(), counts.released(r)))),
        drops: labelled(DropReason::ALL.iter().map(|&r| (r.label(), counts.dropped(r)))),
        socket: labelled(statistics(counts.statistics)),
        sides: sides(counts),
        ledger: ledger(&counts.ledger),
        latency: percentiles(&times.stay),
        held: percentiles(&times.held),
    }
}

/// What was counted for each port; nothing in a mode that has one.
fn sides(counts: &Counts) -> Vec<SideReport> {
    let used = counts.sides.iter().any(|side| side.plain().any(|(_, count)| count > 0));
    let sides = Side::BOTH.iter().filter(|_| used);
    sides.map(|&side| side_report(side, &counts.sides[side.index()])).collect()
}

fn side_report(side: Side, counts: &SideCounts) -> SideReport {
    let released = FlushReason::ALL.iter().map(|&r| (r.label(), counts.released[r.index()]));
    let dropped = DropReason::ALL.iter().map(|&r| (r.label(), counts.dropped[r.index()]));
    SideReport {
        side: side.label().to_owned(),
        counters: labelled(counts.plain()),
        flushes: labelled(released),
        drops: labelled(dropped),
        socket: labelled(statistics(counts.statistics)),
    }
}

fn labelled(counts: impl Iterator<Item = (&'static str, u64)>) -> Counters {
    counts.map(|(label, count)| (label.to_owned(), count)).collect()
}

fn statistics(statistics: Statistics) -> impl Iterator<Item = (&'static str, u64)> {
    let Statistics { rx_dropped, rx_invalid, rx_ring_full, rx_fill_empty, .. } = statistics;
    let Statistics { tx_invalid, tx_ring_empty, .. } = statistics;
    [
        ("rx_dropped", rx_dropped),
        ("rx_invalid", rx_invalid),
        ("rx_ring_full", rx_ring_full),
        ("rx_fill_empty", rx_fill_empty),
        ("tx_invalid", tx_invalid),
        ("tx_ring_empty", tx_ring_empty),
    ]
    .into_iter()
}

fn ledger(ledger: &Ledger) -> LedgerReport {
    LedgerReport {
        total: ledger.total,
        free: ledger.free,
        held: ledger.held,
        backlog: ledger.backlog,
        handed: ledger.handed,
        inbound: ledger.rings.inbound(),
        outbound: ledger.rings.outbound(),
        balanced: ledger.is_balanced(),
    }
}

fn percentiles(times: &Histogram) -> LatencyReport {
    LatencyReport {
        count: times.len(),
        p50_ns: times.value_at_quantile(0.5),
        p90_ns: times.value_at_quantile(0.9),
        p99_ns: times.value_at_quantile(0.99),
        p999_ns: times.value_at_quantile(0.999),
        max_ns: times.max(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_count_has_its_label_and_every_reason_is_there() {
        let mut counts = Counts { cpu_ns: 7_999_999, from_wire_packets: 5, ..Counts::default() };
        counts.released[FlushReason::Push.index()] = 2;
        counts.dropped_outbound[DropReason::NoRoute.index()] = 3;
        let mut times = Times::default();
        times.stay.saturating_record(1_000);
        times.held.saturating_record_n(7_000, 2);
        let report = worker_report(1, Some(4), &counts, &times);
        assert_eq!((report.queue, report.core, report.cpu_ms), (1, Some(4), 7));
        assert_eq!(report.counters["from_wire_packets"], 5);
        assert_eq!(report.flushes["push"], 2);
        assert_eq!(report.drops["no_route"], 3);
        assert_eq!(report.flushes.len(), FlushReason::COUNT);
        assert_eq!(report.drops.len(), DropReason::COUNT);
        assert_eq!((report.latency.count, report.held.count), (1, 2));
        assert!(report.ledger.balanced, "0 of 0 frames");
    }
}
