//! An interface as the kernel sees it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use futures::TryStreamExt;
use netlink_packet_route::address::{
    AddressAttribute, AddressHeaderFlags, AddressMessage, AddressScope,
};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use nix::errno::Errno;
use rtnetlink::{Handle, LinkMessageBuilder, LinkUnspec};
use sluice_common::wire::ethernet::Mac;

use super::netlink::errno;

/// Why an interface could not be asked or changed.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// There is none of this name.
    #[error("there is no interface {iface}; `ip link` lists those there are")]
    Missing {
        /// The name asked for.
        iface: String,
    },
    /// The kernel refused.
    #[error("cannot {what} of interface {iface}: {source}")]
    Netlink {
        /// What was tried.
        what: &'static str,
        /// The interface.
        iface: String,
        /// What the kernel said.
        source: rtnetlink::Error,
    },
}

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// Its index, never used again while the machine is up.
    pub index: u32,
    /// Its MAC address, if it is an Ethernet device.
    pub mac: Option<Mac>,
    /// Its MTU in bytes.
    pub mtu: u32,
    /// Whether it is set up (not: whether it has a carrier).
    pub up: bool,
}

impl Link {
    /// The interface called `iface`.
    ///
    /// # Errors
    /// [`LinkError::Missing`] where there is none.
    pub async fn find(handle: &Handle, iface: &str) -> Result<Self, LinkError> {
        let mut answer = handle.link().get().match_name(iface.to_owned()).execute();
        match answer.try_next().await {
            Ok(Some(message)) => Ok(Self::from(&message)),
            Ok(None) => Err(LinkError::Missing { iface: iface.to_owned() }),
            Err(source) => Err(error(iface, "ask for the state", source)),
        }
    }

    /// Sets the interface up.
    ///
    /// # Errors
    /// Where the kernel refuses.
    pub async fn set_up(&self, handle: &Handle) -> Result<(), LinkError> {
        let message = LinkMessageBuilder::<LinkUnspec>::new().index(self.index).up().build();
        let result = handle.link().set(message).execute().await;
        result.map_err(|source| error(&self.name, "change the state", source))
    }

    /// Sets the interface down. It loses its carrier with that, and so does a cable's other end; and the
    /// kernel takes its routes and its global IPv6 addresses away.
    ///
    /// # Errors
    /// Where the kernel refuses.
    pub async fn set_down(&self, handle: &Handle) -> Result<(), LinkError> {
        let message = LinkMessageBuilder::<LinkUnspec>::new().index(self.index).down().build();
        let result = handle.link().set(message).execute().await;
        result.map_err(|source| error(&self.name, "change the state", source))
    }

    /// Has the interface receive what is addressed to others too, or no longer (`IFF_PROMISC`). Drivers
    /// also stop to filter VLANs meanwhile: with `rx-vlan-filter` on, a NIC drops tagged packets of a VLAN
    /// that no interface above it has.
    ///
    /// # Errors
    /// Where the kernel refuses.
    pub async fn set_promiscuous(&self, handle: &Handle, on: bool) -> Result<(), LinkError> {
        let message = LinkMessageBuilder::<LinkUnspec>::new().index(self.index);
        let result = handle.link().set(message.promiscuous(on).build()).execute().await;
        result.map_err(|source| error(&self.name, "change the promiscuous mode", source))
    }

    /// How the interface stands now, whatever it is called by now; `None` once it is gone.
    ///
    /// # Errors
    /// Where the kernel does not say.
    pub async fn state(&self, handle: &Handle) -> Result<Option<LinkState>, LinkError> {
        let mut answer = handle.link().get().match_index(self.index).execute();
        match answer.try_next().await {
            Ok(message) => Ok(message.as_ref().map(LinkState::from)),
            Err(source) => match error(&self.name, "ask for the state", source) {
                LinkError::Missing { .. } => Ok(None),
                error => Err(error),
            },
        }
    }

    /// Has the kernel make no super-packet for the interface that takes more than `segments` segments. What
    /// comes larger all the same it cuts itself.
    ///
    /// # Errors
    /// Where the kernel refuses.
    pub async fn limit_segments(&self, handle: &Handle, segments: u32) -> Result<(), LinkError> {
        let limit = LinkAttribute::GsoMaxSegs(segments);
        let message = LinkMessageBuilder::<LinkUnspec>::new().index(self.index);
        let result =
            handle.link().set(message.append_extra_attribute(limit).build()).execute().await;
        result.map_err(|source| error(&self.name, "change the number of segments", source))
    }

