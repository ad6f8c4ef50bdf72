//! A line a packet, for people.

use std::io::{self, Write};

use comfy_table::{CellAlignment, presets};

use super::Reporter;
use super::words::reason_text;
use crate::explain::flow::{Flow, FlowFilter};
use crate::explain::summary::Summary;
use crate::explain::trace::{Ended, Fate, Line, PacketLine};

/// Width of the column of flows: two IPv4 ends and a protocol. What is longer pushes its line to the right.
const FLOW_WIDTH: usize = 46;
/// Columns before that of what happened.
const INDENT: usize = 8 + 2 + 13 + 2 + FLOW_WIDTH + 1 + 6 + 2;

/// Lines and tables for people.
pub struct Table<W> {
    out: W,
    filters: Vec<FlowFilter>,
    with_lines: bool,
    /// The time of the first packet, from which the others are counted.
    begin: Option<u64>,
}

impl<W: Write> Table<W> {
    /// Writes to `out` the lines of the flows that all `filters` match, or only the summary.
    pub const fn new(out: W, filters: Vec<FlowFilter>, with_lines: bool) -> Self {
        Self { out, filters, with_lines, begin: None }
    }

    fn is_wanted(&self, flow: &Flow) -> bool {
        self.filters.iter().all(|filter| filter.matches(flow))
    }

    fn packet(&mut self, line: &PacketLine) -> io::Result<()> {
        if self.begin.is_none() {
            self.begin = Some(line.time);
            writeln!(
                self.out,
                "{:>8}  {:>13}  {:FLOW_WIDTH$} {:>6}  what became of it",
                "#", "seconds", "flow", "bytes"
            )?;
        }
        if self.is_wanted(&line.flow) {
            let nanoseconds = line.time.saturating_sub(self.begin.unwrap_or(0));
            let seconds =
                format!("{}.{:09}", nanoseconds / 1_000_000_000, nanoseconds % 1_000_000_000);
            return writeln!(
                self.out,
                "{:>8}  {seconds:>13}  {:FLOW_WIDTH$} {:>6}  {}",
                line.number,
                line.flow.name,
                line.len,
                what(line)
            );
        }
        line.ended.iter().try_for_each(|ended| self.ended(ended))
    }

    fn ended(&mut self, ended: &Ended) -> io::Result<()> {
        if !self.is_wanted(&ended.flow) {
            return Ok(());
        }
        let Ended { train, held, reason, .. } = ended;
        let held = *held as f64 / 1e3;
        let reason = reason_text(*reason);
        writeln!(
            self.out,
            "{:INDENT$}train {train} ended, {}, held {held:.1} µs: {reason}",
            "",
            packets_text(ended)
        )
    }
}

impl<W: Write> Reporter for Table<W> {
    fn line(&mut self, line: &Line) -> io::Result<()> {
        match line {
            _ if !self.with_lines => Ok(()),
            Line::Packet(packet) => self.packet(packet),
            Line::Ended(ended) => self.ended(ended),
        }
    }

    fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        if self.begin.is_some() {
            writeln!(self.out)?;
        }
        writeln!(self.out, "{}\n", totals(summary))?;
        writeln!(self.out, "{}\n", reasons(summary))?;
        writeln!(self.out, "{}", flows(summary))?;
        if summary.flow_count > summary.flows.len() as u64 {
            let more = summary.flow_count - summary.flows.len() as u64;
            writeln!(self.out, " … and {more} more")?;
        }
        for note in &summary.notes {
            writeln!(self.out, "\nnote: {note}")?;
        }
        writeln!(self.out, "\n{}", would_merge_more(summary))?;
        self.out.flush()
    }
}

