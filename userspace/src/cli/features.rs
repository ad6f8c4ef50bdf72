//! `sluice features`: what an interface can do, and what Sluice does for it.

use std::collections::BTreeMap;

use comfy_table::{Table, presets};
use serde::Serialize;

use super::{Failure, print, print_json, runtime};
use crate::control::nic::{self, Feature, Nic, XdpCapabilities};

/// The names that matter to an AF_XDP fast path, in the order they are shown.
const NAMES: [&str; 14] = [
    "rx-checksumming",
    "tx-checksumming",
    "scatter-gather",
    "tcp-segmentation-offload",
    "tx-udp-segmentation",
    "generic-segmentation-offload",
    "generic-receive-offload",
    "large-receive-offload",
    "rx-gro-hw",
    "rx-vlan-offload",
    "tx-vlan-offload",
    "ntuple-filters",
    "receive-hashing",
    "hw-tc-offload",
];

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  sluice features eth1
  sluice features --json eth1 | jq .xdp.zero_copy

The names are those of `ethtool -k`. Changes nothing; needs no root.
Exit codes: 0 shown, 1 no such interface.")]
pub(super) struct Args {
    /// The interface.
    iface: String,
    /// Print one JSON document.
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    iface: String,
    mac: String,
    mtu: u32,
    up: bool,
    queues: u32,
    xdp: XdpCapabilities,
    /// Of the interface, as `ethtool -k` names them.
    features: BTreeMap<String, Feature>,
    /// Why a feature is off that was asked for.
    reasons: BTreeMap<String, String>,
    /// Of Sluice, in software, under the same names.
    sluice: BTreeMap<&'static str, Feature>,
}

pub(super) fn execute(args: &Args) -> Result<(), Failure> {
    let report = runtime()?.block_on(gather(&args.iface)).map_err(Failure::failed)?;
    if args.json { print_json(&report) } else { print(tables(&report)) }
}

async fn gather(iface: &str) -> Result<Report, nic::NicError> {
    let nic = Nic::find(iface).await?;
    let features = by_ethtool_name(&nic::features(iface).await?);
    Ok(Report {
        reasons: reasons(&features),
        xdp: nic::xdp_capabilities(iface, nic.index)?,
        mac: mac_text(nic.mac),
        mtu: nic.mtu,
        up: nic.up,
        queues: nic.queues,
        iface: nic.iface,
        features,
        sluice: own_features(),
    })
}

/// The kernel's names are finer than those of `ethtool -k`: several kernel features make one of its lines.
fn by_ethtool_name(kernel: &BTreeMap<String, Feature>) -> BTreeMap<String, Feature> {
    let line = |name: &str| {
        let parts = kernel_names(name).iter().filter_map(|part| kernel.get(*part));
        let all = parts.copied().reduce(|a, b| Feature {
            on: a.on || b.on,
            requested: a.requested || b.requested,
            fixed: a.fixed && b.fixed,
        });
        all.map(|feature| (name.to_owned(), feature))
    };
    NAMES.into_iter().filter_map(line).collect()
}

/// What a feature cannot do without (`netdev_fix_features` in `net/core/dev.c`).
fn needs(name: &str) -> &'static [&'static str] {
    match name {
        "tcp-segmentation-offload" | "tx-udp-segmentation" => {
            &["tx-checksumming", "scatter-gather"]
        }
        "scatter-gather" => &["tx-checksumming"],
        "generic-segmentation-offload" => &["scatter-gather"],
        "large-receive-offload" | "rx-gro-hw" => &["rx-checksumming"],
        _ => &[],
    }
}

/// Why features are off that were asked for.
fn reasons(features: &BTreeMap<String, Feature>) -> BTreeMap<String, String> {
    let is_off = |name: &&&str| features.get(**name).is_some_and(|feature| !feature.on);
    let reason = |name: &str| match needs(name).iter().find(is_off) {
        Some(missing) => format!("{missing} is off"),
        None => "the driver does not switch it on now".to_owned(),
    };
    let wanted = features.iter().filter(|(_, feature)| feature.requested && !feature.on);
    wanted.map(|(name, _)| (name.clone(), reason(name))).collect()
}

/// Which kernel features (`netdev_features_strings` in `net/ethtool/common.c`) a name stands for.
fn kernel_names(name: &str) -> &'static [&'static str] {
    match name {
        "rx-checksumming" => &["rx-checksum"],
        "tx-checksumming" => {
            &["tx-checksum-ipv4", "tx-checksum-ip-generic", "tx-checksum-ipv6", "tx-checksum-sctp"]
        }
        "scatter-gather" => &["tx-scatter-gather", "tx-scatter-gather-fraglist"],
        "tcp-segmentation-offload" => {
            &["tx-tcp-segmentation", "tx-tcp-ecn-segmentation", "tx-tcp6-segmentation"]
        }
        "tx-udp-segmentation" => &["tx-udp-segmentation"],
        "generic-segmentation-offload" => &["tx-generic-segmentation"],
        "generic-receive-offload" => &["rx-gro"],
        "large-receive-offload" => &["rx-lro"],
        "rx-gro-hw" => &["rx-gro-hw"],
        "rx-vlan-offload" => &["rx-vlan-hw-parse"],
        "tx-vlan-offload" => &["tx-vlan-hw-insert"],
        "ntuple-filters" => &["rx-ntuple-filter"],
        "receive-hashing" => &["rx-hashing"],
        "hw-tc-offload" => &["hw-tc-offload"],
        _ => &[],
    }
}

