//! What an interface really sent and received.

use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::libc;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::sockopt::SetBool;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, bind,
    recvmsg, send, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;

use crate::Namespace;

/// Room the kernel keeps for packets not read yet; enough for a second of the fastest veth.
const ROOM: usize = 512 << 20;

/// Each packet comes with what the kernel took out of it.
#[derive(Clone, Copy, Debug)]
struct PacketAuxData;
nix::setsockopt_impl!(PacketAuxData, libc::SOL_PACKET, libc::PACKET_AUXDATA, bool, SetBool);

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
    /// Its bytes, from the link header on (a TUN has none) and with the VLAN tag that the kernel takes out, as far
    /// as the buffer reaches.
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
        // linux/if_packet.h: struct tpacket_auxdata has 20 bytes.
        let mut control = nix::cmsg_space!([u8; 20]);
        let mut slices = [IoSliceMut::new(buffer)];
        let socket = self.socket.as_raw_fd();
        let received =
            recvmsg::<LinkAddr>(socket, &mut slices, Some(&mut control), MsgFlags::MSG_TRUNC);
        let message = match received {
            Ok(message) => message,
            Err(Errno::EAGAIN | Errno::EINTR) => return Ok(None),
            Err(error) => return Err(error).context("the capture ended"),
        };
        let tag = message.cmsgs()?.find_map(tag);
        let (len, from) = (message.bytes, message.address);
        let restored = tag.map_or(0, |tag| restore(buffer, len, tag));
        Ok(from.map(|from| (len + restored, from)))
    }

    /// Sends a packet, link header first, past the kernel's network stack.
    ///
    /// # Errors
    /// Where the interface does not take it.
    pub fn inject(&self, packet: &[u8]) -> nix::Result<()> {
        send(self.socket.as_raw_fd(), packet, MsgFlags::empty()).map(drop)
    }
}

/// A VLAN tag, as it stands in a packet.
type Tag = [u8; 4];

/// Where a packet's outermost one stands: behind both link addresses.
const TAG: usize = 12;

/// The tag that the kernel took out, as `struct tpacket_auxdata` (linux/if_packet.h) tells of it.
fn tag(message: ControlMessageOwned) -> Option<Tag> {
    let ControlMessageOwned::Unknown(told) = message else { return None };
    let kind = (told.cmsg_header.cmsg_level, told.cmsg_header.cmsg_type);
    if kind != (libc::SOL_PACKET, libc::PACKET_AUXDATA) {
        return None;
    }
    let status = u32::from_ne_bytes(*told.data_bytes.first_chunk()?);
    let word = |at: usize| told.data_bytes[at..].first_chunk().copied().map(u16::from_ne_bytes);
    let ([tci_high, tci_low], [kind_high, kind_low]) =
        (word(16)?.to_be_bytes(), word(18)?.to_be_bytes());
    let has_tag = status & libc::TP_STATUS_VLAN_VALID != 0;
    has_tag.then_some([kind_high, kind_low, tci_high, tci_low])
}

/// Puts a tag back into the first `len` bytes, as far as the buffer reaches, and returns its length.
fn restore(buffer: &mut [u8], len: usize, tag: Tag) -> usize {
    let end = (len + tag.len()).min(buffer.len());
    if end >= TAG + tag.len() {
        buffer.copy_within(TAG..end - tag.len(), TAG + tag.len());
        buffer[TAG..TAG + tag.len()].copy_from_slice(&tag);
    }
    tag.len()
}

/// `sll_pkttype` of what this host sent (linux/if_packet.h).
const PACKET_OUTGOING: u8 = 4;

fn open(name: &str) -> Result<Capture> {
    let link = if_nametoindex(name)? as usize;
    let socket =
        socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::EthAll)?;
    setsockopt(&socket, sockopt::RcvBufForce, &ROOM)?;
    setsockopt(&socket, PacketAuxData, &true)?;
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
