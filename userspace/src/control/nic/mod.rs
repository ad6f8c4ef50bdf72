//! What the kernel says about an interface: where it is, what it can do, what is switched on.
//!
//! | file | what it holds |
//! |---|---|
//! | `features` | what `ethtool` knows of features |
//! | `lines` | the lines of `ethtool -k` made of them |
//! | [`rss`] | receive queues, and how packets spread over them |
//! | `vlan` | VLAN tags that it takes out of packets |
//! | `ethtool` | messages of ethtool's family |
//! | `generic` | messages of the generic netlink families |
//! | `netdev` | the kernel's `netdev` family |
//! | `xdp` | what the driver can do with XDP |

mod ethtool;
mod features;
mod generic;
mod lines;
mod netdev;
pub mod rss;
mod vlan;
mod xdp;

use futures::TryStreamExt;
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage, LinkXdp};
use rtnetlink::packet_core::ErrorMessage;

pub use self::features::{NicFeature, features};
pub use self::lines::{lines, why_off};
pub use self::vlan::{FeatureChange, keep_tags};
pub use self::xdp::{XdpCapabilities, xdp_capabilities};

/// Why an interface could not be looked at.
#[derive(Debug, thiserror::Error)]
pub enum NicError {
    /// There is none of that name.
    #[error("{iface}: no such interface in this network namespace; `ip link` lists them")]
    Missing {
        /// The name asked for.
        iface: String,
    },
    /// Netlink could not be reached.
    #[error("{iface}: cannot open a netlink socket: {source}")]
    Socket {
        /// The interface asked for.
        iface: String,
        /// What the kernel said.
        source: std::io::Error,
    },
    /// It takes VLAN tags out of packets, and nothing can be done about it.
    #[error(
        "{iface}: the driver takes VLAN tags out of packets ({name}) and lets nobody switch that off: tagged \
         packets would lose their tags on this wire; use another NIC"
    )]
    StripsTags {
        /// The interface.
        iface: String,
        /// The feature.
        name: &'static str,
    },
    /// The kernel refused an answer.
    #[error("{iface}: the kernel does not say what the interface is: {message}")]
    Refused {
        /// The interface asked for.
        iface: String,
        /// What it said instead.
        message: String,
    },
}

/// An interface as routing knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nic {
    /// Its name.
    pub iface: String,
    /// Its number in this network namespace.
    pub index: u32,
    /// Its own MAC address.
    pub mac: [u8; 6],
    /// Largest IP packet in bytes.
    pub mtu: u32,
    /// Whether it is administratively up.
    pub up: bool,
    /// How many receive queues it has and serves now.
    pub queues: u32,
    /// Identifier of the XDP program attached now; 0 is none.
    pub program: u32,
    /// The bus its device is on, `pci` or `virtio`; none for a virtual interface, and before Linux 5.14.
    pub bus: Option<String>,
}

impl Nic {
    /// Whether its driver sends what XDP hands on to it out of frames that another NIC shares.
    ///
    /// Such packets are copied, with no room in front of them (`xdp_convert_zc_to_xdp_frame`, `net/core/xdp.c`).
    /// virtio_net wants room for a header of its own, and drops them (`__virtnet_xdp_xmit_one`,
    /// `drivers/net/virtio_net.c`).
    #[must_use]
    pub fn sends_shared(&self) -> bool {
        self.bus.as_deref() != Some("virtio")
    }

    /// Looks `iface` up.
    ///
    /// # Errors
    /// [`NicError`] when there is no such interface or netlink does not answer.
    pub async fn find(iface: &str) -> Result<Self, NicError> {
        let link = link(iface).await?;
        let mut nic = Self {
            iface: iface.to_owned(),
            index: link.header.index,
            up: link.header.flags.contains(LinkFlags::Up),
            queues: 1,
            ..Self::default()
        };
        for attribute in link.attributes {
            match attribute {
                LinkAttribute::Address(mac) => nic.mac = mac.try_into().unwrap_or_default(),
                LinkAttribute::Mtu(mtu) => nic.mtu = mtu,
                LinkAttribute::NumRxQueues(queues) => nic.queues = queues,
                LinkAttribute::Xdp(told) => nic.program = program(&told),
                LinkAttribute::ParentDevBusName(bus) => nic.bus = Some(bus),
                _ => {}
            }
        }
        // The link message tells how many queues were allocated, ethtool how many are in use.
        if let Ok(Some(queues)) = rss::channels(iface).await {
            nic.queues = queues.now.receiving();
        }
        Ok(nic)
    }
}

/// The program that runs; with several attached, the kernel names none of them so, but each by its place.
fn program(told: &[LinkXdp]) -> u32 {
    let id = told.iter().find_map(|attribute| match attribute {
        LinkXdp::ProgId(id)
        | LinkXdp::DrvProgId(id)
        | LinkXdp::SkbProgId(id)
        | LinkXdp::HwProgId(id) => Some(*id),
        _ => None,
    });
    id.unwrap_or(0)
}

/// What an interface counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounts {
    /// Packets it has received.
    pub received: u64,
    /// How often its carrier came or went.
    pub carrier_changes: u32,
}

/// What `iface` has counted.
///
/// # Errors
/// [`NicError`] when there is no such interface or netlink does not answer.
pub async fn counts(iface: &str) -> Result<LinkCounts, NicError> {
    let mut counts = LinkCounts::default();
    for attribute in link(iface).await?.attributes {
        match attribute {
            LinkAttribute::Stats64(stats) => counts.received = stats.rx_packets,
            LinkAttribute::CarrierChanges(changes) => counts.carrier_changes = changes,
            _ => {}
        }
    }
    Ok(counts)
}

/// What the kernel says about the link.
async fn link(iface: &str) -> Result<LinkMessage, NicError> {
    let (connection, handle, _) = rtnetlink::new_connection()
        .map_err(|source| NicError::Socket { iface: iface.to_owned(), source })?;
    let connection = tokio::spawn(connection);
    let reply = handle.link().get().match_name(iface.to_owned()).execute().try_next().await;
    connection.abort();
    match reply {
        Ok(Some(link)) => Ok(link),
        Ok(None) => Err(NicError::Missing { iface: iface.to_owned() }),
        Err(rtnetlink::Error::NetlinkError(error)) if is_missing(&error) => {
            Err(NicError::Missing { iface: iface.to_owned() })
        }
        Err(error) => Err(refused(iface, &error)),
    }
}

/// `ENODEV`, as a netlink error carries it.
fn is_missing(error: &ErrorMessage) -> bool {
    error.raw_code() == -nix::libc::ENODEV
}

fn refused(iface: &str, message: &impl ToString) -> NicError {
    NicError::Refused { iface: iface.to_owned(), message: message.to_string() }
}
