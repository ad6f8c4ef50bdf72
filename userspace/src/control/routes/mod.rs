//! Policy routes: what brings the replies of steered flows to the TUN device.
//!
//! ```text
//! rules    21000: from 192.0.2.2 iif lo ipproto tcp sport 5000-6000 lookup 21000
//! table           default dev sluice0 scope link src 192.0.2.2
//! ```
//!
//! [`plan`] turns steering rules into policy rules, a pure function. [`PolicyRoutes`] writes and
//! takes away the rules and the two default routes of their table; nothing else is touched.
//!
//! Only what this machine's own sockets send is diverted (`iif lo`). A rule that names the transport
//! protocol matches nothing else, so ICMP lookups and raw sockets of another protocol see the routes
//! as they are without Sluice, and so does [`next_hops`](super::next_hops).

//!
//! The supervisor, once the data plane has opened the TUN device (down) and its sockets:
//!
//! ```no_run
//! # use sluice::config::Config;
//! use sluice::control::{journal::Journal, link::Link, netlink, routes, sysctl};
//! # async fn supervise(config: &Config, journal: &mut Journal) -> anyhow::Result<()> {
//! let (handle, iface) = (netlink::connect()?, &config.ports[0].iface);
//! // Settings before the device is up: it must never get an address.
//! for setting in sysctl::for_tun(&config.host.tun)?.into_iter().chain(sysctl::for_nic(iface)?) {
//!     journal.apply(setting.into(), &handle).await?;
//! }
//! Link::find(&handle, &config.host.tun).await?.set_up(&handle).await?;
//! let sources = Link::find(&handle, iface).await?.global_addresses(&handle).await?;
//! let rules = routes::plan(&config.host, &config.rules)?;
//! let mut policy = routes::PolicyRoutes::new(handle, &config.host, rules, sources);
//! policy.check_table().await?;
//! journal.record(policy.changes())?;
//! policy.install().await?; // the heartbeat is there
//! policy.withdraw().await?; // the heartbeat has stopped
//! # Ok(())
//! # }
//! ```
//!
//! A device that is gone, with a data plane that has died, takes its routes and its settings along: a
//! new one needs all of this again.

mod plan;
mod policy;
mod rule;
mod tun_route;

pub use plan::{PlanError, plan};
pub use policy::{PolicyRoutes, RoutesError};
pub use rule::{PolicyRule, Selector};
pub use tun_route::TunRoute;

use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::RouteProtocol;
use serde::{Deserialize, Serialize};

/// Who wrote a rule or a route: a number that rtnetlink(7) leaves to users and no routing daemon
/// claims (`/etc/iproute2/rt_protos`). Only rules and routes that carry it are ever taken away.
pub const PROTOCOL: u8 = 83;

/// The kernel's main table.
pub const MAIN_TABLE: u32 = 254;

fn protocol() -> RouteProtocol {
    RouteProtocol::from(PROTOCOL)
}

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl From<Family> for AddressFamily {
    fn from(family: Family) -> Self {
        match family {
            Family::V4 => Self::Inet,
            Family::V6 => Self::Inet6,
        }
    }
}
