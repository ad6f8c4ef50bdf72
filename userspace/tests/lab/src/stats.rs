//! What `sluice stats --json` answers.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

/// What `sluice stats --json` answers. Counters count from the start of the process.
#[derive(Clone, Debug)]
pub struct Stats(pub Value);

/// What went through, in packets and super-packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// Packets from the wire.
    pub received: u64,
    /// Super-packets, or packets that stayed alone, given to the host.
    pub to_host: u64,
    /// Super-packets, or packets, taken from the host.
    pub from_host: u64,
    /// Packets put on the wire.
    pub sent: u64,
}

impl Stats {
    /// Whether it carries traffic.
    #[must_use]
    pub fn running(&self) -> bool {
        self.0["state"] == "running"
    }

    /// What went through all workers.
    #[must_use]
    pub fn carried(&self) -> Carried {
        Carried {
            received: self.sum("received"),
            to_host: self.sum("to_host"),
            from_host: self.sum("from_host"),
            sent: self.sum("sent"),
        }
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

    /// What was dropped in user space, by reason.
    #[must_use]
    pub fn drops(&self) -> BTreeMap<String, u64> {
        self.over_workers("drops")
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
            from_host: self.from_host - before.from_host,
            sent: self.sent - before.sent,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats() -> Stats {
        let worker = serde_json::json!({
            "counters": { "received": 5 }, "flushes": { "push": 2 }, "drops": {}, "cpu_ms": 7,
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
        assert_eq!(stats().cpu(), [Duration::from_millis(7); 2]);
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
