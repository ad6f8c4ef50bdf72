//! Seeing how the links stand, and doing what follows.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::channel::mpsc::UnboundedReceiver;
use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::SocketAddr;
use rtnetlink::{Handle, MulticastGroup};
use sluice_common::Side;
use tokio::time::{sleep, sleep_until};

use super::super::journal::{Change, Journal, JournalError};
use super::super::link::{Link, LinkError, LinkState};
use super::{Event, Mirror};

/// How often the links are looked at where the kernel no longer tells of them.
const PERIOD: Duration = Duration::from_secs(1);

type Told = UnboundedReceiver<(NetlinkMessage<RouteNetlinkMessage>, SocketAddr)>;

/// Why the links cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// There is no socket to listen with.
    #[error("cannot open a netlink socket to watch the links: {0}")]
    Socket(#[from] io::Error),
    /// A port could not be asked for.
    #[error(transparent)]
    Link(#[from] LinkError),
}

/// Watches the links of the two ports.
#[derive(Debug)]
pub struct Watch {
    handle: Handle,
    told: Told,
    ports: [Link; 2],
    seen: [Option<LinkState>; 2],
    mirror: Mirror,
    /// Something may have changed since the last look.
    stale: bool,
    /// What followed from it and is still to be given out.
    events: VecDeque<Event>,
}

impl Watch {
    /// Begins to watch, in the calling thread's network namespace; with `mirrors`, says too which port is to
    /// be set down and up. Ports may be without a carrier for a while yet ([`SETTLE`](super::SETTLE)).
    ///
    /// # Errors
    /// Where there is no such interface, or no netlink.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub async fn open(
        handle: &Handle,
        ports: [&str; 2],
        mirrors: bool,
    ) -> Result<Self, MirrorError> {
        // Listening begins first, so that nothing is missed between the first look and the next.
        let (connection, _, told) = rtnetlink::new_multicast_connection(&[MulticastGroup::Link])?;
        tokio::spawn(connection);
        let ports = [Link::find(handle, ports[0]).await?, Link::find(handle, ports[1]).await?];
        let seen = [ports[0].state(handle).await?, ports[1].state(handle).await?];
        let mut watch = Self {
            handle: handle.clone(),
            told,
            ports,
            seen,
            mirror: Mirror::new(mirrors),
            stale: true,
            events: VecDeque::new(),
        };
        watch.settle();
        watch.look().await;
        Ok(watch)
    }

    /// The ports were just set up or reset, by an XDP program that was attached for one, and may be without a
    /// carrier for a while: to be called before the next [`next`](Self::next).
    pub fn settle(&mut self) {
        self.mirror.settle(Instant::now());
    }

    /// What this side's port was called when watching began.
    #[must_use]
    pub fn iface(&self, side: Side) -> &str {
        &self.ports[side.index()].name
    }

    /// Whether this side is held down.
    #[must_use]
    pub const fn holds(&self, side: Side) -> bool {
        self.mirror.holds(side)
    }

    /// The next event, to be [carried out](Self::carry_out) before the one after it is asked for. Dropped
    /// while it waits it loses nothing.
    pub async fn next(&mut self) -> Event {
        loop {
            if let Some(event) = self.events.pop_front() {
                return event;
            }
            if self.stale {
                self.look().await;
            } else {
                self.hint().await;
                self.stale = true;
            }
        }
    }

    /// Does what an event asks for, and has the journal know of it. An event that only tells asks for nothing.
    ///
    /// # Errors
    /// Where the kernel refuses or the journal cannot be written. A port that could not be set down is taken
    /// for one that somebody has set up.
    pub async fn carry_out(&self, event: Event, journal: &mut Journal) -> Result<(), JournalError> {
        let down = Change::LinkDown { iface: self.iface(event.side()).to_owned() };
        match event {
            Event::SetDown(_) => journal.apply(down, &self.handle).await,
            Event::SetUp(_) => journal.revert(&down, &self.handle).await,
            Event::Taken(_) => journal.forget(&down),
            Event::Lost(_) | Event::Back(_) => Ok(()),
        }
    }

    async fn look(&mut self) {
        for side in Side::BOTH {
            // What the kernel does not say is taken to be as it was.
            if let Ok(state) = self.ports[side.index()].state(&self.handle).await {
                self.seen[side.index()] = state;
            }
        }
        self.stale = false;
        self.events.extend(self.mirror.look(Instant::now(), self.seen));
    }

    /// Waits until something may have changed.
    async fn hint(&mut self) {
        let deadline = self.mirror.deadline();
        let passed = async {
            match deadline {
                Some(deadline) => sleep_until(deadline.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = told(&mut self.told, &self.ports) => {}
            () = passed => {}
        }
    }
}

/// Waits until the kernel tells of one of the ports, or has told more than the socket could hold.
async fn told(told: &mut Told, ports: &[Link; 2]) {
    use RouteNetlinkMessage::{DelLink, NewLink};
    loop {
        let Some((message, _)) = told.next().await else { return sleep(PERIOD).await };
        let concerns = match &message.payload {
            NetlinkPayload::InnerMessage(NewLink(link) | DelLink(link)) => {
                ports.iter().any(|port| port.index == link.header.index)
            }
            NetlinkPayload::Overrun(_) => true,
            _ => false,
        };
        if concerns {
            return;
        }
    }
}
