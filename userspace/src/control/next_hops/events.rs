//! What the kernel tells of its own accord.

use std::io;
use std::net::IpAddr;

use futures::channel::mpsc::UnboundedReceiver;
use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{RouteFlags, RouteMessage};
use netlink_sys::SocketAddr;
use rtnetlink::MulticastGroup;

use super::super::link::Link;
use super::table::Neighbour;

/// Something that has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A neighbour on the port; `None`: the kernel cannot send to it (any more).
    Neighbour(IpAddr, Option<Neighbour>),
    /// Routes, rules or addresses: any destination may lie another way.
    Routes,
    /// An interface, and with it routes: the kernel tells nothing of IPv4 routes that go with one.
    Link(Link),
    /// More has changed than the socket could hold: everything is to be asked anew.
    Missed,
}

pub(super) type Events = UnboundedReceiver<(NetlinkMessage<RouteNetlinkMessage>, SocketAddr)>;

/// Begins to listen. On a socket of its own: a request that waits for its answer must not meet the
/// "buffer overrun" of the events.
pub(super) fn listen() -> io::Result<Events> {
    use MulticastGroup::{
        Ipv4Ifaddr, Ipv4Route, Ipv4Rule, Ipv6Ifaddr, Ipv6Route, Ipv6Rule, Link, Neigh,
    };
    let groups = [Link, Neigh, Ipv4Ifaddr, Ipv6Ifaddr, Ipv4Route, Ipv6Route, Ipv4Rule, Ipv6Rule];
    let (connection, _, events) = rtnetlink::new_multicast_connection(&groups)?;
    tokio::spawn(connection);
    Ok(events)
}

/// What a message means for the port with this interface index.
pub(super) fn event(message: NetlinkMessage<RouteNetlinkMessage>, port: u32) -> Option<Event> {
    use RouteNetlinkMessage as M;
    let message = match message.payload {
        NetlinkPayload::InnerMessage(message) => message,
        NetlinkPayload::Overrun(_) => return Some(Event::Missed),
        _ => return None,
    };
    match message {
        M::NewNeighbour(message) => neighbour(&message, port),
        M::DelNeighbour(message) => {
            let (address, _) = neighbour_parts(&message, port)?;
            Some(Event::Neighbour(address, None))
        }
        M::NewRoute(route) | M::DelRoute(route) => is_lasting(&route).then_some(Event::Routes),
        M::NewRule(_) | M::DelRule(_) | M::NewAddress(_) | M::DelAddress(_) => Some(Event::Routes),
        M::NewLink(link) | M::DelLink(link) => Some(Event::Link(Link::from(&link))),
        _ => None,
    }
}

/// A neighbour the kernel has told of, alone or in a list of all.
pub(super) fn neighbour(message: &NeighbourMessage, port: u32) -> Option<Event> {
    let (address, mac) = neighbour_parts(message, port)?;
    use NeighbourState::{Delay, Noarp, Permanent, Probe, Reachable, Stale};
    let stale = message.header.state == Stale;
    let can_send =
        matches!(message.header.state, Reachable | Stale | Delay | Probe | Permanent | Noarp);
    let known = mac.filter(|_| can_send).map(|mac| Neighbour { mac, stale });
    Some(Event::Neighbour(address, known))
}

fn neighbour_parts(message: &NeighbourMessage, port: u32) -> Option<(IpAddr, Option<[u8; 6]>)> {
    if message.header.ifindex != port {
        return None;
    }
    let (mut address, mut mac) = (None, None);
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(v4)) => {
                address = Some((*v4).into());
            }
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(v6)) => {
                address = Some((*v6).into());
            }
            NeighbourAttribute::LinkLayerAddress(bytes) => mac = bytes.as_slice().try_into().ok(),
            _ => {}
        }
    }
    Some((address?, mac))
}

/// Not an entry of the route cache.
fn is_lasting(route: &RouteMessage) -> bool {
    !route.header.flags.contains(RouteFlags::Cloned)
}
