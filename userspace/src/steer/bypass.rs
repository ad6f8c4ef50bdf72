//! How the program is attached so that it can hand packets to the other port.
//!
//! In the driver it hands them to the other port's driver (`ndo_xdp_xmit`), and where that one does not take them
//! the kernel drops them without a word (`__xdp_enqueue`, kernel/bpf/devmap.c). The generic hook hands out socket
//! buffers, which every interface sends.
//!
//! What a driver takes depends on what is attached: igb and virtio_net, as most, say that they take packets only
//! while they run a program themselves, a veth only while its far end runs one or has GRO on. So ask when both
//! programs are attached, and again when one of them has moved to the generic hook: with that the other may have
//! lost what it hands its packets to.

use std::fmt;

use super::Buffers;
use crate::config::XdpMode;
use crate::control::nic::XdpCapabilities;

/// One of the two ports.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    /// Its interface.
    pub iface: &'a str,
    /// What its driver can do now.
    pub can: &'a XdpCapabilities,
}

/// How the program is attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bypass {
    /// Where.
    pub xdp: XdpMode,
    /// Why not where it was to be.
    pub reason: Option<String>,
}

/// Why the program cannot be attached where it was to be.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{iface}: native XDP could not hand packets to {peer} while Sluice's workers are away, for {lacks}; or xdp = \
     \"auto\" in the [[port]] of {iface}"
)]
pub struct BypassError {
    /// The interface.
    pub iface: String,
    /// The other port's.
    pub peer: String,
    /// What is missing, and what helps.
    pub lacks: String,
}

/// How the program of `own` is attached, which is `wanted` there, so that it can hand packets in so many
/// `buffers` to `peer`.
///
/// # Errors
/// Native is wanted and nothing else, and the drivers cannot.
pub fn bypass_mode(
    own: End<'_>,
    peer: End<'_>,
    wanted: XdpMode,
    buffers: Buffers,
) -> Result<Bypass, BypassError> {
    // Whether its driver has native XDP at all is found out by attaching.
    let lack = if own.can.reported && !own.can.native { None } else { lack(own, peer, buffers) };
    match (wanted, lack) {
        (XdpMode::Generic, _) | (_, None) => Ok(Bypass { xdp: wanted, reason: None }),
        (XdpMode::Auto, Some(lack)) => {
            Ok(Bypass { xdp: XdpMode::Generic, reason: Some(lack.to_string()) })
        }
        (XdpMode::Native, Some(lack)) => Err(BypassError {
            iface: own.iface.to_owned(),
            peer: peer.iface.to_owned(),
            lacks: lack.to_string(),
        }),
    }
}

