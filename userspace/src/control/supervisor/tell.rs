//! The answer to `sluice stats`.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::time::{Instant, timeout};

use super::super::protocol::Order;
use super::diversion::Diversion;
use super::process::DataPlane;
use super::rules::{action, in_words};
use super::serve::{Phase, Supervisor};
use super::served::Served;
use super::watch::{self, Pulse};
use crate::config::{OWN_FEATURES, Rule};
use crate::observe::report::{
    DataPlaneReport, FeatureReport, HostReport, Report, RuleReport, WorkerReport, sum,
};
use crate::steer::SteerCounters;

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

impl Supervisor {
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
        let counted: Vec<_> =
            self.ports.iter().map(|port| port.steering.counters().unwrap_or_default()).collect();
        let opened = self.opened.as_ref().map_or(&[][..], |opened| &*opened.ports);
        let port = |(index, port): (usize, &Served)| {
            port.report(opened.get(index).map_or(&[], Vec::as_slice), &counted[index])
        };
        let ports: Vec<_> = self.ports.iter().enumerate().map(port).collect();
        Report {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            mode: self.config().mode.word().to_owned(),
            state: self.state().to_owned(),
            uptime_s: self.started.elapsed().as_secs_f64(),
            data_plane: DataPlaneReport {
                pid: self.data_plane.as_ref().and_then(DataPlane::pid),
                restarts: self.restarts,
                last_end: self.last_end.clone(),
            },
            host: self.diversion.as_ref().map(|diversion| self.host(diversion)),
            answered: self.wire.as_ref().map(|wire| wire.answered),
            rules: self.rules(&counted),
            features: FeatureReport::all(&self.features, OWN_FEATURES),
            verdicts: sum(ports.iter().map(|port| &port.verdicts)),
            ports,
            workers,
        }
    }

    fn host(&self, diversion: &Diversion) -> HostReport {
        HostReport {
            tun: self.config().host.tun.clone(),
            routes_wanted: diversion.wanted(),
            routes_installed: diversion.installed(),
            table: self.config().host.table,
        }
    }

    /// What each rule matched on all ports.
    fn rules(&self, counted: &[SteerCounters]) -> Vec<RuleReport> {
        let report = |(index, rule): (usize, &Rule)| {
            let matched = || counted.iter().filter_map(|counted| counted.rules.get(index));
            RuleReport {
                rule: in_words(rule),
                action: action(rule.action).to_owned(),
                packets: matched().map(|count| count.packets).sum(),
                bytes: matched().map(|count| count.bytes).sum(),
            }
        };
        self.config().rules.iter().enumerate().map(report).collect()
    }

    fn state(&self) -> &'static str {
        let diverted = self.diversion.as_ref().is_none_or(|d| d.installed() || !d.wanted());
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
}
