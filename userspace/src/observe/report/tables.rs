//! The report as tables for people.

use std::collections::BTreeMap;
use std::fmt;

use comfy_table::{CellAlignment, Table, presets};

use super::{
    Counters, FeatureReport, HostReport, LatencyReport, LedgerReport, PortReport, QueueReport,
    Report, RuleReport, SideReport, WorkerReport, sum,
};

impl Report {
    /// A counter summed over all workers.
    fn sum(&self, of: impl Fn(&WorkerReport) -> &Counters) -> Counters {
        sum(self.workers.iter().map(of))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n", about(self))?;
        writeln!(f, "{}\n", rules(&self.rules))?;
        writeln!(f, "{}\n", features(&self.features))?;
        writeln!(f, "{}\n", verdicts(self))?;
        for worker in &self.workers {
            writeln!(f, "{}\n", about_worker(worker))?;
        }
        writeln!(f, "{}\n", counters("all workers", &self.sum(|worker| &worker.counters)))?;
        if let Some(table) = sides(self) {
            writeln!(f, "{table}\n")?;
        }
        writeln!(f, "{}\n", counters("train released because", &self.sum(|w| &w.flushes)))?;
        writeln!(f, "{}\n", counters("dropped because", &self.sum(|worker| &worker.drops)))?;
        write!(f, "{}", counters("socket", &self.sum(|worker| &worker.socket)))
    }
}

fn about(report: &Report) -> Table {
    let Report { version, mode, state, uptime_s, data_plane, ports, host, .. } = report;
    let mut table = table(["sluice", version]);
    table.add_row(["mode", mode]);
    table.add_row(["state", state]);
    table.add_row(["up", &format!("{uptime_s:.1} s")]);
    let pid = data_plane.pid.map_or_else(|| "none".to_owned(), |pid| format!("process {pid}"));
    table.add_row(["data plane", &format!("{pid}, {} restarts", data_plane.restarts)]);
    if let Some(why) = &data_plane.last_end {
        table.add_row(["ended last because", why]);
    }
    for port in ports {
        table.add_row(["interface", &port.iface]);
        table.add_row(["XDP", &with_reason(&port.xdp, port.xdp_reason.as_deref())]);
        for queue in &port.queues {
            table.add_row([format!("queue {}", queue.queue), queue_text(queue)]);
        }
    }
    if let Some(answered) = report.answered {
        table.add_row(["answered meanwhile", &format!("{answered} senders of what was too large")]);
    }
    if let Some(host) = host {
        table.add_row(["TUN device", &host.tun]);
        table.add_row(["policy routes", &routes_text(host)]);
    }
    table
}

fn routes_text(host: &HostReport) -> String {
    match (host.routes_wanted, host.routes_installed) {
        (false, _) => "none wanted".to_owned(),
        (true, false) => "withdrawn".to_owned(),
        (true, true) => format!("installed, table {}", host.table),
    }
}

/// All of them, and where there are several ports, those of each.
fn verdicts(report: &Report) -> Table {
    match &*report.ports {
        [a, b] => by_port("verdict", [a, b], [&a.verdicts, &b.verdicts]),
        _ => counters("verdict", &report.verdicts),
    }
}

/// What the workers of wire mode have counted for each port.
fn sides(report: &Report) -> Option<Table> {
    let [a, b] = &*report.ports else { return None };
    let of = |index: usize, table: fn(&SideReport) -> &Counters| {
        sum(report.workers.iter().filter_map(|worker| worker.sides.get(index)).map(table))
    };
    let [mut left, mut right] = [0, 1].map(|index| of(index, |side| &side.counters));
    left.extend(of(0, |side| &side.socket));
    right.extend(of(1, |side| &side.socket));
    Some(by_port("all workers", [a, b], [&left, &right]))
}

