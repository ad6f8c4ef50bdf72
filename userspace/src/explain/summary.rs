//! What is counted on the way.

use std::collections::HashMap;
use std::rc::Rc;

use serde::Serialize;
use sluice_common::reason::FlushReason;

use super::flow::Flow;
use super::packet::Packet;
use super::trace::{Ended, Fate, Line, PacketLine};

/// Most flows counted one by one; the others are counted together.
const MOST_FLOWS: usize = 1 << 16;
/// Most flows that are told of.
const FLOWS_TOLD: usize = 20;
/// Longer than any packet of an Ethernet with jumbo frames (9,216 bytes and its link header): something
/// has merged it before it was captured.
const LONGEST_WIRE_PACKET: usize = 9_216 + 22;

/// The account as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// What the coalescer worked by, other than the defaults.
    pub settings: String,
    /// Packets of the capture.
    pub packets: u64,
    /// What the host would get: trains, and packets that went alone.
    pub hand_overs: u64,
    /// Trains of two and more packets: super-packets.
    pub trains: u64,
    /// Packets in them.
    pub packets_in_trains: u64,
    /// Packets in the longest.
    pub longest_train: u64,
    /// Packets that went on alone at once, or were held and joined by none.
    pub alone: u64,
    /// Releases by reason, most frequent first.
    pub reasons: Vec<ReasonCount>,
    /// Flows, busiest first; not all where there are many.
    pub flows: Vec<FlowCount>,
    /// How many flows there are.
    pub flow_count: u64,
    /// What is to be known of the capture.
    pub notes: Vec<String>,
    /// What other settings would have merged.
    pub would_merge_more: Vec<TrialOutcome>,
}

/// How often a reason released something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ReasonCount {
    /// Its label, as in `sluice stats`.
    pub reason: &'static str,
    /// The rule, where it is one.
    pub rule: Option<&'static str>,
    /// What it means.
    pub meaning: &'static str,
    /// Trains of two and more packets it released.
    pub trains: u64,
    /// Single packets it released.
    pub alone: u64,
}

/// What became of the packets of one flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FlowCount {
    /// How it is called.
    pub flow: String,
    /// Its packets.
    pub packets: u64,
    /// What the host would get of it.
    pub hand_overs: u64,
    /// The most frequent reason of a release.
    pub mostly: &'static str,
}

/// What another setting would have done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TrialOutcome {
    /// The setting, as it would stand in the configuration.
    pub setting: String,
    /// What the host would get.
    pub hand_overs: u64,
}

/// Rule and meaning of a reason: `G25` and `the burst ended.`
pub(super) fn rule_and_meaning(reason: FlushReason) -> (Option<&'static str>, &'static str) {
    match reason.describe().split_once(": ") {
        Some((rule, meaning)) if is_rule(rule) => (Some(rule), meaning),
        _ => (None, reason.describe()),
    }
}

/// `G25`, or `G5, G9`.
fn is_rule(text: &str) -> bool {
    text.split(", ").all(|rule| {
        rule.strip_prefix(['G', 'S', 'F'])
            .is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
    })
}

/// Counts lines.
#[derive(Default)]
pub(super) struct Counter {
    summary: Summary,
    by_reason: Reasons,
    flows: HashMap<Rc<str>, usize>,
    per_flow: Vec<PerFlow>,
    cut: u64,
    too_long: u64,
    backwards: u64,
    last_time: u64,
}

#[derive(Clone, Copy)]
struct Reasons {
    trains: [u64; FlushReason::COUNT],
    alone: [u64; FlushReason::COUNT],
}

impl Default for Reasons {
    fn default() -> Self {
        Self { trains: [0; FlushReason::COUNT], alone: [0; FlushReason::COUNT] }
    }
}

struct PerFlow {
    name: Rc<str>,
    packets: u64,
    reasons: [u32; FlushReason::COUNT],
}

impl Counter {
    /// A packet, before anything has become of it.
    pub(super) fn packet(&mut self, packet: &Packet) {
        self.cut += u64::from(packet.is_cut());
        self.too_long += u64::from(packet.len > LONGEST_WIRE_PACKET);
        self.backwards += u64::from(packet.time < self.last_time);
        self.last_time = self.last_time.max(packet.time);
    }

    pub(super) fn line(&mut self, line: &Line) {
        match line {
            Line::Packet(packet) => self.packet_line(packet),
            Line::Ended(ended) => self.ended(ended),
        }
    }

