//! What is printed at the end.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::Result;
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use sluice_lab::{Carried, Crossed, Iperf, Sluice, Stats};

/// Which way the data went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Way {
    /// To Sluice's host.
    In,
    /// From it.
    Out,
    /// Through it, from side A.
    AToB,
    /// Through it, from side B.
    BToA,
}

/// One measurement and what Sluice counted meanwhile.
#[derive(Debug, Serialize)]
pub(super) struct Leg {
    family: &'static str,
    way: Way,
    gbit_per_second: f64,
    retransmits: u64,
    #[serde(flatten)]
    counted: Counted,
    /// Packets in a super-packet, or in a train, on average, in the direction of the data.
    segments: f64,
    /// Share of a core that each worker used, in per cent.
    worker_cpu: Vec<f64>,
}

/// Packets that passed Sluice, data and acknowledgements.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Counted {
    /// In host mode.
    Host {
        /// On the wire: what came in, and what went out.
        received: u64,
        sent: u64,
        /// Super-packets, or packets that stayed alone, between Sluice and the host.
        to_host: u64,
        from_host: u64,
    },
    /// In wire mode.
    Wire { a: Port, b: Port },
}

/// What came in by a port and what left through it.
#[derive(Debug, Serialize)]
struct Port {
    received: u64,
    /// Bytes of a packet on average, link header included.
    received_mean: f64,
    sent: u64,
    sent_mean: f64,
}

/// Everything.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    legs: Vec<Leg>,
    /// Why trains were released, the most frequent reason first.
    releases: Vec<(String, u64)>,
    /// Packets dropped by Sluice, by reason.
    drops: BTreeMap<String, u64>,
}

/// As many reasons as explain nearly everything without hiding the rest of the screen.
const TOP: usize = 6;

impl Way {
    fn label(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
            Self::AToB => "a to b",
            Self::BToA => "b to a",
        }
    }
}

impl Leg {
    pub(super) fn title(address: IpAddr, way: Way) -> String {
        let way = match way {
            Way::In => "to sluice's host",
            Way::Out => "from sluice's host",
            Way::AToB | Way::BToA => way.label(),
        };
        format!("{} {way}", family(address))
    }

    /// Measures, with Sluice's counters and CPU time taken before and after.
    pub(super) fn measure(
        sluice: &Sluice,
        address: IpAddr,
        way: Way,
        measure: impl FnOnce() -> Result<Iperf>,
    ) -> Result<Self> {
        let (before, start) = (sluice.stats()?, Instant::now());
        let measured = measure()?;
        let (after, elapsed) = (sluice.stats()?, start.elapsed());
        let (counted, segments) = counted(way, &before, &after);
        Ok(Self {
            family: family(address),
            way,
            gbit_per_second: measured.received / 1e9,
            retransmits: measured.retransmits,
            counted,
            segments,
            worker_cpu: shares(&before.cpu(), &after.cpu(), elapsed),
        })
    }
}

/// What passed in between, and how many packets were one on average.
fn counted(way: Way, before: &Stats, after: &Stats) -> (Counted, f64) {
    let carried = after.carried() - before.carried();
    let ([a, b], [a_before, b_before]) = (after.crossed(), before.crossed());
    let (a, b) = (a - a_before, b - b_before);
    let segments = match way {
        Way::In => carried.coalesced(),
        Way::Out => carried.segmented(),
        Way::AToB => a.coalesced(),
        Way::BToA => b.coalesced(),
    };
    let counted = match way {
        Way::In | Way::Out => {
            let Carried { received, sent, to_host, from_host, .. } = carried;
            Counted::Host { received, sent, to_host, from_host }
        }
        Way::AToB | Way::BToA => Counted::Wire { a: a.into(), b: b.into() },
    };
    (counted, segments)
}

impl From<Crossed> for Port {
    fn from(crossed: Crossed) -> Self {
        let mean = |bytes: u64, packets: u64| bytes as f64 / packets.max(1) as f64;
        let Crossed { received_packets, received_bytes, sent_packets, sent_bytes, .. } = crossed;
        Self {
            received: received_packets,
            received_mean: mean(received_bytes, received_packets),
            sent: sent_packets,
            sent_mean: mean(sent_bytes, sent_packets),
        }
    }
}

impl Counted {
    /// What the columns are called.
    fn columns(&self) -> Vec<&'static str> {
        match self {
            Self::Host { .. } => vec!["wire in", "to host", "from host", "wire out"],
            Self::Wire { .. } => {
                vec!["A in", "bytes", "A out", "bytes", "B in", "bytes", "B out", "bytes"]
            }
        }
    }

    fn cells(&self) -> Vec<String> {
        match self {
            Self::Host { received, sent, to_host, from_host } => {
                [received, to_host, from_host, sent].map(ToString::to_string).into()
            }
            Self::Wire { a, b } => [a, b].into_iter().flat_map(Port::cells).collect(),
        }
    }
}

