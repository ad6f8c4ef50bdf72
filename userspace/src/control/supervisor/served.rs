//! A port that is served: its interface, its queues, its XDP program, and the journal of what was changed on it.

use std::os::fd::BorrowedFd;
use std::path::Path;

use nix::net::if_::if_nametoindex;
use rtnetlink::Handle;
use sluice_common::reason::VerdictReason;
use tokio::time::Instant;

use super::super::descriptors::MAPS;
use super::super::journal::{Change, Journal};
use super::super::link::{Link, LinkError};
use super::super::nic::{self, Nic, NicError, XdpCapabilities, keep_tags, rss, xdp_capabilities};
use super::super::protocol::{OpenedQueue, PortSetup};
use super::SupervisorError;
use super::mtu::{self, Taking};
use super::rings::{Counted, EmptyRings};
use super::{queues, watch};
use crate::config::{Port, Rss, XdpMode};
use crate::observe::report::{Counters, PortReport, QueueReport};
use crate::steer::{AttachMode, Attached, Buffers, Peer, SteerCounters, SteerError, Steering};

/// What was attached, and to which interface.
#[derive(Debug)]
struct Attachment {
    index: u32,
    attached: Attached,
}

/// A port that is served.
pub(super) struct Served {
    /// How it is configured.
    pub(super) port: Port,
    /// The queues that are served, in the order of the workers; none before that is settled.
    pub(super) queues: Vec<u32>,
    pub(super) steering: Steering,
    pub(super) journal: Journal,
    /// The interface as it was when it was last looked at.
    link: Link,
    taking: Taking,
    attachment: Option<Attachment>,
    rings: EmptyRings,
    reattached: u64,
    /// Whether the data plane's rings are in zero-copy mode.
    zero_copy: bool,
    /// What the ring watch has for a clock.
    started: Instant,
}

impl Served {
    /// Claims the interface for this process and undoes what a killed one left. No queue is served yet, there are
    /// no rules, and nothing is attached.
    pub(super) async fn claim(
        port: &Port,
        state_dir: &Path,
        handle: &Handle,
    ) -> Result<Self, SupervisorError> {
        let nic = Nic::find(&port.iface).await?;
        let link = Link::find(handle, &port.iface).await?;
        let taking = mtu::taking(&nic, &xdp_capabilities(&nic).await?, port.xdp)?;
        let mut journal = Journal::open(state_dir, &port.iface)?;
        let left = journal.changes().len();
        if left > 0 {
            tracing::warn!("undoing {left} changes that an earlier sluice left behind");
        }
        journal.undo(handle).await?;
        let steering = match Steering::load_for(taking.buffers) {
            Ok(steering) => steering,
            Err(error) => {
                journal.remove()?;
                return Err(error.into());
            }
        };
        Ok(Self {
            port: port.clone(),
            queues: Vec::new(),
            steering,
            journal,
            link,
            taking,
            attachment: None,
            rings: EmptyRings::default(),
            reattached: 0,
            zero_copy: false,
            started: Instant::now(),
        })
    }

    pub(super) fn iface(&self) -> &str {
        &self.port.iface
    }

    /// Settles which queues are served: the first `managed`, where Sluice sees to their number.
    pub(super) async fn settle_queues(
        &mut self,
        managed: Option<u32>,
        handle: &Handle,
    ) -> Result<(), SupervisorError> {
        self.queues = match managed.filter(|_| self.port.rss == Rss::Manage) {
            Some(count) => {
                rss::manage(&self.port.iface, count, &mut self.journal, handle).await?;
                (0..count).collect()
            }
            None => queues::listed(&self.port, &Nic::find(&self.port.iface).await?)?,
        };
        Ok(())
    }

    /// Refuses an interface with an address, which nobody could reach once everything that comes in by it goes to
    /// the other port.
    pub(super) async fn refuse_addresses(&self, handle: &Handle) -> Result<(), SupervisorError> {
        let addresses = self.link.addresses(handle).await?;
        addresses.first().map_or(Ok(()), |&address| {
            Err(SupervisorError::Addressed { iface: self.iface().to_owned(), address })
        })
    }

