//! The state a NIC is in.

use anyhow::{Result, ensure};
use sluice_lab::Namespace;

/// What ethtool tells of it: features, channels, how packets are spread, rings, coalescing.
const LOOKS: [&str; 5] = ["-k", "-l", "-x", "-g", "-c"];

/// All of it, in words.
#[derive(Default)]
pub(crate) struct Found(Vec<String>);

impl Found {
    /// What a driver does not tell is told by its refusal, and is the same each time.
    pub(crate) fn look(host: &Namespace, nic: &str) -> Self {
        let told = |text: Result<String>| text.unwrap_or_else(|error| format!("{error:#}"));
        let looks = LOOKS.iter().map(|look| told(host.exec("ethtool", &format!("{look} {nic}"))));
        let link = told(host.ip(&format!("-details link show dev {nic}")));
        Self(looks.chain([link]).collect())
    }

    /// # Errors
    /// The first that differs.
    pub(crate) fn ensure_same(&self, now: &Self) -> Result<()> {
        for (before, after) in self.0.iter().zip(&now.0) {
            ensure!(before == after, "the NIC is not as it was found\n{before}\nbut now\n{after}");
        }
        Ok(())
    }
}
