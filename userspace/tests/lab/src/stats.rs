//! What `sluice stats --json` answers.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::Crossed;

/// What `sluice stats --json` answers. Counters count from the start of the process.
#[derive(Clone, Debug)]
pub struct Stats(pub Value);

/// What went through. A hand-over is a super-packet, or a packet that stayed alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// Packets from the wire.
    pub received: u64,
    /// Hand-overs to the host.
    pub to_host: u64,
    /// Of them, super-packets.
    pub to_host_supers: u64,
    /// Packets in those.
    pub to_host_super_packets: u64,
    /// Hand-overs from the host.
    pub from_host: u64,
    /// Of them, super-packets.
    pub from_host_supers: u64,
    /// Packets put on the wire.
    pub sent: u64,
    /// Packets that took the kernel's own path, because their next hop was not known yet.
    pub to_kernel: u64,
}

/// How long trains were held for their next packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Trains that were held at all.
    pub trains: u64,
    /// Half of them for no longer.
    pub p50: Duration,
    /// 99 % of them for no longer.
    pub p99: Duration,
}

impl Carried {
    /// Packets in a super-packet to the host, on average.
    #[must_use]
    pub fn coalesced(&self) -> f64 {
        self.to_host_super_packets as f64 / self.to_host_supers.max(1) as f64
    }

    /// Packets that a super-packet from the host became, on average: the others became one each.
    #[must_use]
    pub fn segmented(&self) -> f64 {
        let single = self.from_host.saturating_sub(self.from_host_supers);
        self.sent.saturating_sub(single) as f64 / self.from_host_supers.max(1) as f64
    }
}

impl Stats {
    /// Whether it carries traffic.
    #[must_use]
    pub fn running(&self) -> bool {
        self.0["state"] == "running"
    }

    /// Whether the workers have said what they counted.
    #[must_use]
    pub fn has_workers(&self) -> bool {
        self.workers().next().is_some()
    }

    /// In wire mode, how many senders of what was too large the supervisor has answered.
    #[must_use]
    pub fn answered(&self) -> u64 {
        self.0["answered"].as_u64().unwrap_or(0)
    }

    /// How many packets each worker of wire mode has sent on its way as they came.
    #[must_use]
    pub fn shares(&self) -> Vec<u64> {
        let share = |worker: &Value| {
            let sides = worker["sides"].as_array().into_iter().flatten();
            let forwarded = |side: &Value| side["counters"]["forwarded_packets"].as_u64();
            sides.filter_map(forwarded).sum()
        };
        self.workers().map(share).collect()
    }

    /// How often the data plane was started again.
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.0["data_plane"]["restarts"].as_u64().unwrap_or(0)
    }

    /// What went through all workers.
    #[must_use]
    pub fn carried(&self) -> Carried {
        Carried {
            received: self.sum("from_wire_packets"),
            to_host: self.sum("to_host_trains"),
            to_host_supers: self.sum("to_host_supers"),
            to_host_super_packets: self.sum("to_host_super_packets"),
            from_host: self.sum("from_host_packets"),
            from_host_supers: self.sum("from_host_supers"),
            sent: self.sum("to_wire_packets"),
            to_kernel: self.sum("to_kernel_packets"),
        }
    }

    /// What crossed each port of wire mode, in the order of the configuration.
    #[must_use]
    pub fn crossed(&self) -> [Crossed; 2] {
        ["a", "b"].map(|name| {
            let mut crossed = Crossed::default();
            let sides = self.sides().filter(|side| side["side"] == name);
            sides.for_each(|side| crossed.add(&side["counters"]));
            crossed
        })
    }

    fn sides(&self) -> impl Iterator<Item = &Value> {
        self.workers().filter_map(|worker| worker["sides"].as_array()).flatten()
    }

    fn sum(&self, counter: &str) -> u64 {
        self.workers().filter_map(|worker| worker["counters"][counter].as_u64()).sum()
    }

    fn workers(&self) -> impl Iterator<Item = &Value> {
        self.0["workers"].as_array().into_iter().flatten()
    }

    /// CPU time each worker has used.
    #[must_use]
    pub fn cpu(&self) -> Vec<Duration> {
        let used = |worker: &Value| worker["cpu_ms"].as_u64().map(Duration::from_millis);
        self.workers().filter_map(used).collect()
    }

    /// How long each worker held trains for their next packet.
    #[must_use]
    pub fn held(&self) -> Vec<Held> {
        let held = |worker: &Value| {
            let told = &worker["held"];
            let time = |name: &str| told[name].as_u64().map(Duration::from_nanos);
            let trains = told["count"].as_u64()?;
            Some(Held { trains, p50: time("p50_ns")?, p99: time("p99_ns")? })
        };
        self.workers().filter_map(held).collect()
    }

    /// How often the XDP program decided for this reason.
    #[must_use]
    pub fn verdict(&self, reason: &str) -> u64 {
        self.verdicts().get(reason).copied().unwrap_or(0)
    }

    /// How often the XDP program decided for each reason.
    #[must_use]
    pub fn verdicts(&self) -> BTreeMap<String, u64> {
        let mut verdicts = BTreeMap::new();
        add(&mut verdicts, &self.0["verdicts"]);
        verdicts
    }

    /// Why trains were released.
    #[must_use]
    pub fn releases(&self) -> BTreeMap<String, u64> {
        self.over_workers("flushes")
    }

    /// What was dropped, by reason: by Sluice, and by the kernel at Sluice's sockets.
    #[must_use]
    pub fn drops(&self) -> BTreeMap<String, u64> {
        // What else the kernel counts for a socket is no drop.
        const DROPS: [&str; 4] = ["rx_dropped", "rx_invalid", "rx_ring_full", "tx_invalid"];
        let mut drops = self.over_workers("drops");
        let mut kernel = self.over_workers("socket");
        self.sides().for_each(|side| add(&mut kernel, &side["socket"]));
        let refused = self.crossed().iter().map(|side| side.refused_packets).sum::<u64>();
        drops.extend((refused > 0).then(|| ("refused_packets".to_owned(), refused)));
        drops.extend(kernel.into_iter().filter(|(label, _)| DROPS.contains(&label.as_str())));
        drops
    }

    /// Whether there are workers and every frame of each is accounted for.
    #[must_use]
    pub fn ledger_intact(&self) -> bool {
        let mut workers = self.workers().peekable();
        workers.peek().is_some() && workers.all(|worker| worker["ledger"]["balanced"] == true)
    }

    fn over_workers(&self, table: &str) -> BTreeMap<String, u64> {
        let mut total = BTreeMap::new();
        self.workers().for_each(|worker| add(&mut total, &worker[table]));
        total
    }
}