    /// What the data plane is to open of it.
    pub(super) fn setup(&self) -> PortSetup {
        let multi_buffer = self.taking.buffers == Buffers::Several;
        PortSetup { queues: self.queues.clone(), multi_buffer }
    }

    /// The maps that the data plane needs: sockets, signs of life.
    pub(super) fn maps(&self) -> [BorrowedFd<'_>; MAPS] {
        [self.steering.xsk_map_fd(), self.steering.heartbeat_fd()]
    }

    /// Its queues are open.
    pub(super) fn opened(&mut self, queues: &[OpenedQueue]) {
        self.zero_copy = queues.iter().any(|queue| queue.zero_copy);
        queues.iter().for_each(|queue| self.tell(queue));
    }

    /// Says how a queue was opened.
    fn tell(&self, opened: &OpenedQueue) {
        let copy = if opened.zero_copy { "zero-copy" } else { "copy" };
        let why = opened.reason.as_ref().map_or_else(String::new, |why| format!(": {why}"));
        let way = if opened.by_socket { "a packet socket" } else { "the transmit ring" };
        let (iface, queue) = (self.iface(), opened.queue);
        tracing::info!("{iface} queue {queue}: {copy} mode{why}; packets leave by {way}");
    }

    /// Looks at the interface anew; whether it is another one than before.
    pub(super) async fn look(&mut self, handle: &Handle) -> Result<bool, LinkError> {
        let before = std::mem::replace(&mut self.link, Link::find(handle, &self.port.iface).await?);
        Ok(before.index != self.link.index)
    }

    /// The MTU it has now, where that is another one than before.
    pub(super) async fn new_mtu(&mut self, handle: &Handle) -> Option<u32> {
        let before = self.link.mtu;
        // One that is gone is noticed elsewhere.
        self.look(handle).await.ok()?;
        (self.link.mtu != before).then_some(self.link.mtu)
    }

    /// Where the other port of a wire finds it.
    pub(super) const fn as_peer(&self) -> Peer {
        Peer { index: self.link.index, mtu: self.link.mtu }
    }

    /// Has it receive what is addressed to others, and all of that: VLAN tags too.
    pub(super) async fn receive_all(&mut self, handle: &Handle) -> Result<(), SupervisorError> {
        let tags = keep_tags(self.iface()).await?.into_iter().map(Change::Feature);
        let promiscuous = Change::promiscuous(handle, &self.link).await?;
        for change in tags.chain(promiscuous) {
            self.journal.apply(change, handle).await?;
        }
        Ok(())
    }

    /// Attaches the program, unless it is on this very interface already; whether it had to be.
    pub(super) async fn attach(&mut self) -> Result<bool, SteerError> {
        let index = self.index();
        if self.attachment.as_ref().is_some_and(|attachment| Some(attachment.index) == index) {
            if let Some(counted) = self.counted().await {
                self.rings.restarted(self.started.elapsed(), counted, self.zero_copy);
            }
            return Ok(false);
        }
        let attached = self.steering.attach(&self.port.iface, self.taking.xdp)?;
        self.note(index, attached);
        Ok(true)
    }

    /// Where the program is to be attached, as far as this port alone is concerned.
    pub(super) const fn wanted_mode(&self) -> XdpMode {
        self.taking.xdp
    }

    pub(super) const fn buffers(&self) -> Buffers {
        self.taking.buffers
    }

    /// What the driver can do as things are.
    pub(super) async fn can(&self) -> Result<XdpCapabilities, NicError> {
        xdp_capabilities(&Nic::find(self.iface()).await?).await
    }

    pub(super) fn is_native(&self) -> bool {
        let mode = self.attachment.as_ref().map(|attachment| attachment.attached.mode);
        mode == Some(AttachMode::Native)
    }

    /// Attaches the program anew, in the generic hook.
    pub(super) fn move_to_generic(&mut self, reason: Option<String>) -> Result<(), SteerError> {
        self.attachment = None;
        let attached = self.steering.attach(&self.port.iface, XdpMode::Generic)?;
        self.note(self.index(), Attached { reason, ..attached });
        Ok(())
    }

