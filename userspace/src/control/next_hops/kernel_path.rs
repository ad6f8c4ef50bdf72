//! Raw sockets: an IP packet, headers and all, through the kernel's own routes and neighbours.

use std::io::IoSlice;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc::{in_addr, in_pktinfo, in6_addr, in6_pktinfo};
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn,
    SockaddrIn6, SockaddrLike, sendmsg, socket,
};
use sluice_common::wire::Addresses;

/// Two raw sockets of protocol 255 (`IPPROTO_RAW`), which brings its own IP header (raw(7)).
///
/// The kernel looks up the route as for protocol 255, whatever the packet's header says, so policy
/// rules for TCP or UDP do not match and no packet comes back to the TUN device it came from.
#[derive(Debug)]
pub(super) struct KernelPath {
    v4: OwnedFd,
    /// None on a machine without IPv6.
    v6: Option<OwnedFd>,
    /// The port's interface index, the zone of link-local destinations.
    zone: u32,
}

impl KernelPath {
    pub(super) fn open(zone: u32) -> Result<Self, Errno> {
        let v6 = match raw(AddressFamily::Inet6) {
            Err(Errno::EAFNOSUPPORT) => None,
            opened => Some(opened?),
        };
        Ok(Self { v4: raw(AddressFamily::Inet)?, v6, zone })
    }

    /// Sends a packet; `false` if the kernel does not take it.
    pub(super) fn send(&self, packet: &[u8], addresses: &Addresses) -> bool {
        match *addresses {
            Addresses::V4 { src, dst } => {
                let to: SockaddrIn = SocketAddrV4::new(dst.into(), 0).into();
                send(&self.v4, packet, &ControlMessage::Ipv4PacketInfo(&from_v4(src)), &to)
            }
            Addresses::V6 { src, dst } => {
                let Some(v6) = &self.v6 else { return false };
                let dst = Ipv6Addr::from(dst);
                let zone = if dst.is_unicast_link_local() { self.zone } else { 0 };
                let to: SockaddrIn6 = SocketAddrV6::new(dst, 0, 0, zone).into();
                send(v6, packet, &ControlMessage::Ipv6PacketInfo(&from_v6(src)), &to)
            }
        }
    }
}

fn raw(family: AddressFamily) -> Result<OwnedFd, Errno> {
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    socket(family, SockType::Raw, flags, SockProtocol::Raw)
}

/// Names the source besides, so that rules that look at it see it; a source that is none of this machine's
/// own the kernel refuses, and the packet goes without.
fn send<A: SockaddrLike>(
    socket: &OwnedFd,
    packet: &[u8],
    from: &ControlMessage<'_>,
    to: &A,
) -> bool {
    let (socket, packet) = (socket.as_raw_fd(), [IoSlice::new(packet)]);
    let flags = MsgFlags::empty();
    match sendmsg(socket, &packet, std::slice::from_ref(from), flags, Some(to)) {
        Ok(_) => true,
        Err(Errno::EINVAL | Errno::EADDRNOTAVAIL | Errno::ENETUNREACH) => {
            sendmsg(socket, &packet, &[], flags, Some(to)).is_ok()
        }
        Err(_) => false,
    }
}

/// `ipi_spec_dst` is the source of a packet that is sent (ip(7)).
fn from_v4(source: [u8; 4]) -> in_pktinfo {
    let s_addr = u32::from(Ipv4Addr::from(source)).to_be();
    in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: in_addr { s_addr }, ipi_addr: in_addr { s_addr: 0 } }
}

fn from_v6(source: [u8; 16]) -> in6_pktinfo {
    in6_pktinfo { ipi6_addr: in6_addr { s6_addr: source }, ipi6_ifindex: 0 }
}
