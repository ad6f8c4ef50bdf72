//! The kernel's `netdev` family (`include/uapi/linux/netdev.h`): what a driver can do with XDP and AF_XDP.

use futures::StreamExt;
use genetlink::GenetlinkHandle;
use netlink_packet_core::{
    DecodeError, DefaultNla, Emitable, NLA_TYPE_MASK, NLM_F_REQUEST, NetlinkMessage,
    NetlinkPayload, Nla, NlasIterator, Parseable, ParseableParametrized,
};
use netlink_packet_generic::{GenlFamily, GenlHeader, GenlMessage};

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

/// Asks about interface `index`; all `None` on a kernel that has no such family.
pub(super) async fn ask(index: u32) -> std::io::Result<Netdev> {
    let (connection, handle, _) = genetlink::new_connection()?;
    let connection = tokio::spawn(connection);
    let answer = exchange(handle, index).await.unwrap_or_default();
    connection.abort();
    Ok(answer)
}

async fn exchange(mut handle: GenetlinkHandle, index: u32) -> Option<Netdev> {
    let question = DefaultNla::new(IFINDEX, index.to_ne_bytes().to_vec());
    let mut message = NetlinkMessage::from(GenlMessage::from_payload(Message(vec![question])));
    message.header.flags = NLM_F_REQUEST;
    let replies = handle.request(message).await.ok()?;
    let reply = std::pin::pin!(replies).next().await?.ok()?;
    match reply.payload {
        NetlinkPayload::InnerMessage(message) => Some(Netdev::of(&message.payload)),
        _ => None,
    }
}

impl Netdev {
    fn of(message: &Message) -> Self {
        let mut netdev = Self::default();
        for attribute in &message.0 {
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

/// A value of four or eight bytes in the machine's order.
fn number(attribute: &DefaultNla) -> Option<u64> {
    let mut bytes = [0; 8];
    let len = attribute.value_len();
    attribute.emit_value(bytes.get_mut(..len)?);
    match len {
        4 => Some(u32::from_ne_bytes(*bytes.first_chunk()?).into()),
        8 => Some(u64::from_ne_bytes(bytes)),
        _ => None,
    }
}

/// A message of the family, either way: attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Message(Vec<DefaultNla>);

impl GenlFamily for Message {
    fn family_name() -> &'static str {
        "netdev"
    }

    fn command(&self) -> u8 {
        DEV_GET
    }

    fn version(&self) -> u8 {
        1
    }
}

impl Emitable for Message {
    fn buffer_len(&self) -> usize {
        self.0.as_slice().buffer_len()
    }

    fn emit(&self, buffer: &mut [u8]) {
        self.0.as_slice().emit(buffer);
    }
}

impl ParseableParametrized<[u8], GenlHeader> for Message {
    fn parse_with_param(buffer: &[u8], _: GenlHeader) -> Result<Self, DecodeError> {
        let attributes = NlasIterator::new(buffer).map(|attribute| DefaultNla::parse(&attribute?));
        attributes.collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_says_is_read_and_what_it_does_not_say_is_not_made_up() {
        let attribute = |kind, bytes: &[u8]| DefaultNla::new(kind, bytes.to_vec());
        let said = Message(vec![
            attribute(IFINDEX, &7_u32.to_ne_bytes()),
            attribute(XDP_FEATURES, &0x2b_u64.to_ne_bytes()),
            attribute(XDP_ZC_MAX_SEGS, &17_u32.to_ne_bytes()),
            attribute(XSK_FEATURES, &[1, 2, 3]),
        ]);
        let mut bytes = vec![0; said.buffer_len()];
        said.emit(&mut bytes);
        let header = GenlHeader { cmd: DEV_GET, version: 1 };
        let heard = Message::parse_with_param(&bytes, header).unwrap();
        let expected = Netdev { xdp: Some(0x2b), zero_copy_buffers: Some(17), ..Netdev::default() };
        assert_eq!(Netdev::of(&heard), expected, "three bytes are no number");
    }
}
