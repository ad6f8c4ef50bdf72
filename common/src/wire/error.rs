//! Why a packet has no headers, in words.

use core::error::Error;
use core::fmt;

use super::{NotInside, Unparsed};

impl fmt::Display for Unparsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the packet ends inside a header"),
            Self::NotIp(ether_type) => write!(f, "EtherType {:#06x} is not IP", ether_type.0),
            Self::TooManyTags => f.write_str("more VLAN tags than are followed"),
            Self::BadVersion => f.write_str("an IP version that is not the EtherType's"),
            Self::BadHeaderLength => f.write_str("an IPv4 header length below 20"),
            Self::TooManyExtensions => f.write_str("more extension headers than are followed"),
        }
    }
}

impl Error for Unparsed {}

impl fmt::Display for NotInside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header => f.write_str("a tunnel header that is cut short or unknown"),
            Self::Fragment => f.write_str("a fragment of a tunnel's packet"),
            Self::Protocol(ether_type) => {
                write!(f, "protocol {:#06x} inside a tunnel", ether_type.0)
            }
            Self::Inner(unparsed) => write!(f, "inside a tunnel: {unparsed}"),
        }
    }
}

impl Error for NotInside {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Inner(unparsed) => Some(unparsed),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;
    use crate::wire::EtherType;

    #[test]
    fn an_error_says_what_was_met() {
        assert_eq!(Unparsed::NotIp(EtherType::ARP).to_string(), "EtherType 0x0806 is not IP");
        let inside = NotInside::Inner(Unparsed::Truncated);
        assert_eq!(inside.to_string(), "inside a tunnel: the packet ends inside a header");
        assert!(inside.source().is_some() && NotInside::Header.source().is_none());
    }
}
