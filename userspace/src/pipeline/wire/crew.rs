//! Handing flows to other workers, where there are more of them than queues.

use std::io;
use std::sync::Arc;

use ahash::RandomState;
use sluice_common::Side;
use sluice_common::flow::FlowKey;
use sluice_common::offload::{Buffer, GroConfig};
use sluice_common::reason::DropReason;
use sluice_common::wire::{Headers, Link, Tunnel, TunnelPorts};

use super::outbound::Outbound;
use super::relay::{Home, LENT, Relay, Waker};
use crate::observe::Counts;
use crate::xsk::{Frame, Packet, Pool};

/// A worker's helpers.
///
/// Which flow is whose is told by a hash that is the same for both directions of a connection, so that whoever
/// sees its SYN sees all of it. What belongs to no flow stays with the worker itself.
#[derive(Debug)]
pub(super) struct Crew<'u> {
    relays: Vec<Arc<Relay<'u>>>,
    /// What the helpers wake the worker with.
    pub(super) owner: Arc<Waker>,
    hash: RandomState,
    tunnel_ports: TunnelPorts,
    /// Frames that are not here.
    away: usize,
    /// Most of them, but for what is lent.
    most: usize,
    /// Nothing is handed over any more.
    closed: bool,
}

impl<'u> Crew<'u> {
    /// Of a worker that coalesces by `gro`, none yet; up to `most` frames may be away.
    pub(super) fn new(gro: &GroConfig, most: usize) -> io::Result<Self> {
        let [a, b, c, d] = gro.hash_keys;
        Ok(Self {
            relays: Vec::new(),
            owner: Arc::new(Waker::new()?),
            hash: RandomState::with_seeds(a, b, c, d),
            tunnel_ports: gro.tunnel_ports,
            away: 0,
            most,
            closed: false,
        })
    }

    /// One more helper.
    pub(super) fn add(&mut self) -> io::Result<Arc<Relay<'u>>> {
        let relay = Arc::new(Relay::new(self.most)?);
        self.relays.push(Arc::clone(&relay));
        Ok(relay)
    }

    /// How many frames are with helpers.
    pub(super) const fn away(&self) -> usize {
        self.away
    }

    /// How many of them were received, for what is lent does not come from the share of a port.
    pub(super) fn handed(&self) -> usize {
        self.away.saturating_sub(self.relays.len() * LENT)
    }

    /// Hands a packet that came in by `side` to the helper its flow belongs to; it comes back where it is the
    /// worker's own.
    pub(super) fn share(
        &mut self,
        side: Side,
        packet: Frame<'u, Packet>,
        pool: &mut Pool<'u>,
        counts: &mut Counts,
    ) -> Option<Frame<'u, Packet>> {
        let Some(relay) = self.of(&packet) else { return Some(packet) };
        let (frames, counts) = (packet.frames(), &mut counts.sides[side.index()]);
        let most = self.most + self.relays.len() * LENT;
        let refused =
            if self.away + frames > most { Some(packet) } else { relay.hand(side, packet) };
        match refused {
            None => {
                self.away += frames;
                counts.handed_packets += 1;
            }
            // To do it here would change the order within the flow.
            Some(packet) => {
                pool.extend(packet.release());
                counts.dropped[DropReason::HelperBusy.index()] += 1;
            }
        }
        None
    }

    /// Whose flow it is; none: the worker's own, or no flow at all.
    fn of(&self, packet: &Frame<'u, Packet>) -> Option<&Relay<'u>> {
        if self.closed {
            return None;
        }
        let flow = flow_of(packet.head(), &self.tunnel_ports)?;
        let workers = self.relays.len() as u64 + 1;
        let chosen = self.hash.hash_one(flow.undirected()) % workers;
        self.relays.get(chosen.checked_sub(1)? as usize).map(|relay| &**relay)
    }

    /// Takes what has come home, and lends what the helpers are short of. Returns how many packets came.
    pub(super) fn exchange(
        &mut self,
        pool: &mut Pool<'u>,
        outbound: &mut [Outbound<'u>; 2],
        counts: &mut Counts,
    ) -> usize {
        let mut came = 0;
        for relay in &self.relays {
            for home in relay.homecoming() {
                match home {
                    Home::Free(frame) => {
                        self.away -= 1;
                        pool.give(frame);
                    }
                    Home::Leaves(to, packet) => {
                        self.away -= packet.frames();
                        came += 1;
                        leave(to, packet, pool, outbound, counts);
                    }
                }
            }
        }
        came
    }

    /// Lends free frames, and wakes the helpers that sleep over work.
    pub(super) fn prompt(&mut self, pool: &mut Pool<'u>) {
        for relay in &self.relays {
            while let Some(frame) = pool.take() {
                self.away += 1;
                if let Some(refused) = relay.lend(frame) {
                    self.away -= 1;
                    pool.give(refused);
                    break;
                }
            }
            if !relay.is_empty() {
                relay.helper.wake();
            }
        }
    }

    /// Nothing is handed over any more.
    pub(super) fn close(&mut self) {
        self.closed = true;
        self.relays.iter().for_each(|relay| relay.close());
    }

    /// Takes back what no helper will: the worker ends.
    pub(super) fn recall(&mut self, pool: &mut Pool<'u>) {
        let before = pool.len();
        for relay in &self.relays {
            pool.extend(relay.take(usize::MAX).flat_map(|(_, packet)| packet.release()));
            pool.extend(relay.borrow());
            for home in relay.homecoming() {
                match home {
                    Home::Free(frame) => pool.give(frame),
                    Home::Leaves(_, packet) => pool.extend(packet.release()),
                }
            }
        }
        self.away -= pool.len() - before;
    }

    /// Whether nothing has come home that was not taken.
    pub(super) fn is_quiet(&self) -> bool {
        self.relays.iter().all(|relay| relay.is_home_empty())
    }
}

fn leave<'u>(
    to: Side,
    packet: Frame<'u, Packet>,
    pool: &mut Pool<'u>,
    outbound: &mut [Outbound<'u>; 2],
    counts: &mut Counts,
) {
    let outbound = &mut outbound[to.index()];
    if packet.frames() <= outbound.room() {
        outbound.push(packet);
    } else {
        pool.extend(packet.release());
        counts.sides[to.index()].dropped[DropReason::HandedBackFull.index()] += 1;
    }
}

fn flow_of(head: &[u8], ports: &TunnelPorts) -> Option<FlowKey> {
    let headers = Headers::parse(head, Link::Ethernet).ok()?;
    match Tunnel::find(head, &headers, ports) {
        Some(Ok(tunnel)) => FlowKey::inside(&headers, &tunnel),
        Some(Err(_)) | None => FlowKey::of(&headers),
    }
}
