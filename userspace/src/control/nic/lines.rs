//! The lines of `ethtool -k`: several of the kernel's features may make one.

use std::collections::BTreeMap;

use sluice_common::offload::features::{Feature, Reason};

use super::NicFeature;
use super::features::NicFeatures;

/// The kernel's names (`netdev_features_strings`, net/ethtool/common.c) of what a line stands for; `*`
/// stands for anything. Of the others the kernel's name and `ethtool`'s are the same.
///
/// `ethtool` counts to TSO what only says how it is done (ECN, AccECN, fixed IDs), and so calls it on where the
/// kernel has switched it off and left such a one on. Here it is what cuts, over IPv4 or IPv6.
const PATTERNS: [(Feature, &str); 12] = [
    (Feature::RxChecksumming, "rx-checksum"),
    (Feature::TxChecksumming, "tx-checksum-*"),
    (Feature::ScatterGather, "tx-scatter-gather*"),
    (Feature::TcpSegmentation, "tx-tcp-segmentation"),
    (Feature::TcpSegmentation, "tx-tcp6-segmentation"),
    (Feature::GenericSegmentation, "tx-generic-segmentation"),
    (Feature::GenericReceive, "rx-gro"),
    (Feature::LargeReceive, "rx-lro"),
    (Feature::RxVlan, "rx-vlan-hw-parse"),
    (Feature::TxVlan, "tx-vlan-hw-insert"),
    (Feature::Ntuple, "rx-ntuple-filter"),
    (Feature::ReceiveHashing, "rx-hashing"),
];

/// The lines of `ethtool -k` that matter to Sluice, by name. One that is made of several of the kernel's
/// features is on as soon as one of them is, and fixed only if all are.
#[must_use]
pub fn lines(kernel: &NicFeatures) -> BTreeMap<&'static str, NicFeature> {
    let line = |&feature: &Feature| {
        let parts = kernel.iter().filter(|(name, _)| is_part(feature, name));
        let all = parts.map(|(_, part)| *part).reduce(|a, b| NicFeature {
            hardware: a.hardware || b.hardware,
            on: a.on || b.on,
            requested: a.requested || b.requested,
            fixed: a.fixed && b.fixed,
        });
        all.map(|all| (feature.label(), all))
    };
    Feature::ALL.iter().filter_map(line).collect()
}

/// Whether the kernel's feature `name` belongs to the line of `feature`.
fn is_part(feature: Feature, name: &str) -> bool {
    let mut patterns = PATTERNS.iter().filter(|(listed, _)| *listed == feature).peekable();
    let same = patterns.peek().is_none() && name == feature.label();
    same || patterns.any(|(_, pattern)| fits(pattern, name))
}

fn fits(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(begin) => name.starts_with(begin),
        None => name == pattern,
    }
}

/// Why `feature` is off though it is asked for, as far as that can be seen from outside of the driver;
/// `program` is the XDP program attached, 0 for none.
#[must_use]
pub fn why_off(
    feature: Feature,
    lines: &BTreeMap<&'static str, NicFeature>,
    program: u32,
) -> String {
    let is_off = |need: &&Feature| lines.get(need.label()).is_some_and(|need| !need.on);
    let hardware_gro = lines.get(Feature::HardwareReceive.label()).is_some_and(|line| line.on);
    match feature.needs().iter().find(is_off) {
        Some(missing) => Reason::Needs(*missing).to_string(),
        None if feature == Feature::LargeReceive && hardware_gro => {
            Reason::Excludes(Feature::HardwareReceive).to_string()
        }
        None if program != 0 => {
            "the driver keeps it off; an XDP program is attached, which not every driver takes with it"
                .to_owned()
        }
        None => "the driver does not switch it on now".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFF: NicFeature =
        NicFeature { hardware: false, on: false, requested: false, fixed: true };
    const ON: NicFeature = NicFeature { hardware: true, on: true, requested: true, fixed: false };

    fn named(features: &[(&str, NicFeature)]) -> NicFeatures {
        features.iter().map(|(name, feature)| ((*name).to_owned(), *feature)).collect()
    }

    #[test]
    fn f1_a_line_of_ethtool_is_on_when_any_of_its_kernel_features_is() {
        let kernel = named(&[
            ("tx-tcp-segmentation", OFF),
            ("tx-tcp6-segmentation", ON),
            ("tx-udp-segmentation", OFF),
            ("rx-gro-hw", ON),
            ("rx-gro", OFF),
        ]);
        let lines = lines(&kernel);
        assert_eq!(lines["tcp-segmentation-offload"], ON);
        assert_eq!(lines["tx-udp-segmentation"], OFF);
        assert_eq!(lines["generic-receive-offload"], OFF, "rx-gro-hw is another");
        assert_eq!(lines.len(), 4, "what the kernel has not is not made up");
    }

    #[test]
    fn f1_tso_is_off_where_only_its_manner_is_left_on() {
        let kernel = named(&[("tx-tcp-segmentation", OFF), ("tx-tcp-accecn-segmentation", ON)]);
        assert_eq!(lines(&kernel)["tcp-segmentation-offload"], OFF);
    }

    #[test]
    fn f1_a_wish_that_is_not_met_has_its_reason() {
        let wish = NicFeature { hardware: true, on: false, requested: true, fixed: false };
        let kernel = named(&[
            ("tx-tcp-segmentation", wish),
            ("tx-checksum-ipv4", ON),
            ("tx-scatter-gather", OFF),
            ("rx-lro", wish),
            ("rx-gro-hw", ON),
        ]);
        let why = |feature, program| why_off(feature, &lines(&kernel), program);
        assert_eq!(why(Feature::TcpSegmentation, 0), "it needs scatter-gather");
        assert_eq!(why(Feature::LargeReceive, 0), "it does not go with rx-gro-hw");
        assert_eq!(why(Feature::Ntuple, 0), "the driver does not switch it on now");
        assert!(why(Feature::Ntuple, 7).contains("an XDP program is attached"));
    }
}
