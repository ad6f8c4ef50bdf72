//! What is found out about an interface.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use sluice_common::offload::features::{Feature, size_goal};

use crate::config::{Mode, OWN_FEATURES, Offload};
use crate::control::nic::rss::{self, Rss, RssError, Spread};
use crate::control::nic::{self, Nic, NicFeature, XdpCapabilities};
use crate::control::request::{self, Request};
use crate::observe::report::{FeatureReport, Report as Stats};

/// Headers of a TCP packet over IPv4, without options.
const HEADERS: u32 = 40;

/// What `--json` prints. Keys are added, never renamed.
#[derive(Serialize)]
pub(super) struct Report {
    pub(super) iface: String,
    pub(super) mac: String,
    pub(super) mtu: u32,
    pub(super) up: bool,
    pub(super) queues: u32,
    /// How many there can be; none where the driver has one number for good.
    pub(super) queues_max: Option<u32>,
    /// How packets spread over them; none where the driver has no indirection table.
    pub(super) rss: Option<RssReport>,
    pub(super) xdp: XdpCapabilities,
    /// What the device can do at all, by the names of `ethtool -k`.
    pub(super) hardware: BTreeMap<&'static str, bool>,
    /// What driver and kernel do now, under the same names.
    pub(super) features: BTreeMap<&'static str, FeatureReport>,
    /// Why a feature of the interface is off that was asked for.
    pub(super) reasons: BTreeMap<&'static str, String>,
    /// Every feature of the interface by the kernel's own, finer names.
    pub(super) kernel: BTreeMap<String, NicFeature>,
    /// What Sluice does for its flows, in software, under the names of `ethtool -k`.
    pub(super) sluice: BTreeMap<String, FeatureReport>,
    /// Whose `sluice` is: `running`, of the running process, or `defaults`.
    pub(super) sluice_from: &'static str,
    /// Why it is the defaults.
    pub(super) sluice_note: Option<String>,
    /// Bytes of TCP payload in the largest super-packet of a connection over IPv4 with this MTU.
    pub(super) size_goal: u32,
}

/// Receive-side scaling.
#[derive(Serialize)]
pub(super) struct RssReport {
    #[serde(flatten)]
    pub(super) spread: Spread,
    /// The hash function by its name in `ethtool -x`, if the driver says it.
    pub(super) function: Option<String>,
    /// Length of its key in bytes.
    pub(super) key_len: usize,
}

impl RssReport {
    fn of(Rss { table, function, key_len }: Rss) -> Option<Self> {
        (!table.is_empty()).then(|| Self { spread: Spread::of(&table), function, key_len })
    }
}

impl Report {
    pub(super) async fn gather(iface: &str) -> Result<Self, RssError> {
        let nic = Nic::find(iface).await?;
        let queues = rss::queues(iface).await?;
        let kernel = nic::features(iface).await?;
        let xdp = nic::xdp_capabilities(&nic).await?;
        let lines = nic::lines(&kernel);
        let features = driver(&lines, nic.program);
        let reason = |(name, feature): (&&'static str, &FeatureReport)| {
            feature.reason.clone().map(|reason| (*name, reason))
        };
        Ok(Self {
            hardware: lines.iter().map(|(name, line)| (*name, line.hardware)).collect(),
            reasons: features.iter().filter_map(reason).collect(),
            features,
            kernel,
            sluice: defaults(),
            sluice_from: "defaults",
            sluice_note: None,
            size_goal: size_goal(HEADERS, nic.mtu.saturating_sub(HEADERS)),
            mac: nic.mac.map(|byte| format!("{byte:02x}")).join(":"),
            mtu: nic.mtu,
            up: nic.up,
            queues: nic.queues,
            queues_max: queues.settable.then(|| queues.most_receiving()),
            rss: rss::read(iface).await?.and_then(RssReport::of),
            iface: nic.iface,
            xdp,
        })
    }
}

impl Report {
    /// Puts what the running process does in the place of the defaults, if one serves this interface and
    /// may be asked.
    pub(super) fn ask_running(&mut self, socket: &Path) {
        match running(socket, &self.iface) {
            Ok(features) => (self.sluice, self.sluice_from) = (features, "running"),
            Err(why) => self.sluice_note = Some(why),
        }
    }
}

/// The features of the process that listens at `socket`, or why they are not to be had.
fn running(socket: &Path, iface: &str) -> Result<BTreeMap<String, FeatureReport>, String> {
    let answer = request::ask(socket, &Request::Stats);
    let answer =
        answer.map_err(|error| format!("nobody answers at {}: {error}", socket.display()))?;
    match serde_json::from_str::<Stats>(&answer) {
        Ok(stats) if stats.ports.iter().any(|port| port.iface == iface) => Ok(stats.features),
        Ok(stats) => {
            let served: Vec<_> = stats.ports.iter().map(|port| &*port.iface).collect();
            Err(format!("the running process serves {}", served.join(" and ")))
        }
        Err(_) => Err("the running process is of another version".to_owned()),
    }
}

/// What the driver does, with reasons.
fn driver(
    lines: &BTreeMap<&'static str, NicFeature>,
    program: u32,
) -> BTreeMap<&'static str, FeatureReport> {
    let told = Feature::ALL.iter().filter_map(|&feature| {
        let NicFeature { on, requested, fixed, .. } = *lines.get(feature.label())?;
        let lacks = requested && !on && !fixed;
        let reason = lacks.then(|| nic::why_off(feature, lines, program));
        Some((feature.label(), FeatureReport { on, requested, fixed, reason }))
    });
    told.collect()
}

/// What Sluice does where the configuration says nothing.
fn defaults() -> BTreeMap<String, FeatureReport> {
    let offload = Offload::parse("", Path::new("")).expect("an empty configuration is sound");
    FeatureReport::all(&offload.features(Mode::Host), OWN_FEATURES)
}
