//! What arrived, flow by flow, and how old it was.

use hdrhistogram::Histogram;

use crate::report::{FlowReport, Latency, SinkReport, times};
use crate::template::stamp_of;
use crate::window::{Counts, Window};
use crate::{clock, stamp::Stamp};

/// Most flows that are told apart, so that a strange stamp cannot take all memory.
const MOST_FLOWS: u32 = 1 << 20;

/// Counts what arrives.
#[derive(Debug)]
pub struct Tally {
    packets: u64,
    bytes: u64,
    unstamped: u64,
    /// When the first and the last packet came.
    times: Option<(u64, u64)>,
    flows: Vec<Option<Box<Window>>>,
    latency: Histogram<u64>,
}

impl Default for Tally {
    fn default() -> Self {
        let latency = times();
        let (packets, bytes, unstamped, times, flows) = (0, 0, 0, None, Vec::new());
        Self { packets, bytes, unstamped, times, flows, latency }
    }
}

impl Tally {
    /// Notes a packet that came at `now`.
    pub fn note(&mut self, packet: &[u8], now: u64) {
        self.packets += 1;
        self.bytes += packet.len() as u64;
        self.times = Some((self.times.map_or(now, |(first, _)| first), now));
        match stamp_of(packet).filter(|stamp| stamp.flow < MOST_FLOWS) {
            Some(stamp) => self.note_stamp(stamp, now),
            None => self.unstamped += 1,
        }
    }

    fn note_stamp(&mut self, stamp: Stamp, now: u64) {
        let flow = stamp.flow as usize;
        if flow >= self.flows.len() {
            self.flows.resize(flow + 1, None);
        }
        self.flows[flow].get_or_insert_default().note(stamp.sequence);
        if let Some(time) = stamp.time {
            self.latency.saturating_record(now.saturating_sub(time));
        }
    }

    /// Packets so far.
    #[must_use]
    pub const fn packets(&self) -> u64 {
        self.packets
    }

    /// What is to be said; `missed` packets were dropped before they could be counted.
    #[must_use]
    pub fn report(&self, missed: u64) -> SinkReport {
        let (first, last) = self.times.unwrap_or_default();
        let seconds = clock::seconds(first, last);
        let per_second = |count: u64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
        let flows: Vec<_> = self.flows().collect();
        let sum = |field: fn(&Counts) -> u64| flows.iter().map(|(_, counts)| field(counts)).sum();
        SinkReport {
            seconds,
            packets: self.packets,
            bytes: self.bytes,
            packets_per_second: per_second(self.packets),
            bits_per_second: per_second(self.bytes * 8),
            missed,
            unstamped: self.unstamped,
            flows: flows.len(),
            lost: sum(Counts::lost),
            reordered: sum(|counts| counts.reordered),
            duplicates: sum(|counts| counts.duplicates),
            too_old: sum(|counts| counts.too_old),
            latency: self.latency(),
            per_flow: flows.iter().map(|(flow, counts)| FlowReport::of(*flow, counts)).collect(),
        }
    }

    fn flows(&self) -> impl Iterator<Item = (u32, Counts)> {
        let windows = self.flows.iter().zip(0..);
        windows.filter_map(|(window, flow)| Some((flow, window.as_ref()?.counts())))
    }

    fn latency(&self) -> Option<Latency> {
        Latency::of(&self.latency)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::template::{Common, Kind};
    use crate::traffic::{Load, Traffic};

    fn sent(flows: u32, count: usize) -> Vec<Vec<u8>> {
        let common = Common {
            macs: [[2; 6], [4; 6]],
            destination: (IpAddr::from([198, 19, 0, 1]), 5001),
            kind: Kind::Udp,
        };
        let source = IpAddr::from([198, 18, 0, 1]);
        let load = Load { common, source, flows, train: 1, sizes: vec![64] };
        let mut traffic = Traffic::made(load).unwrap();
        let mut buffer = [0; 64];
        let next = |number| {
            traffic.write(1_000 * number as u64, &mut buffer);
            buffer.to_vec()
        };
        (0..count).map(next).collect()
    }

    #[test]
    fn losses_repetitions_and_late_ones_are_told_apart_flow_by_flow() {
        let packets = sent(2, 20);
        let mut tally = Tally::default();
        // Flow 0 has the even ones. Its 2 is lost, its 3 late; of flow 1 the 5 comes twice.
        let order = [0, 1, 2, 3, 5, 7, 8, 6, 9, 10, 11, 11].into_iter().chain(12..20);
        order.clone().for_each(|number| tally.note(&packets[number], 1_000 * number as u64 + 500));
        let report = tally.report(3);
        assert_eq!((report.packets, report.bytes, report.missed), (20, 20 * 64, 3));
        assert_eq!((report.lost, report.reordered, report.duplicates), (1, 1, 1));
        assert_eq!((report.flows, report.unstamped, report.too_old), (2, 0, 0));
        let flows: Vec<_> = report.per_flow.iter().map(|flow| (flow.flow, flow.lost)).collect();
        assert_eq!(flows, [(0, 1), (1, 0)]);
        let latency = report.latency.unwrap();
        assert_eq!((latency.count, latency.min_ns, latency.max_ns), (20, 500, 500));
        assert!((report.seconds - 19e-6).abs() < 1e-12);
    }

    #[test]
    fn what_nobody_stamped_is_counted_apart() {
        let mut tally = Tally::default();
        tally.note(&[0; 60], 1);
        let report = tally.report(0);
        assert_eq!((report.packets, report.unstamped, report.flows), (1, 1, 0));
        assert_eq!(report.latency, None);
    }

    #[test]
    fn nothing_is_nothing() {
        let report = Tally::default().report(0);
        assert_eq!((report.packets, report.packets_per_second), (0, 0.0));
    }
}