    fn packet_line(&mut self, line: &PacketLine) {
        self.summary.packets += 1;
        let flow = self.flow(&line.flow);
        self.per_flow[flow].packets += 1;
        if let Fate::Alone(reason) = line.fate {
            self.release(flow, reason, 1);
        }
        line.ended.iter().for_each(|ended| self.ended(ended));
    }

    fn ended(&mut self, ended: &Ended) {
        let flow = self.flow(&ended.flow);
        self.release(flow, ended.reason, ended.packets.len() as u64);
    }

    fn release(&mut self, flow: usize, reason: FlushReason, packets: u64) {
        let index = reason.index();
        self.summary.hand_overs += 1;
        self.per_flow[flow].reasons[index] += 1;
        if packets > 1 {
            self.summary.trains += 1;
            self.summary.packets_in_trains += packets;
            self.summary.longest_train = self.summary.longest_train.max(packets);
            self.by_reason.trains[index] += 1;
        } else {
            self.summary.alone += 1;
            self.by_reason.alone[index] += 1;
        }
    }

    fn flow(&mut self, flow: &Flow) -> usize {
        if let Some(&index) = self.flows.get(&*flow.name) {
            return index;
        }
        let is_full = self.per_flow.len() >= MOST_FLOWS;
        let name: Rc<str> = if is_full { "other flows".into() } else { (&*flow.name).into() };
        if let Some(&index) = self.flows.get(&name) {
            return index;
        }
        let index = self.per_flow.len();
        self.flows.insert(Rc::clone(&name), index);
        self.per_flow.push(PerFlow { name, packets: 0, reasons: [0; FlushReason::COUNT] });
        index
    }

    /// The account as a whole.
    pub(super) fn into_summary(self) -> Summary {
        let notes = self.notes();
        let Self { summary, by_reason, per_flow, .. } = self;
        let flow_count = per_flow.len() as u64;
        Summary {
            reasons: reasons(&by_reason),
            flows: flows(per_flow),
            flow_count,
            notes,
            ..summary
        }
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.cut > 0 {
            notes.push(format!(
                "{} packets are cut short (snaplen): what is missing is taken for sound, and no checksum is \
                 verified",
                self.cut
            ));
        }
        if self.too_long > 0 {
            notes.push(format!(
                "{} packets are longer than any on a wire: they were captured before TSO cut or after GRO \
                 merged them; capture with `ethtool -K IFACE tso off gso off gro off`, or on the wire",
                self.too_long
            ));
        }
        if self.backwards > 0 {
            notes.push(format!(
                "{} packets are older than one before them; they count as coming at the same time",
                self.backwards
            ));
        }
        notes
    }
}

fn reasons(by_reason: &Reasons) -> Vec<ReasonCount> {
    let mut counts: Vec<_> = FlushReason::ALL
        .iter()
        .map(|&reason| {
            let (rule, meaning) = rule_and_meaning(reason);
            let (trains, alone) =
                (by_reason.trains[reason.index()], by_reason.alone[reason.index()]);
            ReasonCount { reason: reason.label(), rule, meaning, trains, alone }
        })
        .filter(|count| count.trains + count.alone > 0)
        .collect();
    counts.sort_by_key(|count| std::cmp::Reverse(count.trains + count.alone));
    counts
}

fn flows(mut per_flow: Vec<PerFlow>) -> Vec<FlowCount> {
    per_flow.sort_by_key(|flow| std::cmp::Reverse(flow.packets));
    let told = per_flow.iter().take(FLOWS_TOLD).map(|flow| {
        let mostly = flow.reasons.iter().enumerate().rev().max_by_key(|(_, count)| **count);
        FlowCount {
            flow: flow.name.to_string(),
            packets: flow.packets,
            hand_overs: flow.reasons.iter().map(|count| u64::from(*count)).sum(),
            mostly: mostly.map_or("", |(index, _)| FlushReason::ALL[index].label()),
        }
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_told_apart_from_its_rule() {
        assert_eq!(rule_and_meaning(FlushReason::EndOfBurst), (Some("G25"), "the burst ended."));
        assert_eq!(rule_and_meaning(FlushReason::ExtensionHeaders).0, Some("G5, G9"));
        let (rule, meaning) = rule_and_meaning(FlushReason::MaxSegments);
        assert_eq!((rule, meaning), (None, FlushReason::MaxSegments.describe()));
    }
}
