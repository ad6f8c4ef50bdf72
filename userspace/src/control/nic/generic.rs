//! Messages of the generic netlink families: attributes, either way.

use std::fmt::Debug;
use std::io;
use std::marker::PhantomData;

use futures::StreamExt;
use genetlink::{GenetlinkError, GenetlinkHandle};
use netlink_packet_core::{
    DecodeError, DefaultNla, Emitable, ErrorMessage, NLA_TYPE_MASK, NLM_F_ACK, NLM_F_REQUEST,
    NetlinkMessage, NetlinkPayload, Nla, NlasIterator, Parseable, ParseableParametrized,
};
use netlink_packet_generic::{GenlFamily, GenlHeader, GenlMessage};
use netlink_sys::AsyncSocket;
use nix::errno::Errno;

/// `NLMSGERR_ATTR_MSG`: what is wrong, in the words of kernel or driver.
const WORDS: u16 = 1;
/// `struct nlmsghdr`, which an error repeats of the request (`NETLINK_CAP_ACK`).
const HEADER: usize = 16;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum GenericError {
    /// Netlink could not be reached.
    #[error("cannot open a netlink socket: {0}")]
    Socket(#[from] io::Error),
    /// The kernel refuses.
    #[error("{words}")]
    Refused {
        /// Why.
        errno: Errno,
        /// The same in words: the driver's, if it has any.
        words: String,
    },
    /// There is no such family, or what came cannot be read.
    #[error(transparent)]
    Unreadable(#[from] GenetlinkError),
}

impl GenericError {
    /// What the kernel answered, where it did.
    pub(super) const fn errno(&self) -> Option<Errno> {
        match self {
            Self::Refused { errno, .. } => Some(*errno),
            _ => None,
        }
    }
}

impl From<&ErrorMessage> for GenericError {
    fn from(message: &ErrorMessage) -> Self {
        let errno = Errno::from_raw(-message.raw_code());
        let words = words(&message.header).unwrap_or_else(|| errno.desc().to_owned());
        Self::Refused { errno, words }
    }
}

/// What the kernel says behind the header it repeats (`Documentation/userspace-api/netlink/intro.rst`,
/// extended ACK).
fn words(repeated: &[u8]) -> Option<String> {
    let attributes = NlasIterator::new(repeated.get(HEADER..)?);
    let words = attributes.map_while(Result::ok).find(|attribute| attribute.kind() == WORDS)?;
    let words = String::from_utf8_lossy(words.value());
    Some(words.trim_end_matches('\0').to_owned())
}

/// A family.
pub(super) trait Family: Clone + Debug + PartialEq + 'static {
    /// The kernel's name for it.
    const NAME: &'static str;
}

/// A message of a family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message<F> {
    command: u8,
    pub(super) attributes: Vec<DefaultNla>,
    family: PhantomData<F>,
}

impl<F: Family> Message<F> {
    /// A request.
    pub(super) const fn new(command: u8, attributes: Vec<DefaultNla>) -> Self {
        Self { command, attributes, family: PhantomData }
    }

    /// Sends the request in the calling thread's network namespace and waits until the kernel has done
    /// it; what it answers, nothing to one that only sets something.
    pub(super) async fn exchange(self) -> Result<Vec<DefaultNla>, GenericError> {
        let (mut connection, handle, _) = genetlink::new_connection()?;
        let socket = connection.socket_mut().socket_ref();
        socket.set_ext_ack(true)?;
        socket.set_cap_ack(true)?;
        let connection = tokio::spawn(connection);
        let answer = self.ask(handle).await;
        connection.abort();
        answer
    }

    async fn ask(self, mut handle: GenetlinkHandle) -> Result<Vec<DefaultNla>, GenericError> {
        let mut message = NetlinkMessage::from(GenlMessage::from_payload(self));
        message.header.flags = NLM_F_REQUEST | NLM_F_ACK;
        let mut replies = std::pin::pin!(handle.request(message).await?);
        let mut answer = Vec::new();
        while let Some(reply) = replies.next().await {
            match reply.map_err(GenetlinkError::from)?.payload {
                NetlinkPayload::InnerMessage(message) => answer = message.payload.attributes,
                NetlinkPayload::Error(error) if error.code.is_some() => return Err((&error).into()),
                _ => {}
            }
        }
        Ok(answer)
    }
}

/// The attribute of this kind.
pub(super) fn find(attributes: &[DefaultNla], kind: u16) -> Option<&DefaultNla> {
    attributes.iter().find(|attribute| attribute.kind() & NLA_TYPE_MASK == kind)
}

/// Its value.
pub(super) fn bytes(attribute: &DefaultNla) -> Vec<u8> {
    let mut bytes = vec![0; attribute.value_len()];
    attribute.emit_value(&mut bytes);
    bytes
}

/// A value of four or eight bytes in the machine's order.
pub(super) fn number(attribute: &DefaultNla) -> Option<u64> {
    let bytes = bytes(attribute);
    match bytes.len() {
        4 => Some(u32::from_ne_bytes(*bytes.first_chunk()?).into()),
        8 => Some(u64::from_ne_bytes(*bytes.first_chunk()?)),
        _ => None,
    }
}

impl<F: Family> GenlFamily for Message<F> {
    fn family_name() -> &'static str {
        F::NAME
    }

    fn command(&self) -> u8 {
        self.command
    }

    fn version(&self) -> u8 {
        1
    }
}

impl<F> Emitable for Message<F> {
    fn buffer_len(&self) -> usize {
        self.attributes.as_slice().buffer_len()
    }

    fn emit(&self, buffer: &mut [u8]) {
        self.attributes.as_slice().emit(buffer);
    }
}

impl<F: Family> ParseableParametrized<[u8], GenlHeader> for Message<F> {
    fn parse_with_param(buffer: &[u8], header: GenlHeader) -> Result<Self, DecodeError> {
        let attributes = NlasIterator::new(buffer).map(|attribute| DefaultNla::parse(&attribute?));
        Ok(Self::new(header.cmd, attributes.collect::<Result<_, _>>()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `ethtool -L` to fewer queues than the indirection table names, as Linux 7.3 answered for igb.
    const REFUSED: &[u8] = b"\x2c\0\0\0\x17\0\x05\0\x06\0\0\0\0\0\0\0\x4c\0\x01\0\
        requested channel counts are too low for existing indirection table (2)\0";

    #[test]
    fn the_words_of_the_driver_are_read_and_where_it_has_none_those_of_the_error() {
        let said = "requested channel counts are too low for existing indirection table (2)";
        assert_eq!(words(REFUSED).as_deref(), Some(said));
        for silent in [&REFUSED[..HEADER], &REFUSED[..7], &[]] {
            assert_eq!(words(silent), None);
        }
        let mut message = ErrorMessage::default();
        message.code = std::num::NonZeroI32::new(-nix::libc::EOPNOTSUPP);
        let error = GenericError::from(&message);
        assert_eq!(error.errno(), Some(Errno::EOPNOTSUPP));
        assert_eq!(error.to_string(), Errno::EOPNOTSUPP.desc());
    }
}
