//! Messages of ethtool's family (`include/uapi/linux/ethtool_netlink_generated.h`).

use netlink_packet_core::{DefaultNla, Emitable, NLA_F_NESTED};
use nix::errno::Errno;

use super::generic::{Family, GenericError, Message};

/// `ETHTOOL_MSG_FEATURES_SET`
pub(super) const FEATURES_SET: u8 = 12;
/// `ETHTOOL_MSG_CHANNELS_GET`
pub(super) const CHANNELS_GET: u8 = 17;
/// `ETHTOOL_MSG_CHANNELS_SET`
pub(super) const CHANNELS_SET: u8 = 18;
/// `ETHTOOL_MSG_RSS_GET`, from 6.3.
pub(super) const RSS_GET: u8 = 38;
/// `ETHTOOL_MSG_RSS_SET`, from 6.17.
pub(super) const RSS_SET: u8 = 48;

/// `ETHTOOL_A_CHANNELS_HEADER`, `ETHTOOL_A_FEATURES_HEADER`, `ETHTOOL_A_RSS_HEADER`: which interface.
const HEADER: u16 = 1;
/// `ETHTOOL_A_HEADER_DEV_NAME`
const NAME: u16 = 2;

/// The family.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ethtool;

impl Family for Ethtool {
    const NAME: &str = "ethtool";
}

/// Has the kernel do `command` to `iface`; what it answers.
pub(super) async fn exchange(
    command: u8,
    iface: &str,
    attributes: impl IntoIterator<Item = DefaultNla>,
) -> Result<Vec<DefaultNla>, GenericError> {
    let all = [header(iface)].into_iter().chain(attributes);
    Message::<Ethtool>::new(command, all.collect()).exchange().await
}

/// What the kernel answers to `command`; `None` where the driver, or an older kernel, has no such notion.
pub(super) async fn ask(command: u8, iface: &str) -> Result<Option<Vec<DefaultNla>>, GenericError> {
    match exchange(command, iface, []).await {
        Ok(attributes) => Ok(Some(attributes)),
        Err(error) if error.errno() == Some(Errno::EOPNOTSUPP) => Ok(None),
        Err(error) => Err(error),
    }
}

fn header(iface: &str) -> DefaultNla {
    nested(HEADER, &[text(NAME, iface)])
}

/// A string, with the zero the kernel wants at its end.
pub(super) fn text(kind: u16, text: &str) -> DefaultNla {
    DefaultNla::new(kind, [text.as_bytes(), b"\0"].concat())
}

/// Attributes inside another.
pub(super) fn nested(kind: u16, inside: &[DefaultNla]) -> DefaultNla {
    let mut bytes = vec![0; inside.buffer_len()];
    inside.emit(&mut bytes);
    DefaultNla::new(kind | NLA_F_NESTED, bytes)
}

#[cfg(test)]
pub(super) mod recorded {
    //! What Linux answered, recorded behind the generic header.

    use netlink_packet_core::{DefaultNla, NlasIterator, Parseable};

    /// `ETHTOOL_MSG_RSS_GET` of igb with four queues (Linux 7.3, QEMU).
    pub(in super::super) const RSS: &str = include_str!("igb-rss.hex");
    /// `ETHTOOL_MSG_CHANNELS_GET` of the same.
    pub(in super::super) const CHANNELS: &str = "180001800800010002000000090002006574683000000000\
        0800040001000000080008000100000008000500080000000800090004000000";

    pub(in super::super) fn attributes(hex: &str) -> Vec<DefaultNla> {
        let digits: String = hex.split_whitespace().collect();
        let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
        let bytes: Vec<_> = (0..digits.len()).step_by(2).map(byte).collect();
        NlasIterator::new(bytes.as_slice())
            .map(|attribute| DefaultNla::parse(&attribute.unwrap()).unwrap())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interface_is_named_as_the_kernel_names_it_in_its_answers() {
        let mut bytes = vec![0; header("eth0").buffer_len()];
        header("eth0").emit(&mut bytes);
        assert_eq!(
            bytes, b"\x10\0\x01\x80\x09\0\x02\0eth0\0\0\0\0",
            "length, kind, name and padding"
        );
    }
}
