//! One loop over signals, the data plane, the clock and the control socket.

use std::time::Duration;

use nix::net::if_::if_nametoindex;
use sluice_common::reason::VerdictReason;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::super::backoff::Backoff;
use super::super::nic;
use super::super::protocol::{Answer, Opened, Order, Setup};
use super::super::socket::ControlSocket;
use super::diversion::Diversion;
use super::process::{DataPlane, Event};
use super::rings::{Counted, EmptyRings};
use super::tell::Askers;
use super::watch::{self, HUNG, Pulse, patience, pulse};
use super::{Configured, StopSignals, SupervisorError};
use crate::config::Config;
use crate::observe::report::WorkerReport;
use crate::steer::{Attached, Steering};

/// How long opening may take. Each queue of a predecessor may be busy for three seconds, and drivers reset
/// the NIC for some of the steps.
const OPENING: Duration = Duration::from_secs(60);
/// How long the data plane may take to stop: together with everything else less than a second.
const STOPPING: Duration = Duration::from_millis(600);

/// How often to look whether the interface and its addresses are there: an administrator's haste, not a
/// packet's.
const LOOKING: Duration = Duration::from_secs(1);

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
    index: u32,
    pub(super) attached: Attached,
}

/// The supervisor's whole state.
pub(super) struct Supervisor<'c> {
    pub(super) configured: &'c Configured,
    pub(super) queues: Vec<u32>,
    pub(super) steering: Steering,
    pub(super) diversion: Diversion,
    pub(super) phase: Phase,
    pub(super) data_plane: Option<DataPlane>,
    pub(super) opened: Option<Opened>,
    pub(super) attachment: Option<Attachment>,
    pub(super) askers: Askers,
    pub(super) started: Instant,
    pub(super) restarts: u64,
    pub(super) reattached: u64,
    pub(super) last_end: Option<String>,
    /// Whether a data plane has ever given signs of life; before that, an end is the end of all.
    ran: bool,
    backoff: Backoff,
    rings: EmptyRings,
    /// When the interface was last looked at.
    looked: Instant,
}

impl<'c> Supervisor<'c> {
    pub(super) fn new(
        configured: &'c Configured,
        queues: Vec<u32>,
        steering: Steering,
        diversion: Diversion,
    ) -> Self {
        Self {
            configured,
            queues,
            steering,
            diversion,
            phase: Phase::Opening,
            data_plane: None,
            opened: None,
            attachment: None,
            askers: Askers::default(),
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
                Ok(asker) = socket.accept() => self.asked(asker).await,
                _ = tick.tick() => self.tick().await?,
            }
        }
    }

    /// Starts a data plane.
    async fn start(&mut self) -> Result<(), SupervisorError> {
        let setup = Setup {
            file: self.configured.file.clone(),
            config: self.configured.text.clone(),
            queues: self.queues.clone(),
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
        let attached = self.steering.attach(self.iface(), self.config().ports[0].xdp)?;
        let why = attached.reason.as_ref().map_or_else(String::new, |why| format!(": {why}"));
        tracing::info!("{}: XDP program attached, {} mode{why}", self.iface(), attached.mode);
        self.attachment = Some(Attachment { index, attached });
        Ok(())
    }

    /// The data plane has ended: replies go the kernel's way until the next one runs.
    async fn ended(&mut self, why: String) -> Result<(), SupervisorError> {
        self.diversion.withdraw("the data plane has ended").await;
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

    async fn tick(&mut self) -> Result<(), SupervisorError> {
        match self.phase {
            Phase::Opening if self.data_plane.as_ref().is_some_and(|d| d.age() > OPENING) => {
                self.kill("it does not come to an end with opening");
            }
            Phase::Running { since, pulse } => self.feel_pulse(since, pulse).await,
            Phase::Waiting { until } if Instant::now() >= until => {
                self.restarts += 1;
                if let Err(error) = self.start().await {
                    return self.ended(error.to_string()).await;
                }
            }
            Phase::Opening | Phase::Waiting { .. } => {}
        }
        self.look_at_interface().await;
        self.look_at_rings().await;
        if self.askers.are_impatient() {
            self.tell(Vec::new());
        }
        Ok(())
    }

    /// The policy routes follow the workers' signs of life.
    async fn feel_pulse(&mut self, since: u64, before: Pulse) {
        let beats = self.queues.iter().map(|&queue| self.steering.heartbeat(queue));
        let now = pulse(beats, since, watch::now(), patience(self.config().worker.fail_open));
        self.phase = Phase::Running { since, pulse: now };
        match now {
            Pulse::Alive => {
                if before != Pulse::Alive {
                    tracing::info!("the data plane is running");
                }
                self.ran = true;
                self.diversion.install().await;
            }
            Pulse::Late(by) => {
                if before == Pulse::Alive {
                    tracing::warn!("no sign of life for {by:?}: packets pass to the kernel");
                }
                self.diversion.withdraw("no sign of life from the data plane").await;
                if by > HUNG {
                    self.kill("it hangs");
                }
            }
        }
    }

    /// An interface that goes away says nothing to a worker that sleeps on its socket, and one that comes
    /// back under the same name is another: both take a new data plane. Addresses come and go with less.
    async fn look_at_interface(&mut self) {
        if self.looked.elapsed() < LOOKING || !matches!(self.phase, Phase::Running { .. }) {
            return;
        }
        self.looked = Instant::now();
        let there = if_nametoindex(self.iface()).ok();
        let served = self.attachment.as_ref().map(|attachment| attachment.index);
        if there != served {
            self.kill("the interface is gone");
        } else if let Err(error) = self.diversion.follow_addresses(self.config()).await {
            tracing::error!("{error}");
        }
    }

    /// The trap of a restart under an attached program; see [`super::rings`].
    async fn look_at_rings(&mut self) {
        let now = self.started.elapsed();
        if !matches!(self.phase, Phase::Running { .. }) || !self.rings.due(now) {
            return;
        }
        let counted = self.counted().await;
        if !self.rings.check(now, counted) {
            return;
        }
        tracing::warn!(
            "{}: the interface counts packets and the XDP program sees none since the data plane was \
             started again: attaching the program anew",
            self.iface()
        );
        self.reattached += 1;
        match self.steering.reattach() {
            Ok(attached) => {
                let index = if_nametoindex(self.iface()).unwrap_or(0);
                self.attachment = Some(Attachment { index, attached });
            }
            Err(error) => {
                tracing::error!("{error}");
                self.attachment = None;
                self.kill("it has no XDP program");
            }
        }
    }

    async fn counted(&self) -> Counted {
        let program = self.steering.counters().map_or(0, |counters| {
            VerdictReason::ALL.iter().map(|&reason| counters.of(reason)).sum()
        });
        Counted { interface: nic::received(self.iface()).await.unwrap_or(0), program }
    }

    fn kill(&mut self, why: &str) {
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