/// Adds a table of counters to `total`.
fn add(total: &mut BTreeMap<String, u64>, table: &Value) {
    for (label, count) in table.as_object().into_iter().flatten() {
        *total.entry(label.clone()).or_default() += count.as_u64().unwrap_or(0);
    }
}

impl std::ops::Sub for Carried {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            received: self.received - before.received,
            to_host: self.to_host - before.to_host,
            to_host_supers: self.to_host_supers - before.to_host_supers,
            to_host_super_packets: self.to_host_super_packets - before.to_host_super_packets,
            from_host: self.from_host - before.from_host,
            from_host_supers: self.from_host_supers - before.from_host_supers,
            sent: self.sent - before.sent,
            to_kernel: self.to_kernel - before.to_kernel,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats() -> Stats {
        let worker = serde_json::json!({
            "counters": { "from_wire_packets": 5 }, "flushes": { "push": 2 }, "drops": {}, "cpu_ms": 7,
            "socket": { "rx_ring_full": 3, "tx_ring_empty": 9 },
            "ledger": { "balanced": true },
        });
        Stats(
            serde_json::json!({ "state": "running", "verdicts": {}, "workers": [worker, worker] }),
        )
    }

    #[test]
    fn counters_are_summed_over_workers() {
        assert_eq!(stats().carried().received, 10);
        assert_eq!(stats().releases()["push"], 4);
        assert_eq!(stats().drops(), BTreeMap::from([("rx_ring_full".to_owned(), 6)]));
        assert_eq!(stats().cpu(), [Duration::from_millis(7); 2]);
    }

    #[test]
    fn each_side_is_summed_over_workers() {
        let side = |name, received, full| {
            serde_json::json!({
                "side": name, "counters": { "received_packets": received, "trains": 2 },
                "socket": { "rx_ring_full": full },
            })
        };
        let worker = serde_json::json!({ "sides": [side("a", 10, 1), side("b", 3, 0)] });
        let two = Stats(serde_json::json!({ "workers": [worker, worker] }));
        let [a, b] = two.crossed();
        assert_eq!((a.received_packets, b.received_packets), (20, 6));
        assert_eq!((a.coalesced(), b.coalesced()), (5.0, 1.5));
        assert_eq!(a.sent_packets, 0, "what is not counted");
        assert_eq!((a - b).received_packets, 14);
        assert_eq!(two.drops(), BTreeMap::from([("rx_ring_full".to_owned(), 2)]));
        assert_eq!(stats().crossed(), [Crossed::default(); 2], "in host mode");
    }

    #[test]
    fn each_worker_tells_how_long_it_held() {
        let held = serde_json::json!({ "count": 3, "p50_ns": 2_000, "p99_ns": 30_000 });
        let two = Stats(serde_json::json!({ "workers": [{ "held": held }, {}] }));
        let (p50, p99) = (Duration::from_micros(2), Duration::from_micros(30));
        assert_eq!(two.held(), [Held { trains: 3, p50, p99 }]);
    }

    #[test]
    fn single_packets_are_left_out_of_the_average() {
        let carried =
            Carried { from_host: 12, from_host_supers: 2, sent: 90, ..Carried::default() };
        assert_eq!(carried.segmented(), 40.0);
    }

    #[test]
    fn one_worker_with_a_missing_frame_breaks_the_ledger() {
        let mut stats = stats();
        assert!(stats.ledger_intact());
        stats.0["workers"][1]["ledger"]["balanced"] = false.into();
        assert!(!stats.ledger_intact());
        stats.0["workers"] = Value::Array(Vec::new());
        assert!(!stats.ledger_intact(), "no worker, no proof");
    }
}
