//! What there is to say where a test has failed: some do once in many runs, and nobody gets a second look.

use std::collections::BTreeMap;
use std::fmt::Display;

use anyhow::{Result, anyhow};
use serde_json::Value;
use sluice_lab::{Namespace, Sluice};

/// A NIC: the host it is in, and its name.
pub(crate) type Nic<'a> = (&'a Namespace, &'a str);

/// What NICs had counted when a test began. They go on counting from one test to the next.
pub(crate) struct Evidence(Vec<Counters>);

/// Counters by name.
type Counters = BTreeMap<String, u64>;

/// What each host tells besides: packets and connections of its kernel.
const HOST: [(&str, &str); 2] = [("nstat", "-as"), ("ss", "-tinm")];

/// Lines of the kernel's log that are shown.
const TAIL: usize = 20;

impl Evidence {
    /// Looks at the NICs; [`Self::explain`] wants the same ones.
    pub(crate) fn begin(nics: &[Nic<'_>]) -> Self {
        Self(nics.iter().map(|nic| counters(*nic)).collect())
    }

    /// `outcome`; its error says what the NICs have counted since, what their hosts and their kernel tell, and
    /// Sluice's counters and log.
    pub(crate) fn explain<T>(
        &self,
        outcome: Result<T>,
        nics: &[Nic<'_>],
        sluice: Option<&Sluice>,
    ) -> Result<T> {
        outcome.map_err(|error| {
            let counted = nics.iter().zip(&self.0).map(|(nic, before)| counted(*nic, before));
            let hosts = nics.iter().flat_map(|(host, nic)| of_host(host, nic));
            let parts = counted.chain(hosts).chain([kernel_log(nics)]);
            let parts: Vec<_> = parts.chain(sluice.map(of_sluice)).collect();
            anyhow!("{error:?}\n\n{}", parts.join("\n\n"))
        })
    }
}

/// What changed, and how the link is.
fn counted((host, nic): Nic<'_>, before: &Counters) -> String {
    let changed = counters((host, nic)).into_iter().filter_map(|(name, now)| {
        // A driver may begin anew when it resets the NIC.
        let before = before.get(&name).copied().unwrap_or(0);
        (now != before).then(|| format!("{name}: {before} -> {now}"))
    });
    let link = told(host.ip(&format!("-details link show dev {nic}")));
    part(&format!("{nic} counts"), link + &changed.collect::<Vec<_>>().join("\n"))
}

/// Those of the driver and those every interface has; none where it does not tell.
fn counters((host, nic): Nic<'_>) -> Counters {
    let driver = host.exec("ethtool", &format!("-S {nic}")).unwrap_or_default();
    let mut counters = Counters::new();
    // vmxnet3 gives the counters of all queues the same names.
    for (name, count) in driver.lines().filter_map(of_driver) {
        *counters.entry(name).or_default() += count;
    }
    let link = host.ip(&format!("-json -statistics -statistics link show dev {nic}"));
    let link: Value =
        link.ok().and_then(|told| serde_json::from_str(&told).ok()).unwrap_or_default();
    for way in ["rx", "tx"] {
        let table = link[0]["stats64"][way].as_object().into_iter().flatten();
        let numbers = table.filter_map(|(name, count)| Some((name, count.as_u64()?)));
        counters.extend(numbers.map(|(name, count)| (format!("ip {way} {name}"), count)));
    }
    counters
}

/// `     rx_queue_0_drops: 7`
fn of_driver(line: &str) -> Option<(String, u64)> {
    let (name, count) = line.rsplit_once(':')?;
    Some((name.trim().to_owned(), count.trim().parse().ok()?))
}

fn of_host(host: &Namespace, nic: &str) -> Vec<String> {
    let ask = |(program, arguments)| {
        part(&format!("{program} of the host with {nic}"), told(host.exec(program, arguments)))
    };
    HOST.into_iter().map(ask).collect()
}

/// There is one kernel, whichever host is asked.
fn kernel_log(nics: &[Nic<'_>]) -> String {
    let log = nics.first().map(|(host, _)| told(host.exec("dmesg", ""))).unwrap_or_default();
    let lines: Vec<_> = log.lines().collect();
    part("the kernel's log ends", lines[lines.len().saturating_sub(TAIL)..].join("\n"))
}

fn of_sluice(sluice: &Sluice) -> String {
    let stats = sluice.stats().map(|stats| format!("{:#}", stats.0));
    part("Sluice counts", told(stats)) + "\n\n" + &part("Sluice says", sluice.log())
}

fn part(title: &str, text: impl Display) -> String {
    format!("--- {title}\n{text}")
}

/// A refusal is told as well.
fn told(text: Result<String>) -> String {
    text.unwrap_or_else(|error| format!("{error:#}"))
}
