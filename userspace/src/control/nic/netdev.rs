//! The kernel's `netdev` family (`include/uapi/linux/netdev.h`): what a driver can do with XDP and AF_XDP.

use std::io;

use netlink_packet_core::{DefaultNla, NLA_TYPE_MASK, Nla};

use super::generic::{Family, GenericError, Message, number};

/// `NETDEV_CMD_DEV_GET`
const DEV_GET: u8 = 1;
/// `NETDEV_A_DEV_IFINDEX`
const IFINDEX: u16 = 1;
/// `NETDEV_A_DEV_XDP_FEATURES`
const XDP_FEATURES: u16 = 3;
/// `NETDEV_A_DEV_XDP_ZC_MAX_SEGS`
const XDP_ZC_MAX_SEGS: u16 = 4;
/// `NETDEV_A_DEV_XDP_RX_METADATA_FEATURES`
const XDP_RX_METADATA_FEATURES: u16 = 5;
/// `NETDEV_A_DEV_XSK_FEATURES`
const XSK_FEATURES: u16 = 6;

/// What the family says of an interface, flags as the kernel has them. What an older kernel does not say
/// is `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Netdev {
    /// `enum netdev_xdp_act`; from 6.3.
    pub(super) xdp: Option<u64>,
    /// Most buffers of one zero-copy packet, where the driver has zero-copy; from 6.6.
    pub(super) zero_copy_buffers: Option<u32>,
    /// `enum netdev_xdp_rx_metadata`; from 6.7.
    pub(super) rx_metadata: Option<u64>,
    /// `enum netdev_xsk_flags`; from 6.8.
    pub(super) xsk: Option<u64>,
}

/// The family.
#[derive(Clone, Debug, PartialEq, Eq)]
struct NetdevFamily;

impl Family for NetdevFamily {
    const NAME: &str = "netdev";
}

/// Asks about interface `index`; all `None` on a kernel that has no such family.
pub(super) async fn ask(index: u32) -> io::Result<Netdev> {
    let index = DefaultNla::new(IFINDEX, index.to_ne_bytes().to_vec());
    match Message::<NetdevFamily>::new(DEV_GET, vec![index]).exchange().await {
        Ok(attributes) => Ok(Netdev::of(&attributes)),
        Err(GenericError::Socket(error)) => Err(error),
        Err(_) => Ok(Netdev::default()),
    }
}

impl Netdev {
    fn of(attributes: &[DefaultNla]) -> Self {
        let mut netdev = Self::default();
        for attribute in attributes {
            let number = number(attribute);
            match attribute.kind() & NLA_TYPE_MASK {
                XDP_FEATURES => netdev.xdp = number,
                XDP_ZC_MAX_SEGS => {
                    netdev.zero_copy_buffers = number.and_then(|n| u32::try_from(n).ok());
                }
                XDP_RX_METADATA_FEATURES => netdev.rx_metadata = number,
                XSK_FEATURES => netdev.xsk = number,
                _ => {}
            }
        }
        netdev
    }
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::{Emitable, ParseableParametrized};
    use netlink_packet_generic::GenlHeader;

    use super::*;

    #[test]
    fn what_the_kernel_says_is_read_and_what_it_does_not_say_is_not_made_up() {
        let attribute = |kind, bytes: &[u8]| DefaultNla::new(kind, bytes.to_vec());
        let said = Message::<NetdevFamily>::new(
            DEV_GET,
            vec![
                attribute(IFINDEX, &7_u32.to_ne_bytes()),
                attribute(XDP_FEATURES, &0x2b_u64.to_ne_bytes()),
                attribute(XDP_ZC_MAX_SEGS, &17_u32.to_ne_bytes()),
                attribute(XSK_FEATURES, &[1, 2, 3]),
            ],
        );
        let mut bytes = vec![0; said.buffer_len()];
        said.emit(&mut bytes);
        let header = GenlHeader { cmd: DEV_GET, version: 1 };
        let heard = Message::<NetdevFamily>::parse_with_param(&bytes, header).unwrap();
        let expected = Netdev { xdp: Some(0x2b), zero_copy_buffers: Some(17), ..Netdev::default() };
        assert_eq!(Netdev::of(&heard.attributes), expected, "three bytes are no number");
    }
}