/// What keeps a driver's packets from the other port.
#[derive(Clone, Copy, Debug)]
enum Lack<'a> {
    /// The kernel has no `netdev` family.
    Unknown { peer: &'a str },
    /// The one hands out none.
    Redirect { own: &'a str },
    /// The other takes none.
    Transmit { peer: &'a str },
    /// The other takes none of several buffers.
    TransmitSeveral { peer: &'a str },
}

fn lack<'a>(own: End<'a>, peer: End<'a>, buffers: Buffers) -> Option<Lack<'a>> {
    if !own.can.reported || !peer.can.reported {
        Some(Lack::Unknown { peer: peer.iface })
    } else if !own.can.redirect {
        Some(Lack::Redirect { own: own.iface })
    } else if !peer.can.transmit {
        Some(Lack::Transmit { peer: peer.iface })
    } else if buffers == Buffers::Several && !peer.can.transmit_multi_buffer {
        Some(Lack::TransmitSeveral { peer: peer.iface })
    } else {
        None
    }
}

impl fmt::Display for Lack<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { peer } => write!(
                f,
                "the kernel does not say whether {peer} sends what another interface's program hands to it: \
                 Linux 6.3 or later does"
            ),
            Self::Redirect { own } => {
                write!(f, "the driver of {own} hands packets to no other interface (no redirect)")
            }
            Self::Transmit { peer } => write!(
                f,
                "the driver of {peer} does not send what another interface's program hands to it (no ndo-xmit): \
                 many do only while they run a program themselves, a veth while its far end has GRO on \
                 (`ethtool -K PEER gro on`) or a program of its own"
            ),
            Self::TransmitSeveral { peer } => write!(
                f,
                "the driver of {peer} sends nothing of several buffers that another interface's program hands \
                 to it (no ndo-xmit-sg): a smaller MTU helps, as packets of one buffer are sent"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a veth in a good mood can do.
    fn able() -> XdpCapabilities {
        XdpCapabilities {
            reported: true,
            native: true,
            redirect: true,
            transmit: true,
            multi_buffer: true,
            transmit_multi_buffer: true,
            ..XdpCapabilities::default()
        }
    }

    fn mode(
        own: &XdpCapabilities,
        peer: &XdpCapabilities,
        wanted: XdpMode,
        buffers: Buffers,
    ) -> Result<Bypass, BypassError> {
        let own = End { iface: "eth1", can: own };
        bypass_mode(own, End { iface: "eth2", can: peer }, wanted, buffers)
    }

    const BOTH: [Buffers; 2] = [Buffers::One, Buffers::Several];

    #[test]
    fn it_is_as_wanted_where_both_drivers_can() {
        for wanted in [XdpMode::Auto, XdpMode::Native, XdpMode::Generic] {
            for buffers in BOTH {
                let bypass = mode(&able(), &able(), wanted, buffers).unwrap();
                assert_eq!(bypass, Bypass { xdp: wanted, reason: None });
            }
        }
    }

    #[test]
    fn generic_asks_nothing_of_the_drivers() {
        let none = XdpCapabilities::default();
        for buffers in BOTH {
            let bypass = mode(&none, &none, XdpMode::Generic, buffers).unwrap();
            assert_eq!(bypass, Bypass { xdp: XdpMode::Generic, reason: None });
        }
    }

    #[test]
    fn a_peer_that_sends_nothing_makes_auto_generic_and_refuses_native_with_what_helps() {
        let peer = XdpCapabilities { transmit: false, transmit_multi_buffer: false, ..able() };
        for buffers in BOTH {
            let bypass = mode(&able(), &peer, XdpMode::Auto, buffers).unwrap();
            let refused = mode(&able(), &peer, XdpMode::Native, buffers).unwrap_err().to_string();
            assert_eq!(bypass.xdp, XdpMode::Generic);
            for text in [&bypass.reason.unwrap(), &refused] {
                for word in ["eth2", "no ndo-xmit)", "`ethtool -K PEER gro on`"] {
                    assert!(text.contains(word), "{word} is missing: {text}");
                }
            }
            for word in ["eth1: native", "xdp = \"auto\" in the [[port]] of eth1"] {
                assert!(refused.contains(word), "{word} is missing: {refused}");
            }
        }
    }

    #[test]
    fn several_buffers_take_a_peer_that_sends_them() {
        let peer = XdpCapabilities { transmit_multi_buffer: false, ..able() };
        let one = mode(&able(), &peer, XdpMode::Native, Buffers::One).unwrap();
        assert_eq!(one, Bypass { xdp: XdpMode::Native, reason: None });
        let several = mode(&able(), &peer, XdpMode::Auto, Buffers::Several).unwrap();
        assert_eq!(several.xdp, XdpMode::Generic);
        let reason = several.reason.unwrap();
        assert!(reason.contains("eth2") && reason.contains("smaller MTU"), "{reason}");
        let refused = mode(&able(), &peer, XdpMode::Native, Buffers::Several).unwrap_err();
        assert!(refused.to_string().contains("no ndo-xmit-sg"), "{refused}");
    }

    #[test]
    fn a_driver_that_hands_out_nothing_is_named() {
        let own = XdpCapabilities { redirect: false, ..able() };
        let reason = mode(&own, &able(), XdpMode::Auto, Buffers::One).unwrap().reason.unwrap();
        assert!(reason.contains("eth1") && reason.contains("no redirect"), "{reason}");
    }

    #[test]
    fn without_native_xdp_the_attaching_says_so() {
        let own = XdpCapabilities { reported: true, ..XdpCapabilities::default() };
        let peer = own.clone();
        for wanted in [XdpMode::Auto, XdpMode::Native] {
            let bypass = mode(&own, &peer, wanted, Buffers::One).unwrap();
            assert_eq!(bypass, Bypass { xdp: wanted, reason: None });
        }
    }

    #[test]
    fn where_the_kernel_says_nothing_native_is_not_risked() {
        let silent = XdpCapabilities::default();
        let bypass = mode(&silent, &silent, XdpMode::Auto, Buffers::One).unwrap();
        assert_eq!(bypass.xdp, XdpMode::Generic);
        assert!(bypass.reason.unwrap().contains("6.3"));
        let refused = mode(&silent, &silent, XdpMode::Native, Buffers::One).unwrap_err();
        assert!(refused.to_string().contains("6.3"), "{refused}");
    }
}
