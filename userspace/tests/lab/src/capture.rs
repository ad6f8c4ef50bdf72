//! What an interface really sent and received.

use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, bind, recvmsg, send,
    setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;

use crate::Namespace;

/// Room the kernel keeps for packets not read yet; enough for a second of the fastest veth.
const ROOM: usize = 512 << 20;

/// Which way a packet went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Received by the interface.
    In,
    /// Sent by it.
    Out,
}

/// One packet that was seen.
#[derive(Clone, Copy, Debug)]
pub struct Captured<'a> {
    /// Which way it went.
    pub direction: Direction,
    /// Its bytes, from the link header on (a TUN has none), as far as the buffer reaches.
    pub bytes: &'a [u8],
    /// Its true length.
    pub len: usize,
}

/// A packet socket on one interface: sees what it sends and receives from now on, and can send (what it
/// sends itself is the only thing it does not see).
#[derive(Debug)]
pub struct Capture {
    socket: OwnedFd,
    link: usize,
}

impl Capture {
    /// Opens the packet socket on `link` in `host`.
    ///
    /// # Errors
    /// Where there is no such interface.
    pub fn open(host: &Namespace, link: &str) -> Result<Self> {
        host.run(|| open(link)).with_context(|| format!("cannot capture on {link}"))
    }

    /// The next packet, into `buffer`; `None` if none came within a tenth of a second.
    ///
    /// # Errors
    /// Where the interface has gone.
    pub fn next<'b>(&self, buffer: &'b mut [u8]) -> Result<Option<Captured<'b>>> {
        while let Some((len, from)) = self.receive(buffer)? {
            if from.ifindex() == self.link {
                let sent = from.pkttype() == PACKET_OUTGOING;
                let direction = if sent { Direction::Out } else { Direction::In };
                let held = len.min(buffer.len());
                return Ok(Some(Captured { direction, bytes: &buffer[..held], len }));
            }
        }
        Ok(None)
    }

    fn receive(&self, buffer: &mut [u8]) -> Result<Option<(usize, LinkAddr)>> {
        let mut slices = [IoSliceMut::new(buffer)];
        let socket = self.socket.as_raw_fd();
        match recvmsg::<LinkAddr>(socket, &mut slices, None, MsgFlags::MSG_TRUNC) {
            Ok(message) => Ok(message.address.map(|from| (message.bytes, from))),
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(None),
            Err(error) => Err(error).context("the capture ended"),
        }
    }

    /// Sends a packet, link header first, past the kernel's network stack.
    ///
    /// # Errors
    /// Where the interface does not take it.
    pub fn inject(&self, packet: &[u8]) -> nix::Result<()> {
        send(self.socket.as_raw_fd(), packet, MsgFlags::empty()).map(drop)
    }
}

/// `sll_pkttype` of what this host sent (linux/if_packet.h).
const PACKET_OUTGOING: u8 = 4;

fn open(name: &str) -> Result<Capture> {
    let link = if_nametoindex(name)? as usize;
    let socket =
        socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::EthAll)?;
    setsockopt(&socket, sockopt::RcvBufForce, &ROOM)?;
    let turn = Duration::from_millis(100);
    setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::new(0, turn.subsec_micros().into()))?;
    // A TUN device has no link address to bind to: its packets are picked from all.
    if let Some(address) = link_address(name)? {
        // The address of getifaddrs names no protocol; the kernel then keeps the socket's own.
        bind(socket.as_raw_fd(), &address)?;
    }
    Ok(Capture { socket, link })
}

fn link_address(name: &str) -> Result<Option<LinkAddr>> {
    let mut all = getifaddrs()?;
    Ok(all.find_map(|entry| {
        let address = entry.address.filter(|_| entry.interface_name == name)?;
        address.as_link_addr().copied()
    }))
}
