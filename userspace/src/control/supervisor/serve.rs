//! The supervisor's state, and one loop over signals, the data plane, the clock and the control socket.

use std::time::Duration;

use rtnetlink::Handle;
use sluice_common::offload::features::{FeatureSet, Features};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::super::backoff::Backoff;
use super::super::mirror;
use super::super::protocol::{Answer, Opened, Order, Setup};
use super::super::socket::ControlSocket;
use super::asked::Questions;
use super::diversion::Diversion;
use super::orders::Orders;
use super::process::{DataPlane, Event};
use super::rules::steering_rules;
use super::served::Served;
use super::tell::Askers;
use super::watch::{self, Pulse};
use super::wire::Wire;
use super::{Configured, Signals, SupervisorError, Wish, queues};
use crate::config::{Config, Mode};
use crate::observe::report::WorkerReport;

/// How long the data plane may take to stop: together with everything else less than a second.
const STOPPING: Duration = Duration::from_millis(600);

/// Where things are.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Phase {
    /// The data plane was started and opens its ports.
    Opening,
    /// It was told to go at `since` (`CLOCK_MONOTONIC`).
    Running { since: u64, pulse: Pulse },
    /// It has ended and is started again at `until`.
    Waiting { until: Instant },
}

/// What the data plane was told last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Told {
    pub(super) features: FeatureSet,
    /// Of the configuration.
    pub(super) revision: u64,
}

/// The supervisor's whole state.
pub(super) struct Supervisor {
    pub(super) configured: Configured,
    pub(super) handle: Handle,
    /// In the order of the configuration.
    pub(super) ports: Vec<Served>,
    /// In host mode, what brings replies to the TUN device.
    pub(super) diversion: Option<Diversion>,
    /// In wire mode, what there is between the ports.
    pub(super) wire: Option<Wire>,
    pub(super) phase: Phase,
    pub(super) data_plane: Option<DataPlane>,
    pub(super) opened: Option<Opened>,
    pub(super) askers: Askers,
    pub(super) questions: Questions,
    /// Sluice's own features: from the configuration, and as they were switched since.
    pub(super) features: Features,
    /// How often what concerns the workers has changed in the configuration.
    pub(super) revision: u64,
    pub(super) told: Told,
    pub(super) orders: Orders,
    pub(super) started: Instant,
    pub(super) restarts: u64,
    pub(super) last_end: Option<String>,
    /// Whether a data plane has ever given signs of life; before that, an end is the end of all.
    pub(super) ran: bool,
    /// When the interfaces were last looked at.
    pub(super) looked: Instant,
    backoff: Backoff,
}

impl Supervisor {
    pub(super) fn new(configured: Configured, handle: Handle) -> Self {
        let config = &configured.config;
        let is = |mode| config.mode == mode;
        Self {
            ports: Vec::new(),
            diversion: is(Mode::Host).then(|| Diversion::new(handle.clone(), &config.host)),
            wire: is(Mode::Wire).then(Wire::default),
            phase: Phase::Opening,
            data_plane: None,
            opened: None,
            askers: Askers::default(),
            questions: Questions::default(),
            features: config.offload.features(config.mode),
            revision: 0,
            told: Told::default(),
            orders: Orders::default(),
            started: Instant::now(),
            restarts: 0,
            last_end: None,
            ran: false,
            backoff: Backoff::new(),
            looked: Instant::now(),
            configured,
            handle,
        }
    }

    pub(super) fn config(&self) -> &Config {
        &self.configured.config
    }

    /// Serves until a signal or a failure, then puts everything back.
    pub(super) async fn run(mut self, mut signals: Signals) -> Result<(), SupervisorError> {
        let served = self.serve(&mut signals).await;
        let stopped = self.shut_down().await;
        served.and(stopped)
    }

