//! The default route of the policy rules' table.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_route::route::{RouteAttribute, RouteMessage, RouteScope};
use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use rtnetlink::{Handle, RouteMessageBuilder};
use serde::{Deserialize, Serialize};

use super::super::netlink::unless;
use super::{Family, RoutesError, protocol};

/// A default route through the TUN device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TunRoute {
    /// IPv4 or IPv6.
    pub family: Family,
    /// The table it stands in.
    pub table: u32,
    /// Name of the TUN device.
    pub tun: String,
    /// The NIC's address, which a local socket that has chosen none sends from.
    pub source: Option<IpAddr>,
}

impl TunRoute {
    /// Writes the route; it replaces the one that is there.
    pub(crate) async fn add(&self, handle: &Handle) -> Result<(), RoutesError> {
        let Ok(index) = if_nametoindex(self.tun.as_str()) else {
            return Err(RoutesError::TunMissing { tun: self.tun.clone() });
        };
        let mut message = self.message();
        message.attributes.push(RouteAttribute::Oif(index));
        message.attributes.extend(self.source.map(|ip| RouteAttribute::PrefSource(ip.into())));
        let result = handle.route().add(message).replace().execute().await;
        result.map_err(|source| self.error("write", source))
    }

    /// Takes the route away; it may be gone already, alone or with its device.
    pub(crate) async fn delete(&self, handle: &Handle) -> Result<(), RoutesError> {
        let result = handle.route().del(self.message()).execute().await;
        unless(result, &[Errno::ESRCH, Errno::ENODEV])
            .map_err(|source| self.error("delete", source))
    }

    fn message(&self) -> RouteMessage {
        let (table, protocol) = (self.table, protocol());
        match self.family {
            Family::V4 => {
                let route = RouteMessageBuilder::<Ipv4Addr>::new().scope(RouteScope::Link);
                route.table_id(table).protocol(protocol).build()
            }
            Family::V6 => {
                let route = RouteMessageBuilder::<Ipv6Addr>::new();
                route.table_id(table).protocol(protocol).build()
            }
        }
    }

    fn error(&self, what: &'static str, source: rtnetlink::Error) -> RoutesError {
        RoutesError::Route { what, tun: self.tun.clone(), table: self.table, source }
    }
}