/// What became of a packet, and of the trains it ended.
fn what(line: &PacketLine) -> String {
    let own = match line.fate {
        Fate::Started(train) | Fate::Joined(train) => Some(train),
        Fate::Alone(_) => None,
    };
    let (closed, others): (Vec<_>, Vec<_>) =
        line.ended.iter().partition(|ended| Some(ended.train) == own);
    let mut parts: Vec<_> =
        others.into_iter().map(|ended| ended_text("ended train", ended)).collect();
    parts.push(match line.fate {
        Fate::Alone(reason) => format!("passed alone: {}", reason_text(reason)),
        Fate::Started(train) => format!("started train {train}"),
        Fate::Joined(train) => format!("joined train {train}"),
    });
    let closed = closed.into_iter();
    parts.extend(
        closed.map(|ended| {
            format!("ended it, {}: {}", packets_text(ended), reason_text(ended.reason))
        }),
    );
    parts.join("; ")
}

fn ended_text(verb: &str, ended: &Ended) -> String {
    format!("{verb} {}, {}: {}", ended.train, packets_text(ended), reason_text(ended.reason))
}

fn packets_text(ended: &Ended) -> String {
    match ended.packets.len() {
        1 => "1 packet".to_owned(),
        packets => format!("{packets} packets"),
    }
}

fn totals(summary: &Summary) -> comfy_table::Table {
    let Summary { packets, hand_overs, trains, packets_in_trains, longest_train, .. } = summary;
    let mut table = table(["in all", ""]);
    let settings = if summary.settings.is_empty() { "defaults" } else { &summary.settings };
    table.add_row(["settings", settings]);
    table.add_row(["packets", &packets.to_string()]);
    table.add_row(["flows", &summary.flow_count.to_string()]);
    let each = mean(*packets_in_trains, *trains);
    table.add_row([
        "trains",
        &format!(
            "{trains} of {packets_in_trains} packets, {each} on average, {longest_train} at most"
        ),
    ]);
    table.add_row(["alone", &summary.alone.to_string()]);
    let ratio = mean(*packets, *hand_overs);
    table.add_row(["hand-overs", &format!("{hand_overs}, {ratio} packets each")]);
    table
}

fn mean(sum: u64, count: u64) -> String {
    if count == 0 { "0".to_owned() } else { format!("{:.1}", sum as f64 / count as f64) }
}

fn reasons(summary: &Summary) -> comfy_table::Table {
    let mut table = table(["released because", "rule", "trains", "alone", "meaning"]);
    for count in &summary.reasons {
        let (trains, alone) = (count.trains.to_string(), count.alone.to_string());
        table.add_row([count.reason, count.rule.unwrap_or("-"), &trains, &alone, count.meaning]);
    }
    align_right(&mut table, &[2, 3]);
    table
}

fn flows(summary: &Summary) -> comfy_table::Table {
    let mut table = table(["flow", "packets", "hand-overs", "mostly because"]);
    for flow in &summary.flows {
        let (packets, hand_overs) = (flow.packets.to_string(), flow.hand_overs.to_string());
        table.add_row([&*flow.flow, &packets, &hand_overs, flow.mostly]);
    }
    align_right(&mut table, &[1, 2]);
    table
}

fn would_merge_more(summary: &Summary) -> String {
    if summary.would_merge_more.is_empty() {
        return "What would merge more: none of the other settings.".to_owned();
    }
    let mut table = table(["what would merge more", "hand-overs", "instead of"]);
    for outcome in &summary.would_merge_more {
        let (better, own) = (outcome.hand_overs.to_string(), summary.hand_overs.to_string());
        table.add_row([&*outcome.setting, &better, &own]);
    }
    align_right(&mut table, &[1, 2]);
    table.to_string()
}

/// The same whatever the terminal: what is explained is compared.
fn table<const N: usize>(header: [&str; N]) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_preset(presets::NOTHING).set_header(header);
    table.set_content_arrangement(comfy_table::ContentArrangement::Disabled);
    table
}

fn align_right(table: &mut comfy_table::Table, columns: &[usize]) {
    for &column in columns {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}
