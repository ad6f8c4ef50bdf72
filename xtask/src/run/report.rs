//! What is printed at the end.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::Result;
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use sluice_lab::{Carried, Sluice, Stats};

use super::iperf::Measured;

/// Which way the data went, seen from Sluice's host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Way {
    In,
    Out,
}

/// One measurement and what Sluice counted meanwhile.
#[derive(Debug, Serialize)]
pub(super) struct Leg {
    family: &'static str,
    way: Way,
    gbit_per_second: f64,
    retransmits: u64,
    /// Packets on the wire, data and acknowledgements: what came in, and what went out.
    received: u64,
    sent: u64,
    /// Super-packets, or packets that stayed alone, between Sluice and the host.
    to_host: u64,
    from_host: u64,
    /// Packets in a super-packet on average, in the direction of the data.
    segments: f64,
    /// Share of a core that each worker used, in per cent.
    worker_cpu: Vec<f64>,
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

impl Leg {
    pub(super) fn title(address: IpAddr, way: Way) -> String {
        let way = if way == Way::In { "to sluice's host" } else { "from sluice's host" };
        format!("{} {way}", family(address))
    }

    /// Measures, with Sluice's counters and CPU time taken before and after.
    pub(super) fn measure(
        sluice: &Sluice,
        address: IpAddr,
        way: Way,
        measure: impl FnOnce() -> Result<Measured>,
    ) -> Result<Self> {
        let (before, start) = (sluice.stats()?, Instant::now());
        let measured = measure()?;
        let (after, elapsed) = (sluice.stats()?, start.elapsed());
        let carried = after.carried() - before.carried();
        let Carried { received, to_host, from_host, sent, .. } = carried;
        Ok(Self {
            family: family(address),
            way,
            gbit_per_second: measured.gbit_per_second,
            retransmits: measured.retransmits,
            received,
            sent,
            to_host,
            from_host,
            segments: if way == Way::In { carried.coalesced() } else { carried.segmented() },
            worker_cpu: shares(&before.cpu(), &after.cpu(), elapsed),
        })
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
        if !self.legs.is_empty() {
            println!("{}\n", self.traffic());
        }
        println!("{}\n", self.released());
        println!("{}", self.dropped());
        Ok(())
    }

    fn traffic(&self) -> Table {
        let mut table = table([
            "",
            "Gbit/s",
            "resent",
            "wire in",
            "to host",
            "from host",
            "wire out",
            "segments",
            "CPU %",
        ]);
        for leg in &self.legs {
            let way = if leg.way == Way::In { "in" } else { "out" };
            let cpu: Vec<_> = leg.worker_cpu.iter().map(|share| format!("{share:.0}")).collect();
            let counters = [leg.retransmits, leg.received, leg.to_host, leg.from_host, leg.sent];
            let mut row =
                vec![format!("{} {way}", leg.family), format!("{:.2}", leg.gbit_per_second)];
            row.extend(counters.map(|count| count.to_string()));
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

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_FULL_CONDENSED).set_header(header);
    table
}

/// Numbers to the right; the first column names the row.
fn align(mut table: Table) -> Table {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
