//! What there is between the two ports of a wire: the programs that hand packets over, and the links.

use rtnetlink::Handle;

use super::super::journal::Change;
use super::super::mirror::{Event, Watch};
use super::SupervisorError;
use super::answerer::Answerer;
use super::serve::{Phase, Supervisor};
use super::served::Served;
use super::watch::{self, Pulse};
use crate::config::{self, Links, XdpMode};
use crate::steer::{End, bypass_mode};

/// How often to ask how the programs are to be attached: each may have to move to the generic hook once, and the
/// other because of that.
const ROUNDS: usize = 3;

/// What wire mode has beside its ports.
#[derive(Debug, Default)]
pub(super) struct Wire {
    /// The links of both ports, once they are there.
    links: Option<Watch>,
    /// Who answers while no worker does.
    answerer: Option<Answerer>,
    /// Answers it has given so far.
    pub(super) answered: u64,
}

impl Wire {
    /// A port was reset, and may be without a carrier for a while.
    pub(super) fn settle(&mut self) {
        if let Some(links) = &mut self.links {
            links.settle();
        }
    }

    /// The next event of a link.
    pub(super) async fn event(&mut self) -> Event {
        match &mut self.links {
            Some(links) => links.next().await,
            None => std::future::pending().await,
        }
    }
}

impl Supervisor {
    /// Both programs attached so that each can hand packets to the other port, both ports receiving what is
    /// addressed to others, and their links watched.
    pub(super) async fn join_ports(&mut self) -> Result<(), SupervisorError> {
        let (Some(wire), [a, b]) = (&mut self.wire, &mut *self.ports) else { return Ok(()) };
        let mut moved = false;
        for port in [&mut *a, &mut *b] {
            moved |= port.look(&self.handle).await?;
            port.receive_all(&self.handle).await?;
        }
        introduce(a, b)?;
        for port in [&mut *a, &mut *b] {
            moved |= port.attach().await?;
        }
        fit_modes(a, b).await?;
        if moved || wire.links.is_none() {
            let mirrors = self.configured.config.wire.link == Links::Mirror;
            wire.links = Some(watch_links(&self.handle, a, b, mirrors).await?);
        }
        wire.answerer = Some(answerer(a, b, &self.configured.config.wire)?);
        Ok(())
    }

    /// Answers otherwise from now on: the configuration or an MTU is another.
    pub(super) fn answer_anew(&mut self) {
        let (Some(wire), [a, b]) = (&mut self.wire, &*self.ports) else { return };
        if wire.answerer.is_none() {
            return;
        }
        match answerer(a, b, &self.configured.config.wire) {
            Ok(answerer) => wire.answerer = Some(answerer),
            Err(error) => tracing::error!("{error}"),
        }
    }

    /// Watches the links anew, once it is another thing that is done about them.
    pub(super) async fn watch_links(&mut self) {
        let (Some(wire), [a, b]) = (&mut self.wire, &mut *self.ports) else { return };
        if wire.links.is_none() {
            return;
        }
        let mirrors = self.configured.config.wire.link == Links::Mirror;
        match watch_links(&self.handle, a, b, mirrors).await {
            Ok(links) => wire.links = Some(links),
            Err(error) => tracing::error!("{error}"),
        }
    }

    /// Answers what is too large, unless the workers do.
    pub(super) fn answer(&mut self) {
        let is_alone = !matches!(self.phase, Phase::Running { pulse: Pulse::Alive, .. });
        let Some(wire) = &mut self.wire else { return };
        if let Some(answerer) = &mut wire.answerer {
            wire.answered += answerer.answer(watch::now(), is_alone);
        }
    }

    /// Tells of a link, and has the other one follow it.
    pub(super) async fn follow_link(&mut self, event: Event) {
        let Some(links) = self.wire.as_ref().and_then(|wire| wire.links.as_ref()) else { return };
        let side = event.side();
        tracing::info!("{}: {event}", links.iface(side));
        if let Err(error) = links.carry_out(event, &mut self.ports[side.index()].journal).await {
            tracing::error!("{error}");
        }
    }
}

fn answerer(a: &Served, b: &Served, config: &config::Wire) -> Result<Answerer, SupervisorError> {
    let (ifaces, mtus) = ([a.iface(), b.iface()], [a, b].map(|port| port.as_peer().mtu));
    Answerer::open(ifaces, mtus, config.icmp_from, config.icmp_rate)
        .map_err(SupervisorError::Answerer)
}

/// Tells each program where the other port is, and how large its packets may be.
pub(super) fn introduce(a: &mut Served, b: &mut Served) -> Result<(), SupervisorError> {
    let [to_a, to_b] = [b.as_peer(), a.as_peer()];
    a.steering.set_peer(Some(to_a))?;
    Ok(b.steering.set_peer(Some(to_b))?)
}

/// Moves programs to the generic hook from where they could hand nothing over. What a driver takes may depend on
/// what is attached to it: so this is asked when both are.
async fn fit_modes(a: &mut Served, b: &mut Served) -> Result<(), SupervisorError> {
    for _ in 0..ROUNDS {
        let both = fit_mode(a, b).await? | fit_mode(b, a).await?;
        if !both {
            break;
        }
    }
    Ok(())
}

/// Whether `own` had to be moved.
async fn fit_mode(own: &mut Served, other: &Served) -> Result<bool, SupervisorError> {
    let (own_can, other_can) = (own.can().await?, other.can().await?);
    let bypass = bypass_mode(
        End { iface: own.iface(), can: &own_can },
        End { iface: other.iface(), can: &other_can },
        own.wanted_mode(),
        own.buffers(),
    )?;
    if bypass.xdp != XdpMode::Generic || !own.is_native() {
        return Ok(false);
    }
    own.move_to_generic(bypass.reason)?;
    Ok(true)
}

/// Watches the links anew. What was held down before is set up: the new watch does not know of it.
async fn watch_links(
    handle: &Handle,
    a: &mut Served,
    b: &mut Served,
    mirrors: bool,
) -> Result<Watch, SupervisorError> {
    for port in [&mut *a, &mut *b] {
        let down = Change::LinkDown { iface: port.iface().to_owned() };
        if port.journal.changes().contains(&down) {
            port.journal.revert(&down, handle).await?;
        }
    }
    Ok(Watch::open(handle, [a.iface(), b.iface()], mirrors).await?)
}