/// The counters that are not 0, largest first: both ports together, and each.
fn by_port(heading: &str, ports: [&PortReport; 2], counters: [&Counters; 2]) -> Table {
    let ifaces = ports.map(|port| &*port.iface);
    let mut table = table_of([heading, "count"].into_iter().chain(ifaces));
    for (label, count) in largest_first(&sum(counters)) {
        let of = |counters: &Counters| counters.get(label).copied().unwrap_or(0).to_string();
        let counts = [label.clone(), count.to_string()].into_iter();
        table.add_row(counts.chain(counters.map(of)));
    }
    align_right(&mut table, &[1, 2, 3]);
    table
}

fn queue_text(queue: &QueueReport) -> String {
    let copy = if queue.zero_copy { "zero-copy" } else { "copy" };
    let copy = with_reason(copy, queue.reason.as_deref());
    let pages = if queue.huge_pages { "huge pages" } else { "ordinary pages" };
    let age = queue.heartbeat_age_ms;
    let age = age.map_or_else(|| "none yet".to_owned(), |age| format!("{age} ms ago"));
    format!("{copy}, sends by {}, {pages}, sign of life {age}", queue.transmit)
}

fn with_reason(text: &str, reason: Option<&str>) -> String {
    reason.map_or_else(|| text.to_owned(), |reason| format!("{text} ({reason})"))
}

fn rules(rules: &[RuleReport]) -> Table {
    let mut table = table(["#", "rule", "action", "packets", "bytes"]);
    for (index, rule) in rules.iter().enumerate() {
        let RuleReport { rule, action, packets, bytes } = rule;
        let (packets, bytes) = (packets.to_string(), bytes.to_string());
        table.add_row([&index.to_string(), rule, action, &packets, &bytes]);
    }
    align_right(&mut table, &[3, 4]);
    table
}

/// Those that are on, or could be.
fn features(features: &BTreeMap<String, FeatureReport>) -> Table {
    let mut table = table(["feature", "state"]);
    for (name, feature) in features.iter().filter(|(_, feature)| feature.on || !feature.fixed) {
        table.add_row([name, &feature.to_string()]);
    }
    table
}

fn about_worker(worker: &WorkerReport) -> Table {
    let name = if worker.helper { "helper" } else { "worker of queue" };
    let mut table = table([format!("{name} {}", worker.queue), String::new()]);
    let core = worker.core.map_or_else(|| "any".to_owned(), |core| core.to_string());
    table.add_row(["core".to_owned(), core]);
    table.add_row(["CPU time".to_owned(), format!("{:.3} s", worker.cpu_ms as f64 / 1e3)]);
    let LedgerReport { total, free, held, backlog, handed, inbound, outbound, balanced } =
        worker.ledger;
    let balance = if balanced { "balanced" } else { "NOT BALANCED" };
    let frames = format!(
        "{total}: {free} free, {held} held, {backlog} in the backlog, {handed} handed on, \
         {inbound} to receive, {outbound} to send; {balance}"
    );
    table.add_row(["frames".to_owned(), frames]);
    table.add_row(["ring to hand-over".to_owned(), times_text(&worker.latency)]);
    table.add_row(["held in the coalescer".to_owned(), times_text(&worker.held)]);
    table
}

fn times_text(times: &LatencyReport) -> String {
    let LatencyReport { count, p50_ns, p90_ns, p99_ns, p999_ns, max_ns } = *times;
    let micros = |ns: u64| ns as f64 / 1e3;
    format!(
        "p50 {:.1}, p90 {:.1}, p99 {:.1}, p99.9 {:.1}, max {:.1} µs of {count}",
        micros(p50_ns),
        micros(p90_ns),
        micros(p99_ns),
        micros(p999_ns),
        micros(max_ns)
    )
}

/// The counters that are not 0, largest first.
fn counters(heading: &str, counters: &Counters) -> Table {
    let mut table = table([heading, "count"]);
    for (label, count) in largest_first(counters) {
        table.add_row([label, &count.to_string()]);
    }
    align_right(&mut table, &[1]);
    table
}

