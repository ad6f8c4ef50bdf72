//! What the driver can do with XDP.

use std::os::fd::AsFd;

use serde::{Deserialize, Serialize};

use super::{NicError, refused};

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
