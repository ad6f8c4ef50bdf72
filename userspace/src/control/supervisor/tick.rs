//! What the supervisor looks at by the clock: signs of life, the interface, rings that stay empty.

use std::time::Duration;

use tokio::time::Instant;

use super::SupervisorError;
use super::serve::{Phase, Supervisor};
use super::served::Served;
use super::watch::{self, HUNG, Pulse, patience, pulse};
use super::wire::introduce;
use crate::config::Mode;

/// How long opening may take. Each queue of a predecessor may be busy for three seconds, and drivers reset
/// the NIC for some of the steps.
const OPENING: Duration = Duration::from_secs(60);

/// How often to look whether the interface and its addresses are there: an administrator's haste, not a
/// packet's.
const LOOKING: Duration = Duration::from_secs(1);

impl Supervisor {
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
        self.look_at_interfaces().await;
        self.look_at_rings().await;
        self.answer();
        if self.askers.are_impatient() {
            self.tell(Vec::new());
        }
        self.give_up_waiting(false);
        Ok(())
    }

    /// What is taken away while the workers give no sign of life follows them.
    async fn feel_pulse(&mut self, since: u64, before: Pulse) {
        let beats = self.ports.iter().flat_map(Served::heartbeats);
        let now = pulse(beats, since, watch::now(), patience(self.config().worker.fail_open));
        self.phase = Phase::Running { since, pulse: now };
        match now {
            Pulse::Alive => {
                if before != Pulse::Alive {
                    tracing::info!("the data plane is running");
                }
                self.ran = true;
                if let Some(diversion) = &mut self.diversion {
                    diversion.install().await;
                }
            }
            Pulse::Late(by) => {
                if before == Pulse::Alive {
                    tracing::warn!("no sign of life for {by:?}: {}", self.meanwhile());
                }
                self.withdraw("no sign of life from the data plane").await;
                if by > HUNG {
                    self.kill("it hangs");
                }
            }
        }
    }

    /// What the XDP programs do with packets that no worker is there for.
    fn meanwhile(&self) -> &'static str {
        match self.config().mode {
            Mode::Wire => "packets are forwarded by the XDP programs",
            _ => "packets pass to the kernel",
        }
    }

    /// An interface that goes away says nothing to a worker that sleeps on its socket, and one that comes
    /// back under the same name is another: both take a new data plane. Addresses come and go with less.
    async fn look_at_interfaces(&mut self) {
        if self.looked.elapsed() < LOOKING || !matches!(self.phase, Phase::Running { .. }) {
            return;
        }
        self.looked = Instant::now();
        if let Some(gone) = self.ports.iter().find(|port| !port.is_there()) {
            let why = format!("the interface {} is gone", gone.iface());
            self.kill(&why);
        } else if self.wire.is_some() {
            self.look_at_mtus().await;
        } else if let (Some(diversion), [port]) = (&mut self.diversion, &mut *self.ports) {
            let config = &self.configured.config;
            if let Err(error) = diversion.follow_addresses(config, &mut port.journal).await {
                tracing::error!("{error}");
            }
        }
    }

    /// Another MTU takes workers that know of it, and programs that do: those first, for they carry on alone.
    async fn look_at_mtus(&mut self) {
        let mut changed = None;
        for port in &mut self.ports {
            if let Some(mtu) = port.new_mtu(&self.handle).await {
                changed = Some(format!("the MTU of {} is {mtu} now", port.iface()));
            }
        }
        let (Some(why), [a, b]) = (changed, &mut *self.ports) else { return };
        if let Err(error) = introduce(a, b) {
            tracing::error!("{error}");
        }
        self.answer_anew();
        self.kill(&why);
    }

    async fn look_at_rings(&mut self) {
        if !matches!(self.phase, Phase::Running { .. }) {
            return;
        }
        let (mut reset, mut lost) = (false, false);
        for port in &mut self.ports {
            match port.look_at_rings().await {
                Ok(attached) => reset |= attached,
                Err(error) => {
                    tracing::error!("{error}");
                    lost = true;
                }
            }
        }
        if let (true, Some(wire)) = (reset, &mut self.wire) {
            wire.settle();
        }
        if lost {
            self.kill("it has no XDP program");
        }
    }
}
