//! Whether packets of the interface's MTU can be taken, and how.
//!
//! A frame holds an MTU of [`FRAME_MTU`]. Larger packets span several, which takes the program that says it
//! can (`xdp.frags`) and, where the driver runs it, a driver that hands it such packets.

use super::super::nic::{Nic, XdpCapabilities};
use crate::config::XdpMode;
use crate::steer::Buffers;
use crate::xsk::{FRAME_MTU, MAX_MTU};

/// How the program is loaded and attached, so that packets of the MTU can be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Taking {
    /// Which program.
    pub(super) buffers: Buffers,
    /// Where it is attached.
    pub(super) xdp: XdpMode,
    /// Why not where it was to be.
    pub(super) reason: Option<String>,
}

/// Why packets of the MTU cannot be taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MtuError {
    /// More than Sluice takes.
    #[error(
        "{iface}: an MTU of {mtu} is more than Sluice takes: `ip link set {iface} mtu {MAX_MTU}`"
    )]
    TooLarge {
        /// The interface.
        iface: String,
        /// Its MTU.
        mtu: u32,
    },
    /// More than a frame holds, and the driver hands out no packets of several buffers.
    #[error(
        "{iface}: an MTU of {mtu} takes multi-buffer XDP, and {lacks}: `ip link set {iface} mtu {FRAME_MTU}`, or \
         xdp = \"generic\" in [[port]]"
    )]
    NoMultiBuffer {
        /// The interface.
        iface: String,
        /// Its MTU.
        mtu: u32,
        /// What the driver offers instead.
        lacks: &'static str,
    },
    /// More than a frame holds, and the kernel is too old.
    #[error(
        "{iface}: an MTU of {mtu} takes multi-buffer AF_XDP, which Linux has from 6.6 on: `ip link set {iface} \
         mtu {FRAME_MTU}`"
    )]
    OldKernel {
        /// The interface.
        iface: String,
        /// Its MTU.
        mtu: u32,
    },
}

/// How packets of `nic` are taken, whose driver `can` do this and that.
pub(super) fn taking(
    nic: &Nic,
    can: &XdpCapabilities,
    wanted: XdpMode,
) -> Result<Taking, MtuError> {
    let (iface, mtu) = (nic.iface.clone(), nic.mtu);
    if mtu as usize <= FRAME_MTU {
        return Ok(Taking { buffers: Buffers::One, xdp: wanted, reason: None });
    }
    if mtu as usize > MAX_MTU {
        return Err(MtuError::TooLarge { iface, mtu });
    }
    if !can.reported {
        return Err(MtuError::OldKernel { iface, mtu });
    }
    let several = |xdp, reason| Ok(Taking { buffers: Buffers::Several, xdp, reason });
    match (wanted, lacks(can)) {
        (_, None) | (XdpMode::Generic, _) => several(wanted, None),
        (XdpMode::Auto, Some(lacks)) => {
            several(XdpMode::Generic, Some(format!("the MTU of {mtu} takes it, for {lacks}")))
        }
        (XdpMode::Native, Some(lacks)) => Err(MtuError::NoMultiBuffer { iface, mtu, lacks }),
    }
}

/// What keeps the driver from handing out packets of several buffers.
const fn lacks(can: &XdpCapabilities) -> Option<&'static str> {
    match (can.native, can.multi_buffer) {
        (false, _) => Some("the driver has no native XDP"),
        (true, false) => {
            Some("the driver has native XDP for packets of one buffer only (no rx-sg)")
        }
        (true, true) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nic(mtu: u32) -> Nic {
        Nic { iface: "eth1".into(), mtu, ..Nic::default() }
    }

    fn can(native: bool, multi_buffer: bool) -> XdpCapabilities {
        XdpCapabilities { reported: true, native, multi_buffer, ..XdpCapabilities::default() }
    }

    #[test]
    fn an_mtu_of_one_frame_asks_nothing_of_the_driver() {
        for mtu in [68, 1500, FRAME_MTU as u32] {
            let taking = taking(&nic(mtu), &XdpCapabilities::default(), XdpMode::Native).unwrap();
            assert_eq!((taking.buffers, taking.xdp), (Buffers::One, XdpMode::Native));
        }
    }

    #[test]
    fn a_larger_one_is_taken_as_wanted_where_the_driver_can() {
        for mtu in [FRAME_MTU as u32 + 1, 9_000, MAX_MTU as u32] {
            for wanted in [XdpMode::Auto, XdpMode::Native, XdpMode::Generic] {
                let taking = taking(&nic(mtu), &can(true, true), wanted).unwrap();
                assert_eq!((taking.buffers, taking.xdp), (Buffers::Several, wanted));
                assert_eq!(taking.reason, None);
            }
        }
    }

    #[test]
    fn where_the_driver_cannot_native_is_refused_with_what_it_offers_and_what_helps() {
        for (native, offers) in [(true, "one buffer only"), (false, "no native XDP")] {
            let refused = taking(&nic(9_000), &can(native, false), XdpMode::Native).unwrap_err();
            let text = refused.to_string();
            for word in ["eth1", "9000", offers, "ip link set eth1 mtu 3818", "xdp = \"generic\""] {
                assert!(text.contains(word), "{word} is missing: {text}");
            }
        }
    }

    #[test]
    fn where_the_driver_cannot_auto_is_generic_and_says_why() {
        let taking = taking(&nic(9_000), &can(true, false), XdpMode::Auto).unwrap();
        assert_eq!((taking.buffers, taking.xdp), (Buffers::Several, XdpMode::Generic));
        let reason = taking.reason.unwrap();
        assert!(reason.contains("9000") && reason.contains("one buffer only"), "{reason}");
    }

    #[test]
    fn too_large_is_refused_whatever_the_driver_can_and_so_is_an_old_kernel() {
        for mtu in [MAX_MTU as u32 + 1, 65_536] {
            let refused = taking(&nic(mtu), &can(true, true), XdpMode::Generic).unwrap_err();
            assert!(refused.to_string().contains("`ip link set eth1 mtu 9216`"), "{refused}");
        }
        let silent = XdpCapabilities::default();
        let refused = taking(&nic(9_000), &silent, XdpMode::Generic).unwrap_err();
        assert!(refused.to_string().contains("6.6"), "{refused}");
    }
}
