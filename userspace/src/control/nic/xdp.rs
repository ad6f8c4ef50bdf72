//! What the driver can do with XDP and AF_XDP.

use serde::{Deserialize, Serialize};

use super::netdev::{self, Netdev};
use super::{Nic, NicError};

/// What an interface's driver is able to do with XDP and AF_XDP, as the kernel's `netdev` family says
/// (`include/uapi/linux/netdev.h`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct XdpCapabilities {
    /// Whether the kernel says anything (from 6.3): if not, nothing below is known.
    pub reported: bool,
    /// The driver runs XDP programs itself (`NETDEV_XDP_ACT_BASIC`).
    pub native: bool,
    /// It hands packets to sockets and other interfaces (`NETDEV_XDP_ACT_REDIRECT`).
    pub redirect: bool,
    /// It sends packets other interfaces hand to it (`NETDEV_XDP_ACT_NDO_XMIT`).
    pub transmit: bool,
    /// AF_XDP sockets share their frames with the NIC (`NETDEV_XDP_ACT_XSK_ZEROCOPY`).
    pub zero_copy: bool,
    /// The NIC runs XDP programs (`NETDEV_XDP_ACT_HW_OFFLOAD`).
    pub in_hardware: bool,
    /// Packets of more than one buffer are received (`NETDEV_XDP_ACT_RX_SG`).
    pub multi_buffer: bool,
    /// And sent (`NETDEV_XDP_ACT_NDO_XMIT_SG`).
    pub transmit_multi_buffer: bool,
    /// Most buffers of one packet in zero-copy mode (`xdp-zc-max-segs`); none without zero-copy.
    pub zero_copy_buffers: Option<u32>,
    /// What an XDP program can ask about a packet (`xdp-rx-metadata-features`): `timestamp`, `hash`,
    /// `vlan-tag`.
    pub rx_metadata: Vec<String>,
    /// What an AF_XDP socket can ask for a packet to send (`xsk-features`): `tx-timestamp`,
    /// `tx-checksum`, `tx-launch-time-fifo`.
    pub socket: Vec<String>,
    /// Identifier of the XDP program attached now; 0 is none.
    pub program: u32,
}

/// What the driver of `nic` can do with XDP, and which program is attached now.
///
/// # Errors
/// [`NicError::Socket`] without netlink.
pub async fn xdp_capabilities(nic: &Nic) -> Result<XdpCapabilities, NicError> {
    let asked = netdev::ask(nic.index).await;
    let said = asked.map_err(|source| NicError::Socket { iface: nic.iface.clone(), source })?;
    Ok(XdpCapabilities { program: nic.program, ..capabilities(&said) })
}

fn capabilities(said: &Netdev) -> XdpCapabilities {
    let xdp = said.xdp.unwrap_or(0);
    let has = |bit: u32| xdp >> bit & 1 == 1;
    XdpCapabilities {
        reported: said.xdp.is_some(),
        native: has(0),
        redirect: has(1),
        transmit: has(2),
        zero_copy: has(3),
        in_hardware: has(4),
        multi_buffer: has(5),
        transmit_multi_buffer: has(6),
        // A kernel that does not say it (before 6.6) has one buffer a packet.
        zero_copy_buffers: said.zero_copy_buffers.or(has(3).then_some(1)),
        rx_metadata: named(said.rx_metadata, &["timestamp", "hash", "vlan-tag"]),
        socket: named(said.xsk, &["tx-timestamp", "tx-checksum", "tx-launch-time-fifo"]),
        program: 0,
    }
}

/// The names of the bits that are set, lowest first; a bit without a name goes by its number.
fn named(bits: Option<u64>, names: &[&str]) -> Vec<String> {
    let bits = bits.unwrap_or(0);
    let set = (0..u64::BITS).filter(|bit| bits >> bit & 1 == 1);
    let name =
        |bit| names.get(bit as usize).map_or_else(|| format!("bit-{bit}"), ToString::to_string);
    set.map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_flag_is_told_by_its_name() {
        let said = Netdev {
            xdp: Some(0b010_1011),
            zero_copy_buffers: Some(8),
            rx_metadata: Some(0b101),
            xsk: Some(0b1_0010),
        };
        let told = capabilities(&said);
        assert!(told.reported && told.native && told.redirect && told.zero_copy);
        assert!(told.multi_buffer && !told.transmit && !told.transmit_multi_buffer);
        assert_eq!(told.zero_copy_buffers, Some(8));
        assert_eq!(told.rx_metadata, ["timestamp", "vlan-tag"]);
        assert_eq!(told.socket, ["tx-checksum", "bit-4"], "a newer kernel's flag is not lost");
    }

    #[test]
    fn a_kernel_that_says_nothing_is_not_a_driver_that_can_nothing() {
        assert!(!capabilities(&Netdev::default()).reported);
        assert!(capabilities(&Netdev { xdp: Some(0), ..Netdev::default() }).reported);
        let zero_copy = Netdev { xdp: Some(1 << 3), ..Netdev::default() };
        assert_eq!(capabilities(&zero_copy).zero_copy_buffers, Some(1));
    }
}
