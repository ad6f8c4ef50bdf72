//! The kernel, cutting super-packets in software.
//!
//! A packet socket with `PACKET_VNET_HDR` sends them into a veth whose driver takes nothing over (ethtool
//! -K: no checksums, no segmentation), so that `validate_xmit_skb` segments and sums. A second packet socket
//! on the same interface sees each packet as the driver is given it. That happens inside the system call
//! that sends: there is no queue between, in which packets could be lost or change places.

use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::cmsg_space;
use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::libc;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, bind,
    recvmsg, send, sendmsg, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;
use nix::{setsockopt_impl, sockopt_impl};
use sluice_common::offload::VnetHeader;
use sluice_lab::Namespace;

use crate::case::Case;

// Whether a ten-byte vnet header stands before each packet that is sent, and whether what a packet cannot
// say of itself is told with each that is received (linux/if_packet.h).
sockopt_impl!(SendVnetHeader, SetOnly, libc::SOL_PACKET, libc::PACKET_VNET_HDR, bool);
sockopt_impl!(Auxiliary, SetOnly, libc::SOL_PACKET, libc::PACKET_AUXDATA, bool);

/// `TP_STATUS_CSUMNOTREADY`: the checksum is left to the driver (linux/if_packet.h).
const CHECKSUM_NOT_READY: u32 = 1 << 3;

/// The driver's features, all of which have to be off for the kernel to do the work itself.
const NO_HELP: &str = "tx off sg off tso off gso off gro off tx-udp-segmentation off";

/// The largest MTU of a veth: a segment may be as long as an IP packet.
const MTU: u32 = 65_535;

/// EtherType of the packet that ends what belongs to a super-packet: the first one for local experiments
/// (IEEE 802).
const MARKER: [u8; 2] = [0x88, 0xb5];

/// What the kernel made of a super-packet: the wire packets, or why there are none. `None`: it took the
/// super-packet and dropped it.
pub(crate) type Answer = Result<Vec<Vec<u8>>, Option<Errno>>;

/// A namespace with the interface super-packets are sent into.
#[derive(Debug)]
pub(crate) struct Kernel {
    sender: OwnedFd,
    capture: OwnedFd,
    marks: std::cell::Cell<u64>,
    namespace: Namespace,
}

impl Kernel {
    pub(crate) fn new() -> Result<Self> {
        let namespace = Namespace::new("gso")?;
        namespace.ip_batch(&format!(
            "link add out0 mtu {MTU} type veth peer name far0 mtu {MTU}\n\
             link set out0 addrgenmode none up\nlink set far0 addrgenmode none up\n"
        ))?;
        for link in ["out0", "far0"] {
            namespace.exec("ethtool", &format!("-K {link} {NO_HELP}"))?;
        }
        let (sender, capture) =
            namespace.run(|| anyhow::Ok((sender("out0")?, capture("out0")?)))?;
        Ok(Self { sender, capture, marks: 0.into(), namespace })
    }

    /// Sends the super-packet and returns what came out at the other end of the network stack.
    pub(crate) fn segment(&self, case: &Case) -> Result<Answer> {
        self.segment_from(&self.sender, case)
    }

    /// The same with a sender on another interface, whose packets go out through this one.
    pub(crate) fn segment_from(&self, sender: &OwnedFd, case: &Case) -> Result<Answer> {
        let sent = send_super(sender, &case.vnet_of_frame(), &case.frame());
        let marker = self.mark()?;
        let packets = self.until(&marker)?;
        Ok(match sent {
            // What the far end of the veth had no room for has been seen all the same.
            Ok(()) | Err(Errno::ENOBUFS) if !packets.is_empty() => Ok(packets),
            Ok(()) => Err(None),
            Err(errno) => {
                ensure!(packets.is_empty(), "{errno}, and {} packets came", packets.len());
                Err(Some(errno))
            }
        })
    }

