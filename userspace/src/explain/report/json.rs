//! A JSON document a line, for programs: a capture may have more packets than memory.

use std::io::{self, Write};

use serde::Serialize;
use sluice_common::reason::FlushReason;

use super::Reporter;
use super::words::gso_type_text;
use crate::explain::flow::{Flow, FlowFilter};
use crate::explain::summary::{Summary, rule_and_meaning};
use crate::explain::trace::{Ended, Fate, Line, PacketLine};

/// JSON lines: a `packet` for each packet, a `train` for each train that is released, and in the end a
/// `summary`.
pub struct JsonLines<W> {
    out: W,
    filters: Vec<FlowFilter>,
    with_lines: bool,
}

/// One line.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Document<'a> {
    Packet {
        number: u64,
        time_ns: u64,
        flow: &'a str,
        len: usize,
        captured: usize,
        /// `alone`, `started` or `joined`.
        fate: &'static str,
        train: Option<u64>,
        reason: Option<&'static str>,
        rule: Option<&'static str>,
        /// Trains that its arrival ended.
        ended: Vec<u64>,
    },
    Train {
        train: u64,
        time_ns: u64,
        held_ns: u64,
        flow: &'a str,
        packets: &'a [u64],
        ip_len: usize,
        gso_size: u16,
        gso_segs: u16,
        gso_type: String,
        reason: &'static str,
        rule: Option<&'static str>,
    },
    Summary(&'a Summary),
}

impl<W: Write> JsonLines<W> {
    /// Writes to `out` the lines of the flows that all `filters` match, or only the summary.
    pub const fn new(out: W, filters: Vec<FlowFilter>, with_lines: bool) -> Self {
        Self { out, filters, with_lines }
    }

    fn is_wanted(&self, flow: &Flow) -> bool {
        self.with_lines && self.filters.iter().all(|filter| filter.matches(flow))
    }

    fn write(&mut self, document: &Document<'_>) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, document)?;
        writeln!(self.out)
    }

    fn ended(&mut self, ended: &Ended) -> io::Result<()> {
        if self.is_wanted(&ended.flow) {
            self.write(&train(ended))?;
        }
        Ok(())
    }
}

impl<W: Write> Reporter for JsonLines<W> {
    fn line(&mut self, line: &Line) -> io::Result<()> {
        let packet_line = match line {
            Line::Ended(ended) => return self.ended(ended),
            Line::Packet(line) => line,
        };
        if self.is_wanted(&packet_line.flow) {
            self.write(&packet(packet_line))?;
        }
        packet_line.ended.iter().try_for_each(|ended| self.ended(ended))
    }

    fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        self.write(&Document::Summary(summary))?;
        self.out.flush()
    }
}

fn packet(line: &PacketLine) -> Document<'_> {
    let (fate, train, reason) = match line.fate {
        Fate::Alone(reason) => ("alone", None, Some(reason)),
        Fate::Started(train) => ("started", Some(train), None),
        Fate::Joined(train) => ("joined", Some(train), None),
    };
    Document::Packet {
        number: line.number,
        time_ns: line.time,
        flow: &line.flow.name,
        len: line.len,
        captured: line.captured,
        fate,
        train,
        reason: reason.map(FlushReason::label),
        rule: reason.and_then(|reason| rule_and_meaning(reason).0),
        ended: line.ended.iter().map(|ended| ended.train).collect(),
    }
}

fn train(ended: &Ended) -> Document<'_> {
    Document::Train {
        train: ended.train,
        time_ns: ended.time,
        held_ns: ended.held,
        flow: &ended.flow.name,
        packets: &ended.packets,
        ip_len: ended.ip_len,
        gso_size: ended.gso_size,
        gso_segs: ended.gso_segs,
        gso_type: gso_type_text(ended.gso_type),
        reason: ended.reason.label(),
        rule: rule_and_meaning(ended.reason).0,
    }
}