    /// Notes what was attached, and says it.
    fn note(&mut self, index: Option<u32>, mut attached: Attached) {
        attached.reason = attached.reason.or_else(|| self.taking.reason.clone());
        let why = attached.reason.as_ref().map_or_else(String::new, |why| format!(": {why}"));
        tracing::info!("{}: XDP program attached, {} mode{why}", self.iface(), attached.mode);
        self.attachment = Some(Attachment { index: index.unwrap_or(0), attached });
    }

    /// Number of the interface that has its name now.
    fn index(&self) -> Option<u32> {
        if_nametoindex(self.iface()).ok()
    }

    /// Whether the interface is the one that the program was attached to.
    pub(super) fn is_there(&self) -> bool {
        self.index() == self.attachment.as_ref().map(|attachment| attachment.index)
    }

    /// When each worker last gave a sign of life, `CLOCK_MONOTONIC` in nanoseconds.
    pub(super) fn heartbeats(&self) -> impl Iterator<Item = u64> {
        self.queues.iter().map(|&queue| self.steering.heartbeat(queue))
    }

    /// The traps of a restart under an attached program, and of a reset; see [`super::rings`]. Whether the program was attached
    /// anew; an error leaves the interface without one.
    pub(super) async fn look_at_rings(&mut self) -> Result<bool, SteerError> {
        let now = self.started.elapsed();
        if !self.rings.due(now) {
            return Ok(false);
        }
        let Some(counted) = self.counted().await else { return Ok(false) };
        if !self.rings.check(now, counted) {
            return Ok(false);
        }
        tracing::warn!(
            "{}: the XDP program sees no packets since the data plane was started again or the link was away: \
             attaching it anew",
            self.iface()
        );
        self.reattached += 1;
        self.attachment = None;
        let attached = self.steering.reattach()?;
        self.note(self.index(), attached);
        Ok(true)
    }

    /// Nothing where either does not tell: an interface that is gone is noticed elsewhere.
    async fn counted(&self) -> Option<Counted> {
        let counters = self.steering.counters().ok()?;
        let program = VerdictReason::ALL.iter().map(|&reason| counters.of(reason)).sum();
        Some(Counted { interface: nic::counts(self.iface()).await.ok()?, program })
    }

    /// What `sluice stats` shows of it: `opened` are its queues, `counted` is what its program decided.
    pub(super) fn report(&self, opened: &[OpenedQueue], counted: &SteerCounters) -> PortReport {
        let attached = self.attachment.as_ref().map(|attachment| &attachment.attached);
        PortReport {
            iface: self.iface().to_owned(),
            xdp: attached.map_or_else(|| "none".to_owned(), |attached| attached.mode.to_string()),
            xdp_reason: attached.and_then(|attached| attached.reason.clone()),
            reattached: self.reattached,
            queues: opened.iter().map(|queue| self.queue_report(queue)).collect(),
            verdicts: verdicts(counted),
        }
    }

    fn queue_report(&self, opened: &OpenedQueue) -> QueueReport {
        let age = match self.steering.heartbeat(opened.queue) {
            0 => None,
            beat => Some(watch::now().saturating_sub(beat) / 1_000_000),
        };
        QueueReport {
            queue: opened.queue,
            zero_copy: opened.zero_copy,
            reason: opened.reason.clone(),
            transmit: if opened.by_socket { "socket" } else { "ring" }.to_owned(),
            huge_pages: opened.huge_pages,
            heartbeat_age_ms: age,
        }
    }

    /// Takes the program off, undoes what was changed, and removes the journal.
    pub(super) async fn release(mut self, handle: &Handle) -> Result<(), SupervisorError> {
        self.steering.detach();
        self.journal.undo(handle).await?;
        Ok(self.journal.remove()?)
    }
}

fn verdicts(counted: &SteerCounters) -> Counters {
    let label = |&reason: &VerdictReason| (reason.label().to_owned(), counted.of(reason));
    VerdictReason::ALL.iter().map(label).collect()
}
