//! What generator and sink say at the end: one JSON document, or tables for people.

use std::fmt;

use comfy_table::{CellAlignment, Table, presets};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::window::Counts;

/// Flows that a table shows. All of them are in the JSON document.
const SHOWN: usize = 16;

/// What the generator has done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GenReport {
    /// Time from the first packet to the last.
    pub seconds: f64,
    /// Packets given to the kernel.
    pub packets: u64,
    /// Their bytes, link headers included.
    pub bytes: u64,
    /// Packets in a second.
    pub packets_per_second: f64,
    /// Bits in a second.
    pub bits_per_second: f64,
    /// Packets the kernel has not said it has sent. On a healthy interface there are none.
    pub unsent: u64,
}

impl GenReport {
    /// Of so many packets and bytes in so many seconds.
    #[must_use]
    pub fn new(packets: u64, bytes: u64, seconds: f64, unsent: u64) -> Self {
        let per_second = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        Self {
            seconds,
            packets,
            bytes,
            packets_per_second: per_second(packets),
            bits_per_second: per_second(bytes * 8),
            unsent,
        }
    }
}

/// What the sink has counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SinkReport {
    /// Time from the first packet to the last.
    pub seconds: f64,
    /// Packets that came.
    pub packets: u64,
    /// Their bytes, link headers included.
    pub bytes: u64,
    /// Packets in a second.
    pub packets_per_second: f64,
    /// Bits in a second.
    pub bits_per_second: f64,
    /// Packets the kernel dropped because the sink was too slow. They count as lost, too.
    pub missed: u64,
    /// Packets without a stamp: too small for one, or not from the generator.
    pub unstamped: u64,
    /// Flows that were seen.
    pub flows: usize,
    /// Numbers that did not come, between the lowest and the highest of each flow.
    pub lost: u64,
    /// Packets that came after one with a higher number.
    pub reordered: u64,
    /// Packets that came again.
    pub duplicates: u64,
    /// Packets so old that there is no telling.
    pub too_old: u64,
    /// Time from the generator to the sink; none without a packet that has room for a time.
    pub latency: Option<Latency>,
    /// The same for each flow.
    pub per_flow: Vec<FlowReport>,
}

/// What became of one flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FlowReport {
    /// Its number.
    pub flow: u32,
    /// Different packets that came.
    pub packets: u64,
    /// Numbers that did not.
    pub lost: u64,
    /// Packets that came after one with a higher number.
    pub reordered: u64,
    /// Packets that came again.
    pub duplicates: u64,
    /// Packets so old that there is no telling.
    pub too_old: u64,
}

impl FlowReport {
    /// Of these counts.
    #[must_use]
    pub const fn of(flow: u32, counts: &Counts) -> Self {
        let Counts { came, reordered, duplicates, too_old, .. } = *counts;
        Self { flow, packets: came, lost: counts.lost(), reordered, duplicates, too_old }
    }
}

/// A distribution of times, in nanoseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// How many were measured.
    pub count: u64,
    /// The shortest.
    pub min_ns: u64,
    /// The mean.
    pub mean_ns: f64,
    /// Half are below.
    pub p50_ns: u64,
    /// 90 % are below.
    pub p90_ns: u64,
    /// 99 % are below.
    pub p99_ns: u64,
    /// 99.9 % are below.
    pub p999_ns: u64,
    /// The longest.
    pub max_ns: u64,
}

/// For times up to ten seconds: what takes longer is recorded as that.
pub(crate) fn times() -> Histogram<u64> {
    const LONGEST: u64 = 10_000_000_000;
    Histogram::new_with_max(LONGEST, 3).expect("within what it can do")
}

impl Latency {
    /// Of these times; none where there are none.
    #[must_use]
    pub fn of(times: &Histogram<u64>) -> Option<Self> {
        let at = |quantile| times.value_at_quantile(quantile);
        (!times.is_empty()).then(|| Self {
            count: times.len(),
            min_ns: times.min(),
            mean_ns: times.mean(),
            p50_ns: at(0.5),
            p90_ns: at(0.9),
            p99_ns: at(0.99),
            p999_ns: at(0.999),
            max_ns: times.max(),
        })
    }
}

/// How long answers have taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PingReport {
    /// Requests.
    pub sent: u64,
    /// Those that were not answered in time.
    pub lost: u64,
    /// Bytes of payload.
    pub size: usize,
    /// Time from a request to its answer; none without an answer.
    pub latency: Option<Latency>,
    /// The share that took no longer, and the time in nanoseconds.
    pub distribution: Vec<(f64, u64)>,
}