    /// The namespace, for more interfaces; `out0` is the one whose packets are compared.
    pub(crate) fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// What sends super-packets into `link`.
    pub(crate) fn sender(&self, link: &str) -> Result<OwnedFd> {
        self.namespace.run(|| sender(link))
    }

    /// Sends the packet that says that all packets before it have been seen.
    fn mark(&self) -> Result<Vec<u8>> {
        self.marks.set(self.marks.get() + 1);
        let number = self.marks.get().to_be_bytes();
        let frame = [&[2; 12][..], &MARKER, &number, &[0; 38]].concat();
        let bytes = [&VnetHeader::default().to_bytes()[..], &frame].concat();
        send(self.sender.as_raw_fd(), &bytes, MsgFlags::empty()).context("sending a marker")?;
        Ok(frame)
    }

    fn until(&self, marker: &[u8]) -> Result<Vec<Vec<u8>>> {
        let mut packets = Vec::new();
        loop {
            let packet = self.receive()?;
            if packet == marker {
                return Ok(packets);
            }
            // The kernel's own packets, of a link that has an address, are to a group.
            if packet.first().is_some_and(|byte| byte & 1 == 0) {
                packets.push(packet);
            }
        }
    }

    fn receive(&self) -> Result<Vec<u8>> {
        let mut bytes = vec![0; MTU as usize + 100];
        let mut slices = [IoSliceMut::new(&mut bytes)];
        let mut space = cmsg_space!([u32; 5]);
        let socket = self.capture.as_raw_fd();
        let message =
            recvmsg::<LinkAddr>(socket, &mut slices, Some(&mut space), MsgFlags::MSG_TRUNC)
                .context("the marker did not come")?;
        let len = message.bytes;
        for told in message.cmsgs()? {
            check_auxiliary(&told)?;
        }
        bytes.truncate(len);
        Ok(bytes)
    }
}

/// The kernel must not have left the checksum to a driver, or there is nothing to compare.
fn check_auxiliary(told: &ControlMessageOwned) -> Result<()> {
    let ControlMessageOwned::Unknown(told) = told else { bail!("unexpected {told:?}") };
    let status = told.data_bytes.first_chunk().copied().map(u32::from_ne_bytes);
    let ready = status.is_some_and(|status| status & CHECKSUM_NOT_READY == 0);
    ensure!(ready, "the kernel left the checksum of a packet to the driver");
    Ok(())
}

fn send_super(socket: &OwnedFd, vnet: &VnetHeader, frame: &[u8]) -> nix::Result<()> {
    let vnet = vnet.to_bytes();
    let slices = [IoSlice::new(&vnet), IoSlice::new(frame)];
    sendmsg::<LinkAddr>(socket.as_raw_fd(), &slices, &[], MsgFlags::empty(), None).map(drop)
}

/// Protocol 0: receives nothing.
fn sender(link: &str) -> Result<OwnedFd> {
    let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&socket, SendVnetHeader, &true)?;
    bind(socket.as_raw_fd(), &address(link)?)?;
    Ok(socket)
}

fn capture(link: &str) -> Result<OwnedFd> {
    let all = SockProtocol::EthAll;
    let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, all)?;
    setsockopt(&socket, sockopt::RcvBufForce, &(256 << 20))?;
    setsockopt(&socket, Auxiliary, &true)?;
    // What is awaited is there when the sending call returns: a bound on a hang, nothing else.
    setsockopt(
        &socket,
        sockopt::ReceiveTimeout,
        &TimeVal::new(Duration::from_secs(5).as_secs() as i64, 0),
    )?;
    bind(socket.as_raw_fd(), &address(link)?)?;
    Ok(socket)
}

fn address(link: &str) -> Result<LinkAddr> {
    let found = getifaddrs()?.find_map(|entry| {
        let address = entry.address.filter(|_| entry.interface_name == link)?;
        address.as_link_addr().copied()
    });
    found.with_context(|| format!("{link} has no link address"))
}
