//! Answering the senders of what is too large for the other side, while no worker does.
//!
//! Without a worker the XDP programs hand everything to the other port but what is too large for it: that passes to the
//! kernel, which has no use for what is addressed to others. A packet socket on each port hears it all the same, and is
//! looked at by the clock: often enough for who waits for an answer, and never more than a flood allows.
//!
//! The kernel takes the outermost VLAN tag from what a packet socket hears, and tells of it beside the packet
//! (`PACKET_AUXDATA`, packet(7)). It is put back, so that the answer goes into the VLAN that the packet came from.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::libc;
use nix::sys::socket::sockopt::SetBool;
use nix::sys::socket::{
    AddressFamily, ControlMessageOwned, MsgFlags, SockFlag, SockProtocol, SockType, bind, recvmsg,
    send, setsockopt, socket,
};
use sluice_common::Side;
use sluice_common::answer::{AnswerFrom, MAX_LEN, RateLimit, too_big};
use sluice_common::classify::is_too_large;
use sluice_common::wire::{Headers, Link, ethernet, vlan};

/// Each packet comes with what the kernel took out of it.
#[derive(Clone, Copy, Debug)]
struct PacketAuxData;
nix::setsockopt_impl!(PacketAuxData, libc::SOL_PACKET, libc::PACKET_AUXDATA, bool, SetBool);

/// What this host sends itself is not heard: the kernel would make a copy of each skb (`dev_queue_xmit_nit`), also of what
/// workers send through their packet sockets.
#[derive(Clone, Copy, Debug)]
struct IgnoreOutgoing;
nix::setsockopt_impl!(
    IgnoreOutgoing,
    libc::SOL_PACKET,
    libc::PACKET_IGNORE_OUTGOING,
    bool,
    SetBool
);

/// What an answer quotes of a packet, and what it takes to read its headers: no more of it is looked at.
const LOOKED_AT: usize = 2048;
/// Packets looked at in one go: the supervisor has other things to do, too.
const AT_ONCE: usize = 64;

/// Hears on both ports what nobody could carry on.
#[derive(Debug)]
pub(super) struct Answerer {
    sockets: [OwnedFd; 2],
    /// Largest IP packet of each port.
    mtus: [u32; 2],
    from: AnswerFrom,
    limit: RateLimit,
}

impl Answerer {
    /// Opens a packet socket on each of two ports that send IP packets of up to `mtus`.
    pub(super) fn open(
        ifaces: [&str; 2],
        mtus: [u32; 2],
        from: AnswerFrom,
        per_second: u32,
    ) -> io::Result<Self> {
        let [a, b] = ifaces;
        let limit = RateLimit::new(per_second);
        Ok(Self { sockets: [open(a)?, open(b)?], mtus, from, limit })
    }

    /// Takes what is to be heard on both ports, some of it at a time, and answers if nobody else does. `now`:
    /// nanoseconds of any clock. Returns how many answers were sent.
    pub(super) fn answer(&mut self, now: u64, is_alone: bool) -> u64 {
        let (mut buffer, mut answered) = ([0; LOOKED_AT], 0);
        for side in Side::BOTH {
            for _ in 0..AT_ONCE {
                // An error: nothing more, or the port has gone, which is noticed elsewhere.
                let Ok(heard) = receive(&self.sockets[side.index()], &mut buffer) else { break };
                if is_alone {
                    answered += u64::from(self.answer_one(side, heard, &buffer, now).is_some());
                }
            }
        }
        answered
    }

    /// Answers the sender of a packet of `len` bytes, the first of which are in `buffer`, if it is too large.
    fn answer_one(&mut self, side: Side, len: usize, buffer: &[u8], now: u64) -> Option<()> {
        let frame = &buffer[..len.min(buffer.len())];
        let mtu = self.mtus[side.other().index()];
        if !is_too_large(frame, len as u64, mtu) {
            return None;
        }
        let headers = Headers::parse(frame, Link::Ethernet).ok()?;
        let mut answer = [0; MAX_LEN];
        let len = too_big(frame, &headers, u16::try_from(mtu).ok()?, &self.from, &mut answer)?;
        if !self.limit.allow(now) {
            return None;
        }
        // A queue that is full is as good as a limit.
        let socket = self.sockets[side.index()].as_raw_fd();
        send(socket, &answer[..len], MsgFlags::MSG_DONTWAIT).ok().map(drop)
    }
}

/// How many bytes the next packet has on the wire.
fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> nix::Result<usize> {
    // `struct tpacket_auxdata` (include/uapi/linux/if_packet.h) has 20 bytes.
    let mut control = nix::cmsg_space!([u8; 20]);
    let mut slices = [IoSliceMut::new(buffer)];
    let (socket, whole) = (socket.as_raw_fd(), MsgFlags::MSG_TRUNC);
    let message = recvmsg::<()>(socket, &mut slices, Some(&mut control), whole)?;
    let (len, tag) = (message.bytes, message.cmsgs()?.find_map(tag));
    Ok(len + tag.map_or(0, |tag| restore(buffer, len, tag)))
}

/// A VLAN tag as it stands in a packet.
type Tag = [u8; vlan::TAG_LEN];

/// Where the outermost one stands: behind both link addresses.
const TAG: usize = ethernet::HEADER_LEN - 2;

/// The tag that the kernel took out, as `struct tpacket_auxdata` tells of it.
fn tag(message: ControlMessageOwned) -> Option<Tag> {
    let ControlMessageOwned::Unknown(told) = message else { return None };
    let kind = (told.cmsg_header.cmsg_level, told.cmsg_header.cmsg_type);
    if kind != (libc::SOL_PACKET, libc::PACKET_AUXDATA) {
        return None;
    }
    let status = u32::from_ne_bytes(*told.data_bytes.first_chunk()?);
    let word =
        |at: usize| told.data_bytes.get(at..)?.first_chunk().copied().map(u16::from_ne_bytes);
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

fn open(iface: &str) -> io::Result<OwnedFd> {
    let address = getifaddrs()?
        .filter(|entry| entry.interface_name == iface)
        .find_map(|entry| entry.address?.as_link_addr().copied())
        .ok_or(Errno::ENODEV)?;
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)?;
    setsockopt(&socket, PacketAuxData, &true)?;
    setsockopt(&socket, IgnoreOutgoing, &true)?;
    // The address names no protocol; the kernel then keeps the socket's own.
    bind(socket.as_raw_fd(), &address)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_put_back_behind_the_addresses() {
        let tag = [0x81, 0, 0x20, 5];
        let mut frame: Vec<u8> = (0..40).collect();
        assert_eq!(restore(&mut frame, 30, tag), 4);
        assert_eq!(frame[..12], *(0..12).collect::<Vec<_>>());
        assert_eq!(frame[12..16], tag);
        assert_eq!(frame[16..34], *(12..30).collect::<Vec<_>>());
        let mut full: Vec<u8> = (0..20).collect();
        restore(&mut full, 9000, tag);
        assert_eq!((&full[12..16], &full[16..]), (&tag[..], &[12, 13, 14, 15][..]));
        let mut short = vec![7; 10];
        restore(&mut short, 10, tag);
        assert_eq!(short, [7; 10]);
    }
}