fn largest_first(counters: &Counters) -> Vec<(&String, u64)> {
    let counted = counters.iter().map(|(label, &count)| (label, count));
    let mut counted: Vec<_> = counted.filter(|&(_, count)| count > 0).collect();
    counted.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    counted
}

fn table<T: Into<comfy_table::Cell>, const N: usize>(header: [T; N]) -> Table {
    table_of(header)
}

fn table_of<T: Into<comfy_table::Cell>>(header: impl IntoIterator<Item = T>) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(header);
    table
}

fn align_right(table: &mut Table, columns: &[usize]) {
    for &column in columns {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::DataPlaneReport;
    use super::*;

    fn port(iface: &str, steered: u64) -> PortReport {
        PortReport {
            iface: iface.into(),
            xdp: "generic".into(),
            xdp_reason: Some("the driver has no XDP".into()),
            reattached: 0,
            queues: Vec::new(),
            verdicts: Counters::from([("steered".to_owned(), steered)]),
        }
    }

    fn report() -> Report {
        let counters = |label: &str, count| Counters::from([(label.to_owned(), count)]);
        let feature = |on, fixed| FeatureReport { on, requested: on, fixed, reason: None };
        let worker = |queue| WorkerReport {
            queue,
            drops: counters("backlog_full", 3),
            flushes: counters("window", 0),
            ..WorkerReport::default()
        };
        Report {
            version: "0.1.0".into(),
            mode: "host".into(),
            uptime_s: 1.5,
            state: "running".into(),
            data_plane: DataPlaneReport { pid: Some(7), restarts: 0, last_end: None },
            ports: vec![port("eth1", 9)],
            host: Some(HostReport {
                tun: "sluice0".into(),
                routes_wanted: true,
                routes_installed: false,
                table: 5154,
            }),
            answered: None,
            rules: vec![RuleReport {
                rule: "proto tcp".into(),
                action: "steer".into(),
                packets: 1,
                bytes: 60,
            }],
            features: BTreeMap::from([
                ("scatter-gather".to_owned(), feature(true, true)),
                ("generic-receive-offload".to_owned(), feature(false, false)),
                ("large-receive-offload".to_owned(), feature(false, true)),
            ]),
            verdicts: counters("steered", 9),
            workers: vec![worker(0), worker(1)],
        }
    }

    #[test]
    fn the_tables_sum_over_workers_and_leave_zeros_out() {
        let text = report().to_string();
        assert!(
            text.lines().any(|line| line.contains("backlog_full") && line.contains('6')),
            "{text}"
        );
        assert!(!text.contains("window"), "{text}");
        assert!(text.contains("generic (the driver has no XDP)"), "{text}");
        assert!(text.contains("withdrawn"), "{text}");
        assert!(text.contains("generic-receive-offload  off"), "{text}");
        assert!(!text.contains("large-receive-offload"), "what cannot be is left out: {text}");
    }

    #[test]
    fn two_ports_are_told_apart() {
        let ports = vec![port("eth1", 9), port("eth2", 4)];
        let verdicts = Counters::from([("steered".to_owned(), 13)]);
        let mut report = Report { ports, verdicts, host: None, ..report() };
        let side = |received| SideReport {
            counters: Counters::from([("received_packets".to_owned(), received)]),
            ..SideReport::default()
        };
        report.workers[1].sides = vec![side(1), side(2)];
        let text = report.to_string();
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let lines: Vec<_> = text.lines().map(words).collect();
        let at = lines.iter().position(|line| *line == ["verdict", "count", "eth1", "eth2"]);
        assert_eq!(lines[at.expect("a heading") + 1], ["steered", "13", "9", "4"], "{text}");
        assert!(lines.contains(&words("received_packets 3 1 2")), "{text}");
        assert!(!text.contains("TUN"), "{text}");
    }

    #[test]
    fn the_document_survives_the_socket() {
        let text = serde_json::to_string(&report()).unwrap();
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report());
    }
}