/// What Sluice does itself for the flows it serves, whatever the interface can do.
fn own_features() -> BTreeMap<&'static str, Feature> {
    let on = Feature { on: true, requested: true, fixed: false };
    let always = Feature { fixed: true, ..on };
    let absent = Feature { on: false, requested: false, fixed: true };
    BTreeMap::from([
        ("rx-checksumming", on),
        ("tx-checksumming", always),
        ("scatter-gather", always),
        ("tcp-segmentation-offload", on),
        ("tx-udp-segmentation", absent),
        ("generic-segmentation-offload", always),
        ("generic-receive-offload", on),
        ("large-receive-offload", absent),
    ])
}

fn tables(report: &Report) -> String {
    let mut about = borderless();
    about.set_header(["interface", &report.iface]);
    about.add_row(["MAC", &report.mac]);
    about.add_row(["MTU", &report.mtu.to_string()]);
    about.add_row(["state", if report.up { "up" } else { "down" }]);
    about.add_row(["receive queues", &report.queues.to_string()]);
    about.add_row(["native XDP", yes(report.xdp.native && report.xdp.redirect)]);
    about.add_row(["AF_XDP zero-copy", yes(report.xdp.zero_copy)]);
    about.add_row(["multi-buffer XDP", yes(report.xdp.multi_buffer)]);
    about.add_row(["XDP program attached", &program(report.xdp.program)]);
    let mut features = borderless();
    features.set_header(["feature", "interface", "Sluice, for its flows"]);
    for name in NAMES {
        let own = report.sluice.get(name).map_or("-", |feature| word(*feature));
        let theirs = report.features.get(name).map_or("-", |feature| word(*feature));
        let why = report.reasons.get(name).map(|reason| format!("{theirs}: {reason}"));
        features.add_row([name, why.as_deref().unwrap_or(theirs), own]);
    }
    format!("{about}\n\n{features}")
}

/// In the words of `ethtool -k`.
fn word(feature: Feature) -> &'static str {
    match feature {
        Feature { on: true, fixed: true, .. } => "on [fixed]",
        Feature { on: true, .. } => "on",
        Feature { fixed: true, .. } => "off [fixed]",
        Feature { requested: true, .. } => "off [requested on]",
        Feature { .. } => "off",
    }
}

fn yes(able: bool) -> &'static str {
    if able { "yes" } else { "not reported by the driver" }
}

fn program(id: u32) -> String {
    if id == 0 { "none".to_owned() } else { format!("id {id} (`bpftool prog show id {id}`)") }
}

fn mac_text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

fn borderless() -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_ethtool_is_on_when_any_of_its_kernel_features_is() {
        let off = Feature { on: false, requested: false, fixed: true };
        let on = Feature { on: true, requested: true, fixed: false };
        let kernel = BTreeMap::from([
            ("tx-tcp-segmentation".to_owned(), on),
            ("tx-tcp6-segmentation".to_owned(), off),
        ]);
        assert_eq!(by_ethtool_name(&kernel)["tcp-segmentation-offload"], on);
    }

    #[test]
    fn a_wish_that_is_not_met_has_its_reason() {
        let feature = |on, requested| Feature { on, requested, fixed: false };
        let features = BTreeMap::from([
            ("tcp-segmentation-offload".to_owned(), feature(false, true)),
            ("tx-checksumming".to_owned(), feature(true, true)),
            ("scatter-gather".to_owned(), feature(false, false)),
            ("ntuple-filters".to_owned(), feature(false, true)),
        ]);
        let reasons = reasons(&features);
        assert_eq!(reasons["tcp-segmentation-offload"], "scatter-gather is off");
        assert_eq!(reasons["ntuple-filters"], "the driver does not switch it on now");
        assert_eq!(reasons.len(), 2);
    }

    #[test]
    fn the_words_are_those_of_ethtool() {
        let feature = |on, requested, fixed| Feature { on, requested, fixed };
        assert_eq!(word(feature(true, true, true)), "on [fixed]");
        assert_eq!(word(feature(false, true, false)), "off [requested on]");
        assert_eq!(word(feature(false, false, true)), "off [fixed]");
        assert_eq!(word(feature(false, false, false)), "off");
    }
}
