//! The task that knows the way.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use futures::{FutureExt, StreamExt, TryStreamExt};
use nix::errno::Errno;
use rtnetlink::Handle;
use sluice_common::wire::ethernet::Mac;
use tokio::sync::Notify;

use super::super::link::Link;
use super::client::Client;
use super::events::{self, Event, Events};
use super::kernel_path::KernelPath;
use super::lookup::{self, Port};
use super::message::{Question, ResolverEnd, channel};
use super::table::{Say, Table};

/// The most clients: a bit each.
const MOST_CLIENTS: usize = 64;

/// Why next hops cannot be had, or no longer.
#[derive(Debug, thiserror::Error)]
pub enum NextHopsError {
    /// The port has no MAC address to send from.
    #[error("{iface} is no Ethernet interface: Sluice cannot make link headers for it")]
    NotEthernet {
        /// The interface.
        iface: String,
    },
    /// More workers than there are bits for.
    #[error("{workers} workers are more than the {MOST_CLIENTS} that next hops are kept for")]
    Workers {
        /// The number asked for.
        workers: usize,
    },
    /// There is no raw socket for what takes the kernel's path.
    #[error("cannot open a raw socket: {source}; CAP_NET_RAW is needed, run as root")]
    RawSocket {
        /// What the kernel said.
        source: Errno,
    },
    /// There is no netlink socket to ask or to listen with.
    #[error("cannot open a netlink socket: {source}")]
    Netlink {
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel does not tell its neighbours.
    #[error("cannot list the neighbours on {iface}: {source}")]
    Neighbours {
        /// The interface.
        iface: String,
        /// What the kernel said.
        source: rtnetlink::Error,
    },
    /// The kernel has stopped telling what changes.
    #[error("the netlink socket that tells of changes is closed")]
    Closed,
}

/// Opens the next hops of `port`: one client for each of `workers` workers, and the resolver that
/// answers them. To be called with `CAP_NET_RAW`, in the port's network namespace.
///
/// # Errors
/// Where the port has no MAC address or the kernel gives no raw socket.
pub fn open(port: &Link, workers: usize) -> Result<(Resolver, Vec<Client>), NextHopsError> {
    let Some(mac) = port.mac else {
        return Err(NextHopsError::NotEthernet { iface: port.name.clone() });
    };
    if workers > MOST_CLIENTS {
        return Err(NextHopsError::Workers { workers });
    }
    let wake = Arc::new(Notify::new());
    let (mut clients, mut ends) = (Vec::new(), Vec::new());
    for _ in 0..workers {
        let kernel =
            KernelPath::open(port.index).map_err(|source| NextHopsError::RawSocket { source })?;
        let (client, end) = channel(&wake);
        clients.push(Client::new(client, kernel));
        ends.push(end);
    }
    let at = Port { index: port.index, mtu: port.mtu };
    let (iface, table) = (port.name.clone(), Table::new(mac));
    Ok((
        Resolver { iface, mac, port: at, clients: ends, wake, table, routes_changed: false },
        clients,
    ))
}

/// Answers the clients and keeps what they know true. When it goes, they forget everything and all they
/// send takes the kernel's path.
#[derive(Debug)]
pub struct Resolver {
    iface: String,
    mac: Mac,
    port: Port,
    clients: Vec<ResolverEnd>,
    wake: Arc<Notify>,
    table: Table,
    routes_changed: bool,
}

impl Resolver {
    /// Runs until the kernel can no longer be asked or listened to; needs no privilege.
    ///
    /// # Errors
    /// That, always.
    pub async fn run(mut self) -> Result<Infallible, NextHopsError> {
        let netlink = |source| NextHopsError::Netlink { source };
        // Listening begins first, so that nothing is missed between the list and the events.
        let mut events = events::listen().map_err(netlink)?;
        let (connection, handle, _) = rtnetlink::new_connection().map_err(netlink)?;
        tokio::spawn(connection);
        self.list_neighbours(&handle).await?;
        loop {
            self.answer_questions(&handle).await;
            if self.take_events(&mut events).await? {
                self.list_neighbours(&handle).await?;
            }
            if std::mem::take(&mut self.routes_changed) {
                self.find_all_anew(&handle).await;
            }
        }
    }

