//! The supervisor's state, and one loop over signals, the data plane, the clock and the control socket.

use std::time::Duration;

use nix::net::if_::if_nametoindex;
use sluice_common::offload::features::{FeatureSet, Features};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::super::backoff::Backoff;
use super::super::protocol::{Answer, Opened, Order, Setup};
use super::super::socket::ControlSocket;
use super::asked::Questions;
use super::diversion::Diversion;
use super::mtu::Taking;
use super::process::{DataPlane, Event};
use super::rings::EmptyRings;
use super::switch::Switching;
use super::tell::Askers;
use super::watch::{self, Pulse};
use super::{Configured, StopSignals, SupervisorError};
use crate::config::Config;
use crate::observe::report::WorkerReport;
use crate::steer::{Attached, Buffers, Steering};

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

/// What was attached, and to which interface.
#[derive(Debug)]
pub(super) struct Attachment {
    pub(super) index: u32,
    pub(super) attached: Attached,
}

/// The supervisor's whole state.
pub(super) struct Supervisor<'c> {
    pub(super) configured: &'c Configured,
    pub(super) queues: Vec<u32>,
    pub(super) taking: Taking,
    pub(super) steering: Steering,
    pub(super) diversion: Diversion,
    pub(super) phase: Phase,
    pub(super) data_plane: Option<DataPlane>,
    pub(super) opened: Option<Opened>,
    pub(super) attachment: Option<Attachment>,
    pub(super) askers: Askers,
    pub(super) questions: Questions,
    /// Sluice's own features: from the configuration, and as they were switched since.
    pub(super) features: Features,
    /// Those the data plane was told last.
    pub(super) told: FeatureSet,
    pub(super) switching: Switching,
    pub(super) started: Instant,
    pub(super) restarts: u64,
    pub(super) reattached: u64,
    pub(super) last_end: Option<String>,
    /// Whether a data plane has ever given signs of life; before that, an end is the end of all.
    pub(super) ran: bool,
    pub(super) rings: EmptyRings,
    /// When the interface was last looked at.
    pub(super) looked: Instant,
    backoff: Backoff,
}

impl<'c> Supervisor<'c> {
    pub(super) fn new(
        configured: &'c Configured,
        queues: Vec<u32>,
        taking: Taking,
        steering: Steering,
        diversion: Diversion,
    ) -> Self {
        Self {
            configured,
            queues,
            taking,
            steering,
            diversion,
            phase: Phase::Opening,
            data_plane: None,
            opened: None,
            attachment: None,
            askers: Askers::default(),
            questions: Questions::default(),
            features: configured.config.offload.features(configured.config.mode),
            told: FeatureSet::EMPTY,
            switching: Switching::default(),
            started: Instant::now(),
            restarts: 0,
            reattached: 0,
            last_end: None,
            ran: false,
            backoff: Backoff::new(),
            rings: EmptyRings::default(),
            looked: Instant::now(),
        }
    }

