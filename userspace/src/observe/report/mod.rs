//! What `sluice stats` shows: one document, as JSON for programs and as tables for people.
//!
//! Counters are maps from label to count, so that a newer process can say more to an older client.

mod features;
mod tables;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::features::FeatureReport;

/// Counters by their labels.
pub type Counters = BTreeMap<String, u64>;

/// Each counter summed over all `tables`.
pub fn sum<'c>(tables: impl IntoIterator<Item = &'c Counters>) -> Counters {
    let mut total = Counters::new();
    for (label, count) in tables.into_iter().flatten() {
        *total.entry(label.clone()).or_default() += count;
    }
    total
}

/// The whole document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Version of the running process.
    pub version: String,
    /// What it does: `host` or `wire`.
    pub mode: String,
    /// How it is: `running` (packets and, where wanted, policy routes go through it), `opening`, `stalled`
    /// (no sign of life; everything passes to the kernel) or `waiting` (for the data plane's next start).
    pub state: String,
    /// How long it has been running, in seconds.
    pub uptime_s: f64,
    /// The process that moves packets.
    pub data_plane: DataPlaneReport,
    /// The interfaces, in the order of the configuration.
    pub ports: Vec<PortReport>,
    /// In host mode, the TUN device and the policy routes.
    pub host: Option<HostReport>,
    /// In wire mode, how many senders of what was too large were answered while no worker did.
    #[serde(default)]
    pub answered: Option<u64>,
    /// The steering rules in order.
    pub rules: Vec<RuleReport>,
    /// Sluice's own features, by the names of `ethtool -k`, as they are in force.
    #[serde(default)]
    pub features: BTreeMap<String, FeatureReport>,
    /// Packets by what the XDP programs did with them, and why.
    pub verdicts: Counters,
    /// One entry a worker, helpers last. Empty while the data plane does not answer.
    pub workers: Vec<WorkerReport>,
}

/// The process that moves packets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataPlaneReport {
    /// Its process number, while there is one.
    pub pid: Option<u32>,
    /// How often it was started again.
    pub restarts: u64,
    /// Why it ended the last time.
    pub last_end: Option<String>,
}

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortReport {
    /// Its name.
    pub iface: String,
    /// Where the XDP program is attached: `native`, `generic` or `none`.
    pub xdp: String,
    /// Why there, when it is not the driver.
    pub xdp_reason: Option<String>,
    /// How often the program was attached anew because the rings stayed empty.
    pub reattached: u64,
    /// The queues.
    pub queues: Vec<QueueReport>,
    /// Packets that came in by it, by what its XDP program did with them, and why.
    pub verdicts: Counters,
}

/// One queue of the interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueReport {
    /// Its number.
    pub queue: u32,
    /// Whether the NIC reads and writes the frames itself.
    pub zero_copy: bool,
    /// Why not, when it does not.
    pub reason: Option<String>,
    /// By which way packets leave: `ring` or `socket`.
    pub transmit: String,
    /// Whether the frames are in huge pages.
    pub huge_pages: bool,
    /// Time since its worker's last sign of life, in milliseconds; none before the first.
    pub heartbeat_age_ms: Option<u64>,
}

/// The TUN device and the policy routes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostReport {
    /// Name of the TUN device.
    pub tun: String,
    /// Whether policy routes are wanted (`routes = "mirror"`).
    pub routes_wanted: bool,
    /// Whether they are there now.
    pub routes_installed: bool,
    /// Routing table of the TUN's default route.
    pub table: u32,
}

/// A steering rule and what it matched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleReport {
    /// The rule in words.
    pub rule: String,
    /// What it does: `steer`, `pass` or `drop`.
    pub action: String,
    /// Packets it matched.
    pub packets: u64,
    /// Their bytes, link headers included.
    pub bytes: u64,
}

/// What one worker has counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerReport {
    /// The queue it serves.
    pub queue: u32,
    /// Whether it has no queue, but is handed flows by a worker that has one; `queue` is then a mere number.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub helper: bool,
    /// The CPU it is pinned to; none where it could not be pinned.
    pub core: Option<usize>,
    /// CPU time it has used, in milliseconds.
    pub cpu_ms: u64,
    /// Packets, bytes and trains each way.
    pub counters: Counters,
    /// Trains by the reason of their release.
    pub flushes: Counters,
    /// Packets dropped in user space, by reason.
    pub drops: Counters,
    /// What the kernel counts for the socket (`XDP_STATISTICS`).
    pub socket: Counters,
    /// In wire mode what it counted for each port, in the order of the configuration.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sides: Vec<SideReport>,
    /// Where its frames are.
    pub ledger: LedgerReport,
    /// Time from the receive ring to the hand-over.
    pub latency: LatencyReport,
    /// Of it, the time in the coalescer, of those trains that were held beyond the turn in which they began.
    #[serde(default)]
    pub held: LatencyReport,
}

/// What one worker of wire mode has counted for one port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SideReport {
    /// Which: `a` or `b`.
    pub side: String,
    /// What came in by this port and what became of it, and what left through it.
    pub counters: Counters,
    /// Trains of what came in, by the reason of their release.
    pub flushes: Counters,
    /// Packets that came in and were dropped in user space, by reason.
    pub drops: Counters,
    /// What the kernel counts for the socket (`XDP_STATISTICS`).
    pub socket: Counters,
}

/// The frames of one worker, by who has them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerReport {
    /// All frames of the UMEM.
    pub total: u32,
    /// In the pool.
    pub free: u32,
    /// In trains that are being coalesced.
    pub held: u32,
    /// In the backlog.
    pub backlog: u32,
    /// Handed to other workers.
    #[serde(default)]
    pub handed: u32,
    /// The kernel's, to receive into.
    pub inbound: u32,
    /// The kernel's, to send.
    pub outbound: u32,
    /// Whether they add up.
    pub balanced: bool,
}

/// Percentiles of a time, in nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LatencyReport {
    /// How many were measured.
    pub count: u64,
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
