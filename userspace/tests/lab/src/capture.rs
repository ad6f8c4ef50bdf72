//! What an interface really sent and received.

use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
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
}

impl Capture {
    /// Opens the packet socket on `link` in `host`.
    ///
    /// # Errors
    /// Where there is no such interface.
    pub fn open(host: &Namespace, link: &str) -> Result<Self> {
        let socket =
            host.run(|| open(link)).with_context(|| format!("cannot capture on {link}"))?;
        Ok(Self { socket })
    }

    /// The next packet, into `buffer`; `None` if none came within a tenth of a second.
    ///
    /// # Errors
    /// Where the interface has gone.
    pub fn next<'b>(&self, buffer: &'b mut [u8]) -> Result<Option<Captured<'b>>> {
        let mut slices = [IoSliceMut::new(buffer)];
        let received =
            recvmsg::<LinkAddr>(self.socket.as_raw_fd(), &mut slices, None, MsgFlags::MSG_TRUNC);
        let (len, from) = match received {
            Ok(message) => (message.bytes, message.address),
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(None),
            Err(error) => return Err(error).context("the capture ended"),
        };
        let sent = from.is_some_and(|from| from.pkttype() == PACKET_OUTGOING);
        let direction = if sent { Direction::Out } else { Direction::In };
        let held = len.min(buffer.len());
        Ok(Some(Captured { direction, bytes: &buffer[..held], len }))
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

fn open(link: &str) -> Result<OwnedFd> {
    let address = link_address(link)?;
    let socket =
        socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::EthAll)?;
    setsockopt(&socket, sockopt::RcvBufForce, &ROOM)?;
    let turn = Duration::from_millis(100);
    setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::new(0, turn.subsec_micros().into()))?;
    // The address of getifaddrs names no protocol; the kernel then keeps the socket's own.
    bind(socket.as_raw_fd(), &address)?;
    Ok(socket)
}

fn link_address(link: &str) -> Result<LinkAddr> {
    let mut all = getifaddrs()?;
    let found = all.find_map(|entry| {
        let address = entry.address.filter(|_| entry.interface_name == link)?;
        address.as_link_addr().copied()
    });
    found.with_context(|| format!("there is no interface {link}"))
}
