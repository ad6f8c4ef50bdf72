//! What the kernel says about an interface: where it is, what it can do, what is switched on.

use std::collections::BTreeMap;
use std::os::fd::AsFd;

use ethtool::{
    EthtoolAttr, EthtoolChannelAttr, EthtoolFeatureAttr, EthtoolFeatureBit, EthtoolHandle,
};
use futures::{Stream, StreamExt, TryStreamExt};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use rtnetlink::packet_core::ErrorMessage;
use serde::{Deserialize, Serialize};

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
#[derive(Clone, Debug, PartialEq, Eq)]
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
}

/// What an interface's driver is able to do with XDP (`enum netdev_xdp_act` in `include/uapi/linux/netdev.h`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct XdpCapabilities {
    /// The driver runs XDP programs itself (`NETDEV_XDP_ACT_BASIC`).
    pub native: bool,
    /// It hands packets to sockets and other interfaces (`NETDEV_XDP_ACT_REDIRECT`).
    pub redirect: bool,
    /// AF_XDP sockets share their frames with the NIC (`NETDEV_XDP_ACT_XSK_ZEROCOPY`).
    pub zero_copy: bool,
    /// Packets of more than one buffer (`NETDEV_XDP_ACT_RX_SG`).
    pub multi_buffer: bool,
    /// Identifier of the XDP program attached now; 0 is none.
    pub program: u32,
}

/// How one feature stands, in the words of `ethtool -k`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feature {
    /// In effect.
    pub on: bool,
    /// Asked for; with `on` false, something it depends on is missing.
    pub requested: bool,
    /// Not to be changed.
    pub fixed: bool,
}

impl Nic {
    /// Looks `iface` up.
    ///
    /// # Errors
    /// [`NicError`] when there is no such interface or netlink does not answer.
    pub async fn find(iface: &str) -> Result<Self, NicError> {
        let link = link(iface).await?;
        let mut nic = Self {
            iface: iface.to_owned(),
            index: link.header.index,
            mac: [0; 6],
            mtu: 0,
            up: link.header.flags.contains(LinkFlags::Up),
            queues: 1,
        };
        for attribute in link.attributes {
            match attribute {
                LinkAttribute::Address(mac) => nic.mac = mac.try_into().unwrap_or_default(),
                LinkAttribute::Mtu(mtu) => nic.mtu = mtu,
                LinkAttribute::NumRxQueues(queues) => nic.queues = queues,
                _ => {}
            }
        }
        // The link message tells how many queues were allocated, ethtool how many are in use.
        if let Some(channels) = channels(iface).await {
            nic.queues = channels;
        }
        Ok(nic)
    }
}

/// How many packets `iface` has received, by its own count.
///
/// # Errors
/// [`NicError`] when there is no such interface or netlink does not answer.
pub async fn received(iface: &str) -> Result<u64, NicError> {
    let attributes = link(iface).await?.attributes;
    let count = attributes.iter().find_map(|attribute| match attribute {
        LinkAttribute::Stats64(stats) => Some(stats.rx_packets),
        _ => None,
    });
    count.ok_or_else(|| refused(iface, &"no statistics"))
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

/// Receive queues in use; `None` where the driver has no notion of channels.
async fn channels(iface: &str) -> Option<u32> {
    let (connection, mut handle, _) = ethtool::new_connection().ok()?;
    let connection = tokio::spawn(connection);
    let attributes = match handle.channel().get(Some(iface)).execute().await {
        Ok(replies) => first(replies.map_ok(|reply| reply.payload.nlas)).await,
        Err(_) => Vec::new(),
    };
    connection.abort();
    let count = attributes.iter().map(|attribute| match attribute {
        EthtoolAttr::Channel(
            EthtoolChannelAttr::RxCount(count) | EthtoolChannelAttr::CombinedCount(count),
        ) => *count,
        _ => 0,
    });
    Some(count.sum()).filter(|&queues| queues > 0)
}

/// The attributes of the first answer; none where the driver refuses.
async fn first<E>(replies: impl Stream<Item = Result<Vec<EthtoolAttr>, E>>) -> Vec<EthtoolAttr> {
    let mut replies = std::pin::pin!(replies);
    replies.next().await.and_then(Result::ok).unwrap_or_default()
}

/// The features of `iface` by their names in `ethtool -k`.
///
/// # Errors
/// [`NicError`] when the kernel does not answer.
pub async fn features(iface: &str) -> Result<BTreeMap<String, Feature>, NicError> {
    let (connection, handle, _) = ethtool::new_connection()
        .map_err(|source| NicError::Socket { iface: iface.to_owned(), source })?;
    let connection = tokio::spawn(connection);
    let features = ask_features(handle, iface).await;
    connection.abort();
    features
}

async fn ask_features(
    mut handle: EthtoolHandle,
    iface: &str,
) -> Result<BTreeMap<String, Feature>, NicError> {
    let replies = handle.feature().get(Some(iface)).execute().await;
    let replies = replies.map_err(|error| refused(iface, &error))?;
    let attributes = first(replies.map_ok(|reply| reply.payload.nlas)).await;
    let mut features = BTreeMap::new();
    for attribute in &attributes {
        let EthtoolAttr::Feature(attribute) = attribute else { continue };
        match attribute {
            EthtoolFeatureAttr::Hw(bits) => mark(&mut features, bits, |f, able| f.fixed = !able),
            EthtoolFeatureAttr::Wanted(bits) => mark(&mut features, bits, |f, on| f.requested = on),
            EthtoolFeatureAttr::Active(bits) => mark(&mut features, bits, |f, on| f.on = on),
            EthtoolFeatureAttr::NoChange(bits) => mark(&mut features, bits, |f, _| f.fixed = true),
            _ => {}
        }
    }
    Ok(features)
}

/// Applies one set of bits; a feature in none of the sets that say otherwise is off and fixed.
fn mark(
    features: &mut BTreeMap<String, Feature>,
    bits: &[EthtoolFeatureBit],
    set: impl Fn(&mut Feature, bool),
) {
    const ABSENT: Feature = Feature { on: false, requested: false, fixed: true };
    for bit in bits {
        set(features.entry(bit.name.clone()).or_insert(ABSENT), bit.value);
    }
}

/// What the driver of interface `index` can do with XDP, and which program is attached now.
///
/// # Errors
/// [`NicError::Refused`] when the kernel does not answer.
pub fn xdp_capabilities(iface: &str, index: u32) -> Result<XdpCapabilities, NicError> {
    const BASIC: u64 = 1;
    const REDIRECT: u64 = 1 << 1;
    const XSK_ZEROCOPY: u64 = 1 << 3;
    const RX_SG: u64 = 1 << 5;
    // The query asks about the interface; the program descriptor that the type wants is not looked at.
    let stdin = std::io::stdin();
    let query = libbpf_rs::Xdp::new(stdin.as_fd());
    let answer = query.query(index as i32, libbpf_rs::XdpFlags::NONE);
    let answer = answer.map_err(|error| refused(iface, &error))?;
    let has = |flag| answer.feature_flags & flag != 0;
    Ok(XdpCapabilities {
        native: has(BASIC),
        redirect: has(REDIRECT),
        zero_copy: has(XSK_ZEROCOPY),
        multi_buffer: has(RX_SG),
        program: answer.prog_id,
    })
}
