//! A way out beside the transmit ring that takes super-packets: a packet socket with a vnet header.
//!
//! In copy mode the kernel builds an skb for every packet of the transmit ring and copies into it. A packet socket
//! (packet(7)) copies as well, but a whole super-packet at a time, and the kernel treats it like one of its own:
//! the NIC segments it and makes the checksums where it can (TSO, USO), else the kernel does, just before
//! the driver. Frames are free again at once.

use std::io::IoSlice;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::libc;
use nix::sys::socket::{AddressFamily, LinkAddr, SockFlag, SockType, bind, socket};
use nix::sys::uio::writev;
use sluice_common::offload::GsoType;

use super::options::{Failed, raise_send_buffer, set};
use super::size::RingSize;
use crate::port::{Sent, SuperPort};

/// A packet socket of one interface that only sends.
#[derive(Debug)]
pub struct PacketSocket(OwnedFd);

impl PacketSocket {
    /// One of `iface` that has up to as many packets in flight as a transmit ring of `ring` slots.
    pub(super) fn open(iface: &str, ring: RingSize) -> Result<Self, Failed> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        // Without a protocol it receives nothing.
        let socket = socket(AddressFamily::Packet, SockType::Raw, flags, None)
            .map_err(|errno| ("AF_PACKET", errno))?;
        set(&socket, libc::SOL_PACKET, libc::PACKET_VNET_HDR, 1)
            .map_err(|errno| ("PACKET_VNET_HDR", errno))?;
        raise_send_buffer(&socket, ring)?;
        let address = address(iface).ok_or(("bind", Errno::ENODEV))?;
        bind(socket.as_raw_fd(), &address).map_err(|errno| ("bind", errno))?;
        Ok(Self(socket))
    }
}

/// The interface as a packet socket is bound to it, no protocol named.
fn address(iface: &str) -> Option<LinkAddr> {
    let mut all = getifaddrs().ok()?;
    all.find_map(|entry| {
        let address = entry.address.filter(|_| entry.interface_name == iface)?;
        address.as_link_addr().copied()
    })
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl SuperPort for PacketSocket {
    /// `UIO_MAXIOV`, what one `writev` takes; the kernel copies, so it sets no lower bound.
    const MAX_SLICES: usize = 1024;

    /// What ten bytes of vnet header can say: no tunnel, no fixed IPv4 identification, no AccECN. UDP is
    /// taken from Linux 6.2 on and refused before, when its packets go one by one.
    fn takes(&self, gso_type: GsoType) -> bool {
        let kinds = [GsoType::TCPV4, GsoType::TCPV6, GsoType::UDP_L4];
        kinds.contains(&gso_type.kind()) && gso_type.0 <= u8::MAX.into()
    }

    fn send(&mut self, slices: &[IoSlice<'_>]) -> Sent {
        match writev(&self.0, slices) {
            Ok(_) => Sent::Done,
            Err(errno) => sent(errno),
        }
    }
}

fn sent(errno: Errno) -> Sent {
    match errno {
        // EAGAIN: the send buffer is full. ENETDOWN: the interface is down, as a transmit ring would wait for it.
        // EINTR: a signal came first. ENOMEM: no memory for an skb just now.
        Errno::EAGAIN | Errno::EINTR | Errno::ENETDOWN | Errno::ENOMEM => Sent::Full,
        // A queueing discipline or the driver had no room (`net_xmit_errno`).
        Errno::ENOBUFS => Sent::Dropped,
        // The interface is deleted.
        Errno::ENXIO | Errno::ENODEV => Sent::Gone,
        // EINVAL: a vnet header the kernel does not know, or that disagrees with its packet. EMSGSIZE: above the MTU.
        _ => Sent::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_will_pass_is_full_what_was_taken_is_dropped_what_is_wrong_is_refused() {
        for errno in [Errno::EAGAIN, Errno::EINTR, Errno::ENETDOWN, Errno::ENOMEM] {
            assert_eq!(sent(errno), Sent::Full, "{errno}");
        }
        assert_eq!(sent(Errno::ENOBUFS), Sent::Dropped);
        for errno in [Errno::EINVAL, Errno::EMSGSIZE] {
            assert_eq!(sent(errno), Sent::Refused, "{errno}");
        }
        for errno in [Errno::ENXIO, Errno::ENODEV] {
            assert_eq!(sent(errno), Sent::Gone, "{errno}");
        }
    }
}
