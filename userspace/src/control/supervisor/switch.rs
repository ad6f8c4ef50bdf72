//! Switching features while it runs. The supervisor remembers what is asked for, so that the next data
//! plane starts with it.

use sluice_common::offload::features::{Change, Feature, FeatureRefused, Limits};
use tokio::net::UnixStream;

use super::super::protocol::Opened;
use super::super::request::{ChangeReport, SetReply, SetReport};
use super::asked::answer;
use super::orders::Hears;
use super::serve::Supervisor;
use super::served::Served;
use crate::config::OWN_FEATURES;
use crate::observe::report::FeatureReport;

impl Supervisor {
    /// Somebody wants features switched.
    pub(super) async fn asked_to_switch(
        &mut self,
        asker: UnixStream,
        iface: &str,
        wish: &[(String, bool)],
    ) {
        let before = self.features;
        match wished(wish).and_then(|wish| self.switch(iface, &wish)) {
            Err(message) => answer(asker, &SetReply::Refused { message }),
            Ok(report) => {
                self.put_in_force(false, Hears::Switch { asker, report, before }).await;
            }
        }
    }

    /// Changes what is asked for; says what comes of it.
    fn switch(&mut self, iface: &str, wish: &[(Feature, bool)]) -> Result<SetReport, String> {
        if !self.ports.iter().any(|port| port.iface() == iface) {
            let served = self.ports.iter().map(Served::iface).collect::<Vec<_>>().join(" and ");
            return Err(format!("{iface} is not served: the running process serves {served}"));
        }
        if let Some((feature, _)) = wish.iter().find(|(feature, _)| !OWN_FEATURES.has(*feature)) {
            return Err(foreign(*feature, iface));
        }
        let before = self.features;
        self.features.set(wish).map_err(why_fixed)?;
        let changes = self.features.changes(&before, wish).map(change_report).collect::<Vec<_>>();
        for change in &changes {
            tracing::info!("{change}");
        }
        let features = FeatureReport::all(&self.features, OWN_FEATURES);
        Ok(SetReport { changes, later: None, features })
    }

    /// What the kernel under a new data plane can bounds the features.
    pub(super) fn bound_features(&mut self, opened: &Opened) {
        let limits = bounded(self.features.limits(), opened);
        self.features = self.features.within(limits);
    }
}

fn bounded(limits: &Limits, opened: &Opened) -> Limits {
    let udp = [Feature::UdpSegmentation, Feature::UdpReceive];
    let able = udp
        .iter()
        .fold(limits.able, |able, udp| able.with(*udp, able.has(*udp) && opened.udp_super_packets));
    Limits { able, ..*limits }
}

/// The features of these names.
fn wished(wish: &[(String, bool)]) -> Result<Vec<(Feature, bool)>, String> {
    let feature = |(name, on): &(String, bool)| match Feature::from_label(name) {
        Some(feature) => Ok((feature, *on)),
        None => Err(format!("{name}: the running process knows no such feature")),
    };
    wish.iter().map(feature).collect()
}

fn why_fixed(FeatureRefused { feature, on }: FeatureRefused) -> String {
    let word = if on { "on" } else { "off" };
    format!("{feature} cannot be changed: it is fixed {word} here; nothing was changed")
}

fn foreign(feature: Feature, iface: &str) -> String {
    format!(
        "{feature} is no feature of Sluice's, but of the interface's: `ethtool -K {iface} {feature} on|off`; \
         nothing was changed"
    )
}

fn change_report(change: Change) -> ChangeReport {
    let Change { feature, on, changed, named, reason } = change;
    let (name, reason) = (feature.label().to_owned(), reason.map(|reason| reason.to_string()));
    ChangeReport { name, on, changed, named, reason }
}

#[cfg(test)]
mod tests {
    use sluice_common::offload::features::FeatureSet;

    use super::*;

    #[test]
    fn f2_an_old_kernel_has_no_udp_super_packets() {
        let limits = Limits { able: FeatureSet::ALL, ..Limits::default() };
        let mut opened = Opened { udp_super_packets: false, ports: Vec::new() };
        let able = bounded(&limits, &opened).able;
        let udp = FeatureSet::of(&[Feature::UdpSegmentation, Feature::UdpReceive]);
        assert_eq!(FeatureSet::ALL.but(able), udp);
        opened.udp_super_packets = true;
        assert_eq!(bounded(&limits, &opened), limits);
    }

    #[test]
    fn a_name_of_another_version_is_refused() {
        let wish = [("tx-telepathy".to_owned(), true)];
        assert!(wished(&wish).unwrap_err().contains("tx-telepathy"));
    }
}
