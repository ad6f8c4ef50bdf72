//! A packet socket that tells of super-packets: a vnet header before each packet, and the VLAN tag that
//! the kernel took out.

use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::ifaddrs::getifaddrs;
use nix::libc;
use nix::sys::socket::sockopt::SetBool;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, bind,
    recvmsg, send, setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;
use sluice_common::offload::VnetHeader;
use sluice_common::wire::{ethernet, udp, vlan};

use crate::outcome::Outcome;

/// A vnet header stands before each packet.
#[derive(Clone, Copy, Debug)]
struct PacketVnetHeader;
nix::setsockopt_impl!(PacketVnetHeader, libc::SOL_PACKET, libc::PACKET_VNET_HDR, bool, SetBool);

/// Each packet comes with what was taken out of it.
#[derive(Clone, Copy, Debug)]
struct PacketAuxData;
nix::setsockopt_impl!(PacketAuxData, libc::SOL_PACKET, libc::PACKET_AUXDATA, bool, SetBool);

/// A packet socket on one interface.
#[derive(Debug)]
pub(super) struct Capture {
    socket: OwnedFd,
    buffer: Vec<u8>,
}

/// Longer than any packet, with vnet header and link header.
const LONGEST: usize = 70_000;
/// Room for a burst of the longest packets, and for all that comes out of it.
const ROOM: usize = 64 << 20;
/// A bound on a hang.
const PATIENCE: Duration = Duration::from_secs(5);

impl Capture {
    /// Sees what arrives at `link`, which is in the calling thread's namespace.
    pub(super) fn open(link: &str) -> Result<Self> {
        let socket = packet_socket(link, Some(SockProtocol::EthAll))?;
        setsockopt(&socket, sockopt::RcvBufForce, &ROOM)?;
        setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::new(PATIENCE.as_secs() as i64, 0))?;
        setsockopt(&socket, PacketVnetHeader, &true)?;
        setsockopt(&socket, PacketAuxData, &true)?;
        Ok(Self { socket, buffer: vec![0; LONGEST] })
    }

    /// The next packet.
    pub(super) fn next(&mut self) -> Result<Outcome> {
        // linux/if_packet.h: struct tpacket_auxdata has 20 bytes.
        let mut control = nix::cmsg_space!([u8; 20]);
        let mut slices = [IoSliceMut::new(&mut self.buffer)];
        let message = recvmsg::<LinkAddr>(
            self.socket.as_raw_fd(),
            &mut slices,
            Some(&mut control),
            MsgFlags::empty(),
        );
        let message = message.context("the kernel shows no packet")?;
        ensure!(!message.flags.contains(MsgFlags::MSG_TRUNC), "a packet of over {LONGEST} bytes");
        let tag = message.cmsgs()?.find_map(tag);
        let len = message.bytes;
        outcome(&self.buffer[..len], tag)
    }
}

/// A sender to one interface, past the kernel's network stack.
#[derive(Debug)]
pub(super) struct Sender(OwnedFd);

impl Sender {
    /// Sends to `link`, which is in the calling thread's namespace.
    pub(super) fn open(link: &str) -> Result<Self> {
        let socket = packet_socket(link, None)?;
        // A sender that waits for room lets the kernel's thread run in the middle of a burst.
        setsockopt(&socket, sockopt::SndBufForce, &ROOM)?;
        Ok(Self(socket))
    }

    pub(super) fn send(&self, packet: &[u8]) -> Result<()> {
        let sent = send(self.0.as_raw_fd(), packet, MsgFlags::empty())?;
        ensure!(sent == packet.len(), "the interface takes {sent} of {} bytes", packet.len());
        Ok(())
    }
}

/// A packet socket that sends to `link` and sees what `protocol` says.
fn packet_socket(link: &str, protocol: Option<SockProtocol>) -> Result<OwnedFd> {
    let family = AddressFamily::Packet;
    let socket = match protocol {
        Some(protocol) => socket(family, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)?,
        None => socket(family, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)?,
    };
    let of_link = getifaddrs()?
        .filter(|entry| entry.interface_name == link)
        .find_map(|entry| entry.address?.as_link_addr().copied());
    bind(socket.as_raw_fd(), &of_link.with_context(|| format!("there is no {link}"))?)?;
    Ok(socket)
}

/// A VLAN tag the kernel took out, as it stood in the packet.
type Tag = [u8; vlan::TAG_LEN];

/// What `struct tpacket_auxdata` (linux/if_packet.h) says of a tag.
fn tag(message: ControlMessageOwned) -> Option<Tag> {
    let ControlMessageOwned::Unknown(unknown) = message else { return None };
    let header = unknown.cmsg_header;
    if (header.cmsg_level, header.cmsg_type) != (libc::SOL_PACKET, libc::PACKET_AUXDATA) {
        return None;
    }
    let word = |at: usize| -> [u8; 2] { unknown.data_bytes[at..at + 2].try_into().unwrap() };
    let status = u32::from_ne_bytes(unknown.data_bytes[..4].try_into().unwrap());
    let [tci, tpid] = [word(16), word(18)].map(u16::from_ne_bytes).map(u16::to_be_bytes);
    let has_tag = status & libc::TP_STATUS_VLAN_VALID != 0;
    has_tag.then_some([tpid[0], tpid[1], tci[0], tci[1]])
}

/// What stands in a buffer: a vnet header, and a packet that lacks `tag`.
fn outcome(bytes: &[u8], tag: Option<Tag>) -> Result<Outcome> {
    let vnet = VnetHeader::parse(bytes).context("no vnet header")?;
    let mut packet = bytes[VnetHeader::LEN..].to_vec();
    let shift = match tag {
        Some(tag) => {
            packet.splice(ethernet::ETHERTYPE..ethernet::ETHERTYPE, tag);
            vlan::TAG_LEN as u16
        }
        None => 0,
    };
    let partial = vnet.needs_csum().then_some((vnet.csum_start + shift, vnet.csum_offset));
    Ok(Outcome {
        gso_size: vnet.gso_size,
        gso_segs: segments(&packet, vnet.gso_size, partial).context("a bad vnet header")?,
        gso_type: vnet.gso_type,
        partial,
        bytes: packet,
    })
}

/// How many packets of `gso_size` a packet makes whose transport header begins where its checksum does.
fn segments(packet: &[u8], gso_size: u16, partial: Option<(u16, u16)>) -> Option<u16> {
    let (Some((start, offset)), 1..) = (partial, gso_size) else { return Some(1) };
    let transport = packet.get(start.into()..)?;
    let header_len = match offset.into() {
        udp::CHECKSUM => udp::HEADER_LEN,
        _ => usize::from(transport.get(12)? >> 4) * 4,
    };
    let payload = transport.len().checked_sub(header_len)?;
    Some(payload.div_ceil(gso_size.into()) as u16)
}
