//! The kernel's own network emulator.

use std::process::Command;

use anyhow::{Context, Result};

use crate::Namespace;
use crate::namespace::checked;

/// Lets `link` of `host` lose, delay, double or reorder what it sends, as `tc … netem` understands it:
/// `loss 1% reorder 5% delay 1ms`. Where the kernel has no netem, [`Impairment`](crate::Impairment) loses and
/// reorders as well.
///
/// # Errors
/// Without `tc`, or a kernel with netem (`CONFIG_NET_SCH_NETEM`).
pub fn netem(host: &Namespace, link: &str, what: &str) -> Result<()> {
    let mut tc = Command::new("tc");
    tc.args(["-n", host.name(), "qdisc", "replace", "dev", link, "root", "netem"]);
    checked(tc.args(what.split_whitespace()))
        .map(drop)
        .context("netem needs iproute2 and a kernel with CONFIG_NET_SCH_NETEM")
}