    pub(super) fn config(&self) -> &'c Config {
        &self.configured.config
    }

    pub(super) fn iface(&self) -> &'c str {
        &self.config().ports[0].iface
    }

    /// Serves until a signal or a failure, then puts everything back.
    pub(super) async fn run(
        mut self,
        mut signals: StopSignals,
        socket: ControlSocket,
    ) -> Result<(), SupervisorError> {
        let served = self.serve(&mut signals, &socket).await;
        let stopped = self.shut_down().await;
        served.and(stopped)
    }

    async fn serve(
        &mut self,
        signals: &mut StopSignals,
        socket: &ControlSocket,
    ) -> Result<(), SupervisorError> {
        self.start().await?;
        let mut tick = interval(self.config().worker.fail_open / 4);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                signal = signals.recv() => {
                    tracing::info!("{signal}: stopping");
                    return Ok(());
                }
                event = next(&mut self.data_plane) => self.heard(event).await?,
                Ok(asker) = socket.accept() => self.questions.hear(asker),
                Some(asked) = self.questions.next() => self.asked(asked).await,
                _ = tick.tick() => self.tick().await?,
            }
        }
    }

    /// Starts a data plane.
    pub(super) async fn start(&mut self) -> Result<(), SupervisorError> {
        self.told = self.features.active();
        let setup = Setup {
            file: self.configured.file.clone(),
            config: self.configured.text.clone(),
            features: self.told,
            queues: self.queues.clone(),
            multi_buffer: self.taking.buffers == Buffers::Several,
            supervisor: std::process::id().cast_signed(),
        };
        let maps = [self.steering.xsk_map_fd(), self.steering.heartbeat_fd()];
        let data_plane = DataPlane::start(setup, maps).await;
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
            Event::Answer(Answer::Switched(switched)) => self.switched(switched),
            Event::Answer(Answer::Stopped(_) | Answer::Failed { .. }) => {}
            Event::Ended(why) => return self.ended(why).await,
        }
        Ok(())
    }

    /// Everything is open: attach, prepare the TUN device, and let the workers go.
    async fn go(&mut self, opened: Opened) -> Result<(), SupervisorError> {
        for queue in &opened.queues {
            let copy = if queue.zero_copy { "zero-copy" } else { "copy" };
            let why = queue.reason.as_ref().map_or_else(String::new, |why| format!(": {why}"));
            tracing::info!("{} queue {}: {copy} mode{why}", self.iface(), queue.queue);
        }
        self.attach().await?;
        self.diversion.prepare(self.config()).await?;
        if let Some(data_plane) = &mut self.data_plane {
            data_plane.order(&Order::Go).await.map_err(SupervisorError::Start)?;
        }
        self.bound_features(&opened).await;
        self.opened = Some(opened);
        self.phase = Phase::Running { since: watch::now(), pulse: Pulse::Late(Duration::ZERO) };
        Ok(())
    }

    /// Attaches the program, unless it is on this very interface already.
    async fn attach(&mut self) -> Result<(), SupervisorError> {
        let index = if_nametoindex(self.iface()).unwrap_or(0);
        if self.attachment.as_ref().is_some_and(|attachment| attachment.index == index) {
            let counted = self.counted().await;
            self.rings.restarted(self.started.elapsed(), counted);
            return Ok(());
        }
        let mut attached = self.steering.attach(self.iface(), self.taking.xdp)?;
        attached.reason = attached.reason.or_else(|| self.taking.reason.clone());
        let why = attached.reason.as_ref().map_or_else(String::new, |why| format!(": {why}"));
        tracing::info!("{}: XDP program attached, {} mode{why}", self.iface(), attached.mode);
        self.attachment = Some(Attachment { index, attached });
        Ok(())
    }

    /// The data plane has ended: replies go the kernel's way until the next one runs.
    pub(super) async fn ended(&mut self, why: String) -> Result<(), SupervisorError> {
        self.diversion.withdraw("the data plane has ended").await;
        self.give_up_switching(true);
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

    /// Replies first, so that none is lost with the workers; then the workers, the program, the rest.
    async fn shut_down(mut self) -> Result<(), SupervisorError> {
        self.diversion.withdraw("stopping").await;
        let last = match self.data_plane.take() {
            Some(data_plane) => data_plane.stop(STOPPING).await,
            None => None,
        };
        self.steering.detach();
        self.diversion.restore().await?;
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

/// Says where all frames ended; a missing one is a bug that must not pass unseen.
fn account_for(workers: &[WorkerReport]) -> Result<(), SupervisorError> {
    for WorkerReport { queue, ledger, .. } in workers {
        if !ledger.balanced {
            return Err(SupervisorError::Unbalanced { queue: *queue, ledger: ledger.clone() });
        }
        tracing::info!("queue {queue}: stopped, all {} frames accounted for", ledger.total);
    }
    Ok(())
}
