//! What the supervisor looks at by the clock: signs of life, the interface, rings that stay empty.

use std::time::Duration;

use nix::net::if_::if_nametoindex;
use sluice_common::reason::VerdictReason;
use tokio::time::Instant;

use super::super::nic;
use super::SupervisorError;
use super::rings::Counted;
use super::serve::{Attachment, Phase, Supervisor};
use super::watch::{self, HUNG, Pulse, patience, pulse};

/// How long opening may take. Each queue of a predecessor may be busy for three seconds, and drivers reset
/// the NIC for some of the steps.
const OPENING: Duration = Duration::from_secs(60);

/// How often to look whether the interface and its addresses are there: an administrator's haste, not a
/// packet's.
const LOOKING: Duration = Duration::from_secs(1);

impl Supervisor<'_> {
    /// What is to be looked at four times in the fail-open time.
    pub(super) async fn tick(&mut self) -> Result<(), SupervisorError> {
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
        self.give_up_switching(false);
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
            Ok(mut attached) => {
                attached.reason = attached.reason.or_else(|| self.taking.reason.clone());
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

    pub(super) async fn counted(&self) -> Counted {
        let program = self.steering.counters().map_or(0, |counters| {
            VerdictReason::ALL.iter().map(|&reason| counters.of(reason)).sum()
        });
        Counted { interface: nic::received(self.iface()).await.unwrap_or(0), program }
    }
}