/// What a scenario of the bare path has measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RawReport {
    /// Packets in a second.
    pub value: f64,
    /// `packets/s`.
    pub unit: String,
    /// `receive`, `transmit` or `reflect`.
    pub scenario: String,
    /// `sluice` or `minimal`.
    pub with: String,
    /// Bytes of a packet, link header included.
    pub size: usize,
    /// The interface.
    pub iface: String,
    /// Where the XDP program ran; none where nothing was received.
    pub xdp: Option<String>,
    /// Whether the NIC reads and writes the frames itself.
    pub zero_copy: bool,
    /// How long it was measured.
    pub seconds: f64,
    /// Packets in that time.
    pub packets: u64,
    /// Share of the loop's turns that found nothing to do. Near 0 the loop is what bounds the rate; else
    /// something else does.
    pub idle: f64,
    /// The core of the loop and that of the feeder.
    pub cores: Vec<usize>,
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(header);
    table
}

/// Numbers to the right.
fn right(mut table: Table) -> Table {
    for column in table.column_iter_mut() {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

impl fmt::Display for GenReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = table(&["packets", "unsent", "seconds", "Mpackets/s", "Gbit/s"]);
        all.add_row([
            self.packets.to_string(),
            self.unsent.to_string(),
            format!("{:.3}", self.seconds),
            format!("{:.3}", self.packets_per_second / 1e6),
            format!("{:.3}", self.bits_per_second / 1e9),
        ]);
        write!(f, "{}", right(all))
    }
}

impl fmt::Display for SinkReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rates =
            table(&["packets", "seconds", "Mpackets/s", "Gbit/s", "missed", "unstamped"]);
        rates.add_row([
            self.packets.to_string(),
            format!("{:.3}", self.seconds),
            format!("{:.3}", self.packets_per_second / 1e6),
            format!("{:.3}", self.bits_per_second / 1e9),
            self.missed.to_string(),
            self.unstamped.to_string(),
        ]);
        writeln!(f, "{}\n", right(rates))?;
        let names = ["flow", "packets", "lost", "reordered", "duplicates", "too old"];
        let mut flows = table(&names);
        for flow in self.per_flow.iter().take(SHOWN) {
            let counts = [flow.packets, flow.lost, flow.reordered, flow.duplicates, flow.too_old];
            flows.add_row([flow.flow.into()].into_iter().chain(counts).map(|n: u64| n.to_string()));
        }
        let came = self.per_flow.iter().map(|flow| flow.packets).sum();
        let all = [came, self.lost, self.reordered, self.duplicates, self.too_old];
        let name = format!("all {}", self.flows);
        flows.add_row([name].into_iter().chain(all.map(|n: u64| n.to_string())));
        write!(f, "{}", right(flows))?;
        self.latency.as_ref().map_or(Ok(()), |latency| write!(f, "\n\n{latency}"))
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all =
            table(&["latency, µs", "min", "mean", "50 %", "90 %", "99 %", "99.9 %", "max"]);
        let times = [self.p50_ns, self.p90_ns, self.p99_ns, self.p999_ns, self.max_ns];
        let times = [self.min_ns as f64, self.mean_ns].into_iter().chain(times.map(|ns| ns as f64));
        let cells = times.map(|ns| format!("{:.1}", ns / 1e3));
        all.add_row([String::new()].into_iter().chain(cells));
        write!(f, "{}", right(all))
    }
}

impl fmt::Display for PingReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = table(&["requests", "lost", "bytes"]);
        all.add_row([self.sent, self.lost, self.size as u64].map(|number| number.to_string()));
        write!(f, "{}", right(all))?;
        self.latency.as_ref().map_or(Ok(()), |latency| write!(f, "\n\n{latency}"))
    }
}

impl fmt::Display for RawReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all = table(&["scenario", "with", "bytes", "Mpackets/s", "idle %"]);
        all.add_row([
            self.scenario.clone(),
            self.with.clone(),
            self.size.to_string(),
            format!("{:.3}", self.value / 1e6),
            format!("{:.0}", self.idle * 100.0),
        ]);
        write!(f, "{}", right(all))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_without_time_is_none() {
        assert_eq!(GenReport::new(1, 64, 0.0, 0).packets_per_second, 0.0);
        assert_eq!(GenReport::new(10, 640, 2.0, 0).bits_per_second, 2560.0);
    }

    #[test]
    fn the_tables_say_what_is_counted() {
        let flow = FlowReport::of(3, &Counts { expected: 107, came: 100, ..Counts::default() });
        let report =
            SinkReport { per_flow: vec![flow], ..crate::tally::Tally::default().report(9) };
        let text = SinkReport { flows: 1, lost: 7, ..report }.to_string();
        for word in ["missed", "9", "flow", "3", "100", "7", "all 1"] {
            assert!(text.contains(word), "{word} is missing: {text}");
        }
    }
}