    /// Its addresses, but for the link-local ones that every interface has (IPv6).
    ///
    /// # Errors
    /// Where the kernel does not say.
    pub async fn addresses(&self, handle: &Handle) -> Result<Vec<IpAddr>, LinkError> {
        let told = self.told_addresses(handle).await?;
        let is_link_local = |address: &IpAddr| match address {
            IpAddr::V4(_) => false,
            IpAddr::V6(v6) => v6.is_unicast_link_local(),
        };
        Ok(told.iter().filter_map(local).filter(|address| !is_link_local(address)).collect())
    }

    /// The first global address of each family, the one a packet that leaves here is sent from.
    ///
    /// # Errors
    /// Where the kernel does not say.
    pub async fn global_addresses(&self, handle: &Handle) -> Result<Sources, LinkError> {
        Ok(Sources::first_global(&self.told_addresses(handle).await?))
    }

    async fn told_addresses(&self, handle: &Handle) -> Result<Vec<AddressMessage>, LinkError> {
        let addresses = handle.address().get().set_link_index_filter(self.index).execute();
        let addresses = addresses.try_collect().await;
        addresses.map_err(|source| error(&self.name, "ask for the addresses", source))
    }
}

impl From<&LinkMessage> for Link {
    fn from(message: &LinkMessage) -> Self {
        let mut link = Self {
            name: String::new(),
            index: message.header.index,
            mac: None,
            mtu: 0,
            up: message.header.flags.contains(LinkFlags::Up),
        };
        for attribute in &message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => link.name.clone_from(name),
                LinkAttribute::Address(mac) => link.mac = mac.as_slice().try_into().ok(),
                LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
                _ => {}
            }
        }
        link
    }
}

/// How an interface stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkState {
    /// It is set up (`IFF_UP`).
    pub up: bool,
    /// It has a carrier (`IFF_LOWER_UP`); none while it is set down.
    pub carrier: bool,
    /// It was told to receive what is addressed to others (`IFF_PROMISC`). One that only listens in, as
    /// `tcpdump` does, does not count.
    pub promiscuous: bool,
}

impl From<&LinkMessage> for LinkState {
    fn from(message: &LinkMessage) -> Self {
        let has = |flag| message.header.flags.contains(flag);
        Self {
            up: has(LinkFlags::Up),
            carrier: has(LinkFlags::LowerUp),
            promiscuous: has(LinkFlags::Promisc),
        }
    }
}

/// The addresses that packets leave an interface from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sources {
    /// The IPv4 address, if there is one.
    pub v4: Option<Ipv4Addr>,
    /// The IPv6 address, if there is one.
    pub v6: Option<Ipv6Addr>,
}

impl Sources {
    fn first_global(messages: &[AddressMessage]) -> Self {
        let mut sources = Self::default();
        for address in messages.iter().filter(|message| is_usable(message)).filter_map(local) {
            match address {
                IpAddr::V4(v4) => sources.v4 = sources.v4.or(Some(v4)),
                IpAddr::V6(v6) => sources.v6 = sources.v6.or(Some(v6)),
            }
        }
        sources
    }
}

/// Global, and neither about to go (a temporary address would cut long connections) nor not yet known to
/// be unique.
fn is_usable(message: &AddressMessage) -> bool {
    let passing = AddressHeaderFlags::Tentative | AddressHeaderFlags::Deprecated;
    let temporary = message.header.family == netlink_packet_route::AddressFamily::Inet6
        && message.header.flags.contains(AddressHeaderFlags::Secondary);
    message.header.scope == AddressScope::Universe
        && !message.header.flags.intersects(passing)
        && !temporary
}

/// On a point-to-point link, `Address` is the other end's.
fn local(message: &AddressMessage) -> Option<IpAddr> {
    let mut found = None;
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(address) => return Some(*address),
            AddressAttribute::Address(address) => found = Some(*address),
            _ => {}
        }
    }
    found
}

fn error(iface: &str, what: &'static str, source: rtnetlink::Error) -> LinkError {
    let iface = iface.to_owned();
    match errno(&source) {
        Some(Errno::ENODEV) => LinkError::Missing { iface },
        _ => LinkError::Netlink { what, iface, source },
    }
}