    async fn answer_questions(&mut self, handle: &Handle) {
        for client in 0..self.clients.len() {
            // As many as wait now: who asks without end must not keep the events waiting.
            for _ in 0..self.clients[client].questions.len() {
                let Ok(question) = self.clients[client].questions.try_recv() else { break };
                self.answer_question(handle, client, question).await;
            }
        }
    }

    async fn answer_question(&mut self, handle: &Handle, client: usize, question: Question) {
        if self.table.is_full(&question) {
            self.table.forget();
            self.clients.iter().for_each(ResolverEnd::forget);
        }
        let way = lookup::way(handle, self.port, &question).await;
        let say = self.table.asked(client, question, way);
        self.say(&say);
    }

    /// Waits for an event or a question, and takes all events that wait; whether some were missed.
    async fn take_events(&mut self, events: &mut Events) -> Result<bool, NextHopsError> {
        let mut next = tokio::select! {
            () = self.wake.notified() => None,
            next = events.next() => Some(next.ok_or(NextHopsError::Closed)?),
        };
        let mut missed = false;
        loop {
            if let Some(event) =
                next.and_then(|(message, _)| events::event(message, self.port.index))
            {
                missed |= event == Event::Missed;
                self.take_event(event);
            }
            match events.next().now_or_never() {
                Some(Some(more)) => next = Some(more),
                Some(None) => return Err(NextHopsError::Closed),
                None => return Ok(missed),
            }
        }
    }

    fn take_event(&mut self, event: Event) {
        match event {
            Event::Neighbour(address, now) => {
                let say = self.table.neighbour(address, now);
                self.say(&say);
            }
            Event::Link(link) => {
                self.routes_changed = true;
                if link.index == self.port.index {
                    self.take_link(&link);
                }
            }
            Event::Routes | Event::Missed => self.routes_changed = true,
        }
    }

    fn take_link(&mut self, link: &Link) {
        // A message about one aspect of a link (wireless, a bridge port) may not carry the others.
        if link.mtu != 0 {
            self.port.mtu = link.mtu;
        }
        if let Some(mac) = link.mac.filter(|&mac| mac != self.mac) {
            self.mac = mac;
            let say = self.table.set_mac(mac);
            self.say(&say);
        }
    }

    async fn list_neighbours(&mut self, handle: &Handle) -> Result<(), NextHopsError> {
        let listed = handle.neighbours().get().execute().try_collect::<Vec<_>>().await;
        let error = |source| NextHopsError::Neighbours { iface: self.iface.clone(), source };
        let listed = listed.map_err(error)?;
        self.table.forget_neighbours();
        for message in &listed {
            if let Some(Event::Neighbour(address, now)) =
                events::neighbour(message, self.port.index)
            {
                let say = self.table.neighbour(address, now);
                self.say(&say);
            }
        }
        // Those that are no longer listed.
        let say = self.table.renew_all();
        self.say(&say);
        Ok(())
    }

    async fn find_all_anew(&mut self, handle: &Handle) {
        for question in self.table.questions() {
            let way = lookup::way(handle, self.port, &question).await;
            let say = self.table.found(question, way);
            self.say(&say);
        }
    }

    fn say(&self, all: &[Say]) {
        for say in all {
            let told = |&(client, _): &(usize, _)| say.clients & (1 << client) != 0;
            for (_, client) in self.clients.iter().enumerate().filter(told) {
                client.answer(say.question, say.answer);
            }
        }
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        self.clients.iter().for_each(ResolverEnd::forget);
    }
}