impl Port {
    fn cells(&self) -> [String; 4] {
        let Self { received, received_mean, sent, sent_mean } = self;
        [
            received.to_string(),
            format!("{received_mean:.0}"),
            sent.to_string(),
            format!("{sent_mean:.0}"),
        ]
    }
}

fn family(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "IPv4" } else { "IPv6" }
}

/// Which part of `elapsed` each worker was running in between, in per cent.
fn shares(before: &[Duration], after: &[Duration], elapsed: Duration) -> Vec<f64> {
    let share = |ran: Duration| 100.0 * ran.as_secs_f64() / elapsed.as_secs_f64();
    before.iter().zip(after).map(|(before, after)| share(after.saturating_sub(*before))).collect()
}

impl Report {
    pub(super) fn new(legs: Vec<Leg>, stats: &Stats) -> Self {
        let mut releases: Vec<_> = stats.releases().into_iter().filter(|(_, n)| *n > 0).collect();
        releases.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let mut drops = stats.drops();
        drops.retain(|_, count| *count > 0);
        Self { legs, releases, drops }
    }

    pub(super) fn print_json(&self) -> Result<()> {
        println!("{}", serde_json::to_string_pretty(self)?);
        Ok(())
    }

    pub(super) fn print_tables(&self) -> Result<()> {
        if let Some(first) = self.legs.first() {
            println!("{}\n", self.traffic(first.counted.columns()));
        }
        println!("{}\n", self.released());
        println!("{}", self.dropped());
        Ok(())
    }

    fn traffic(&self, counted: Vec<&'static str>) -> Table {
        let columns = [vec!["", "Gbit/s", "resent"], counted, vec!["segments", "CPU %"]].concat();
        let mut table = table(columns);
        for leg in &self.legs {
            let cpu: Vec<_> = leg.worker_cpu.iter().map(|share| format!("{share:.0}")).collect();
            let mut row = vec![
                format!("{} {}", leg.family, leg.way.label()),
                format!("{:.2}", leg.gbit_per_second),
                leg.retransmits.to_string(),
            ];
            row.extend(leg.counted.cells());
            row.extend([format!("{:.1}", leg.segments), cpu.join(" + ")]);
            table.add_row(row);
        }
        align(table)
    }

    fn released(&self) -> Table {
        let mut table = table(["released because of", "trains", "%"]);
        let all: u64 = self.releases.iter().map(|(_, count)| count).sum();
        for (reason, count) in self.releases.iter().take(TOP) {
            let share = 100.0 * *count as f64 / all as f64;
            table.add_row([reason.clone(), count.to_string(), format!("{share:.1}")]);
        }
        align(table)
    }

    fn dropped(&self) -> Table {
        let mut table = table(["dropped because of", "packets"]);
        for (reason, count) in &self.drops {
            table.add_row([reason.clone(), count.to_string()]);
        }
        if self.drops.is_empty() {
            table.add_row(["nothing was dropped", "0"]);
        }
        align(table)
    }
}

fn table(header: impl IntoIterator<Item = &'static str>) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_FULL_CONDENSED)
        .set_header(header.into_iter().collect::<Vec<_>>());
    table
}

/// Numbers to the right; the first column names the row.
fn align(mut table: Table) -> Table {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(received: u64, bytes: u64, trains: u64) -> Stats {
        let counters = serde_json::json!({
            "received_packets": received, "received_bytes": bytes, "trains": trains,
        });
        let side = serde_json::json!({ "side": "b", "counters": counters });
        Stats(serde_json::json!({ "workers": [{ "sides": [side] }] }))
    }

    #[test]
    fn a_wire_tells_of_both_ports() {
        let (counted, segments) = counted(Way::BToA, &stats(10, 900, 10), &stats(50, 60_900, 14));
        assert_eq!(segments, 10.0);
        assert_eq!(counted.cells(), ["0", "0", "0", "0", "40", "1500", "0", "0"]);
        assert_eq!(counted.columns().len(), counted.cells().len());
    }

    #[test]
    fn a_host_has_a_cell_for_each_column() {
        let nothing = Stats(serde_json::Value::Null);
        let (counted, _) = counted(Way::In, &nothing, &nothing);
        assert_eq!(counted.columns().len(), counted.cells().len());
    }
}