    async fn serve(&mut self, signals: &mut Signals) -> Result<(), SupervisorError> {
        self.claim().await?;
        let socket = ControlSocket::open(&self.config().control.socket)?;
        self.start().await?;
        let mut tick = interval(self.config().worker.fail_open / 4);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                wish = signals.recv() => match wish {
                    Wish::Stop(signal) => {
                        tracing::info!("{signal}: stopping");
                        return Ok(());
                    }
                    Wish::Reload => self.reload(None).await,
                },
                event = next(&mut self.data_plane) => self.heard(event).await?,
                Ok(asker) = socket.accept() => self.questions.hear(asker),
                event = event(&mut self.wire) => self.follow_link(event).await,
                Some(asked) = self.questions.next() => self.asked(asked).await,
                _ = tick.tick() => self.tick().await?,
            }
        }
    }

    /// Claims every port, and gives it the rules.
    async fn claim(&mut self) -> Result<(), SupervisorError> {
        let config = &self.configured.config;
        for port in &config.ports {
            let served = Served::claim(port, &config.control.state_dir, &self.handle).await?;
            self.ports.push(served);
        }
        let managed = queues::managed(config).await?;
        for port in &mut self.ports {
            if config.mode == Mode::Wire && !config.wire.addressed {
                port.refuse_addresses(&self.handle).await?;
            }
            port.settle_queues(managed, &self.handle).await?;
            if config.mode == Mode::Wire {
                port.receive_all(&self.handle).await?;
            }
        }
        queues::check(config, &self.ports)?;
        let rules = steering_rules(config);
        for port in &mut self.ports {
            port.steering.set_rules(&rules, config.worker.fail_open)?;
        }
        Ok(())
    }

    /// Starts a data plane.
    pub(super) async fn start(&mut self) -> Result<(), SupervisorError> {
        self.told = Told { features: self.features.active(), revision: self.revision };
        let setup = Setup {
            file: self.configured.file.clone(),
            config: self.configured.text.clone(),
            features: self.told.features,
            ports: self.ports.iter().map(Served::setup).collect(),
            supervisor: std::process::id().cast_signed(),
        };
        let maps = self.ports.iter().flat_map(Served::maps).collect::<Vec<_>>();
        let data_plane = DataPlane::start(setup, &maps).await;
        self.data_plane = Some(data_plane.map_err(SupervisorError::Start)?);
        self.phase = Phase::Opening;
        Ok(())
    }

    async fn heard(&mut self, event: Event) -> Result<(), SupervisorError> {
        match event {
            Event::Answer(Answer::Opened(opened)) => match self.go(opened).await {
                Err(error) if self.ran => {
                    tracing::error!("{error}");
                    self.kill("it could not be put to work");
                }
                result => return result,
            },
            Event::Answer(Answer::Report(workers)) => self.tell(workers),
            Event::Answer(Answer::Switched(done) | Answer::Settled(done)) => self.carried_out(done),
            Event::Answer(Answer::Stopped(_) | Answer::Failed { .. }) => {}
            Event::Ended(why) => return self.ended(why).await,
        }
        Ok(())
    }

    /// Everything is open: attach, prepare what the mode needs, and let the workers go.
    async fn go(&mut self, opened: Opened) -> Result<(), SupervisorError> {
        for (port, queues) in self.ports.iter_mut().zip(&opened.ports) {
            port.opened(queues);
        }
        self.join_ports().await?;
        if let (Some(diversion), [port]) = (&mut self.diversion, &mut *self.ports) {
            port.attach().await?;
            diversion.prepare(&self.configured.config, &mut port.journal).await?;
        }
        if let Some(data_plane) = &mut self.data_plane {
            data_plane.order(&Order::Go).await.map_err(SupervisorError::Start)?;
        }
        self.bound_features(&opened);
        self.opened = Some(opened);
        self.phase = Phase::Running { since: watch::now(), pulse: Pulse::Late(Duration::ZERO) };
        self.catch_up().await;
        Ok(())
    }

    /// The data plane has ended: replies go the kernel's way until the next one runs.
    pub(super) async fn ended(&mut self, why: String) -> Result<(), SupervisorError> {
        self.withdraw("the data plane has ended").await;
        self.give_up_waiting(true);
        let lived = self.data_plane.take().map_or(Duration::ZERO, |ended| ended.age());
        self.opened = None;
        if !self.ran {
            return Err(SupervisorError::DataPlane(why));
        }
        let wait = self.backoff.after(lived);
        tracing::error!("the data plane has ended ({why}); starting it again in {wait:?}");
        self.last_end = Some(why);
        self.phase = Phase::Waiting { until: Instant::now() + wait };
        Ok(())
    }

    pub(super) fn kill(&mut self, why: &str) {
        if let Some(data_plane) = &mut self.data_plane {
            tracing::error!("killing the data plane: {why}");
            data_plane.kill(why);
        }
    }

    /// Gives replies back to the kernel's own path, where there is another.
    pub(super) async fn withdraw(&mut self, why: &str) {
        if let Some(diversion) = &mut self.diversion {
            diversion.withdraw(why).await;
        }
    }

    /// Replies first, so that none is lost with the workers; then the workers, the programs, the rest.
    async fn shut_down(mut self) -> Result<(), SupervisorError> {
        self.withdraw("stopping").await;
        let last = match self.data_plane.take() {
            Some(data_plane) => data_plane.stop(STOPPING).await,
            None => None,
        };
        let mut released = Ok(());
        for port in self.ports {
            released = released.and(port.release(&self.handle).await);
        }
        released?;
        match last {
            Some(Answer::Stopped(workers)) => account_for(&workers),
            _ => Ok(()),
        }
    }
}

async fn next(data_plane: &mut Option<DataPlane>) -> Event {
    match data_plane {
        Some(data_plane) => data_plane.event().await,
        None => std::future::pending().await,
    }
}

async fn event(wire: &mut Option<Wire>) -> mirror::Event {
    match wire {
        Some(wire) => wire.event().await,
        None => std::future::pending().await,
    }
}

/// Says where all frames ended; a missing one is a bug that must not pass unseen.
fn account_for(workers: &[WorkerReport]) -> Result<(), SupervisorError> {
    // A helper has none of its own.
    for WorkerReport { queue, ledger, .. } in workers.iter().filter(|worker| !worker.helper) {
        if !ledger.balanced {
            return Err(SupervisorError::Unbalanced { queue: *queue, ledger: ledger.clone() });
        }
        tracing::info!("queue {queue}: stopped, all {} frames accounted for", ledger.total);
    }
    Ok(())
}
