//! What is found out about an interface.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use sluice_common::offload::features::{Feature, size_goal};

use crate::config::{Mode, OWN_FEATURES, Offload};
use crate::control::nic::{self, Nic, NicError, NicFeature, XdpCapabilities};
use crate::observe::report::FeatureReport;

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
    /// Bytes of TCP payload in the largest super-packet of a connection over IPv4 with this MTU.
    pub(super) size_goal: u32,
}

impl Report {
    pub(super) async fn gather(iface: &str) -> Result<Self, NicError> {
        let nic = Nic::find(iface).await?;
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
            size_goal: size_goal(HEADERS, nic.mtu.saturating_sub(HEADERS)),
            mac: nic.mac.map(|byte| format!("{byte:02x}")).join(":"),
            mtu: nic.mtu,
            up: nic.up,
            queues: nic.queues,
            iface: nic.iface,
            xdp,
        })
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
