//! The answer to `sluice stats`.

use std::time::Duration;

use sluice_common::classify::Action;
use sluice_common::reason::VerdictReason;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::time::{Instant, timeout};

use super::super::protocol::{Opened, Order};
use super::process::DataPlane;
use super::serve::{Phase, Supervisor};
use super::watch::{self, Pulse};
use crate::config::{OWN_FEATURES, PortRange, Proto, Rule};
use crate::observe::report::{
    Counters, DataPlaneReport, FeatureReport, HostReport, PortReport, QueueReport, Report,
    RuleReport, WorkerReport,
};

/// How long the data plane may take to say what it has counted, before the answer goes without it.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long who asks may take to read the answer.
const READING: Duration = Duration::from_secs(1);

/// Those who wait for an answer.
#[derive(Debug, Default)]
pub(super) struct Askers {
    waiting: Vec<UnixStream>,
    since: Option<Instant>,
}

impl Askers {
    /// Whether the data plane has had its time.
    pub(super) fn are_impatient(&self) -> bool {
        self.since.is_some_and(|since| since.elapsed() >= PATIENCE)
    }

    /// Notes one more; whether it is the first, for whom the data plane is to be asked.
    fn add(&mut self, asker: UnixStream) -> bool {
        self.waiting.push(asker);
        self.since.replace(Instant::now()).is_none()
    }

    /// Answers all of them, each at its own pace.
    fn answer(&mut self, answer: &str) {
        self.since = None;
        for mut asker in self.waiting.drain(..) {
            let answer = answer.to_owned();
            // One that goes away or does not read has itself to blame.
            tokio::spawn(async move { timeout(READING, asker.write_all(answer.as_bytes())).await });
        }
    }
}

impl Supervisor<'_> {
    /// Somebody asks: the workers' counters are fetched if they are there to be had.
    pub(super) async fn asked_for_stats(&mut self, asker: UnixStream) {
        if !self.askers.add(asker) {
            return;
        }
        let alive = matches!(self.phase, Phase::Running { pulse: Pulse::Alive, .. });
        let fetched = match &mut self.data_plane {
            Some(data_plane) if alive => data_plane.order(&Order::Report).await.is_ok(),
            _ => false,
        };
        if !fetched {
            self.tell(Vec::new());
        }
    }

    /// Answers everyone who waits.
    pub(super) fn tell(&mut self, workers: Vec<WorkerReport>) {
        let report = self.report(workers);
        match serde_json::to_string(&report) {
            Ok(answer) => self.askers.answer(&answer),
            Err(error) => tracing::error!("the report cannot be written: {error}"),
        }
    }

    fn report(&self, workers: Vec<WorkerReport>) -> Report {
        let counted = self.steering.counters().ok();
        let verdicts = counted.as_ref().map_or_else(Counters::new, |counted| {
            let label = |reason: &VerdictReason| (reason.label().to_owned(), counted.of(*reason));
            VerdictReason::ALL.iter().map(label).collect()
        });
        let matched = counted.map_or_else(Vec::new, |counted| counted.rules);
        let rules = self.config().rules.iter().enumerate().map(|(index, rule)| RuleReport {
            rule: in_words(rule),
            action: action(rule.action).to_owned(),
            packets: matched.get(index).map_or(0, |count| count.packets),
            bytes: matched.get(index).map_or(0, |count| count.bytes),
        });
        Report {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            mode: "host".to_owned(),
            state: self.state().to_owned(),
            uptime_s: self.started.elapsed().as_secs_f64(),
            data_plane: DataPlaneReport {
                pid: self.data_plane.as_ref().and_then(DataPlane::pid),
                restarts: self.restarts,
                last_end: self.last_end.clone(),
            },
            port: self.port(),
            host: HostReport {
                tun: self.config().host.tun.clone(),
                routes_wanted: self.diversion.wanted(),
                routes_installed: self.diversion.installed(),
                table: self.config().host.table,
            },
            rules: rules.collect(),
            features: FeatureReport::all(&self.features, OWN_FEATURES),
            verdicts,
            workers,
        }
    }

    fn state(&self) -> &'static str {
        let diverted = self.diversion.installed() || !self.diversion.wanted();
        match self.phase {
            Phase::Running { pulse: Pulse::Alive, .. } if diverted => "running",
            Phase::Running { pulse: Pulse::Late(by), .. } if by >= self.patience() => "stalled",
            Phase::Opening | Phase::Running { .. } => "opening",
            Phase::Waiting { .. } => "waiting",
        }
    }

    fn patience(&self) -> Duration {
        watch::patience(self.config().worker.fail_open)
    }

    fn port(&self) -> PortReport {
        let attached = self.attachment.as_ref().map(|attachment| &attachment.attached);
        PortReport {
            iface: self.iface().to_owned(),
            xdp: attached.map_or_else(|| "none".to_owned(), |attached| attached.mode.to_string()),
            xdp_reason: attached.and_then(|attached| attached.reason.clone()),
            reattached: self.reattached,
            queues: self.opened.as_ref().map_or_else(Vec::new, |opened| self.queue_reports(opened)),
        }
    }

    fn queue_reports(&self, opened: &Opened) -> Vec<QueueReport> {
        let age = |queue| match self.steering.heartbeat(queue) {
            0 => None,
            beat => Some(watch::now().saturating_sub(beat) / 1_000_000),
        };
        let report = |queue: &super::super::protocol::OpenedQueue| QueueReport {
            queue: queue.queue,
            zero_copy: queue.zero_copy,
            reason: queue.reason.clone(),
            huge_pages: queue.huge_pages,
            heartbeat_age_ms: age(queue.queue),
        };
        opened.queues.iter().map(report).collect()
    }
}

/// A rule as a sentence of the configuration's words.
fn in_words(rule: &Rule) -> String {
    let ports = |PortRange { first, last }: PortRange| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    let proto = rule.proto.map(|proto| if proto == Proto::Tcp { "tcp" } else { "udp" });
    let conditions = [
        rule.src.map(|src| format!("src {src}")),
        rule.dst.map(|dst| format!("dst {dst}")),
        proto.map(|proto| format!("proto {proto}")),
        rule.src_port.map(|range| format!("src_port {}", ports(range))),
        rule.dst_port.map(|range| format!("dst_port {}", ports(range))),
        rule.vlan.map(|vlan| format!("vlan {vlan}")),
    ];
    let said: Vec<_> = conditions.into_iter().flatten().collect();
    if said.is_empty() { "everything".to_owned() } else { said.join(" ") }
}

const fn action(action: Action) -> &'static str {
    match action {
        Action::Steer => "steer",
        Action::Pass => "pass",
        Action::Drop => "drop",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_said_in_the_words_of_the_configuration() {
        let mut rule = Rule {
            src: None,
            dst: Some("10.0.0.2/32".parse().unwrap()),
            proto: Some(Proto::Tcp),
            src_port: Some(PortRange { first: 80, last: 80 }),
            dst_port: Some(PortRange { first: 5000, last: 6000 }),
            vlan: None,
            action: Action::Steer,
        };
        let said = "dst 10.0.0.2/32 proto tcp src_port 80 dst_port 5000-6000";
        assert_eq!(in_words(&rule), said);
        (rule.dst, rule.proto, rule.src_port, rule.dst_port) = (None, None, None, None);
        assert_eq!(in_words(&rule), "everything");
    }
}
