//! Answering the senders of what is too large for the other side, while no worker does.
//!
//! Without a worker the XDP programs hand everything to the other port but what is too large for it: that passes to the
//! kernel, which has no use for what is addressed to others. A packet socket on each port hears it all the same, and is
//! looked at by the clock: often enough for who waits for an answer, and never more than a flood allows.
//!
//! The kernel takes the outermost VLAN tag from what a packet socket hears, so that tagged packets get no answer their
//! senders would hear.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::ifaddrs::getifaddrs;
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, bind, recvmsg, send,
    socket,
};
use sluice_common::Side;
use sluice_common::answer::{AnswerFrom, MAX_LEN, RateLimit, too_big};
use sluice_common::classify::is_too_large;
use sluice_common::wire::{Headers, Link};

/// `sll_pkttype` of what this host sends itself (`include/uapi/linux/if_packet.h`).
const OUTGOING: u8 = 4;
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

    /// Answers from elsewhere, and at another rate, from now on.
    pub(super) fn switch(&mut self, from: AnswerFrom, per_second: u32) {
        (self.from, self.limit) = (from, RateLimit::new(per_second));
    }

    /// Takes what is to be heard on both ports, some of it at a time, and answers if nobody else does. `now`:
    /// nanoseconds of any clock. Returns how many answers were sent.
    pub(super) fn answer(&mut self, now: u64, is_alone: bool) -> u64 {
        let (mut buffer, mut answered) = ([0; LOOKED_AT], 0);
        for side in Side::BOTH {
            for _ in 0..AT_ONCE {
                // An error: nothing more, or the port has gone, which is noticed elsewhere.
                let Ok(heard) = receive(&self.sockets[side.index()], &mut buffer) else { break };
                if let Some(len) = heard.filter(|_| is_alone) {
                    answered += u64::from(self.answer_one(side, len, &buffer, now).is_some());
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

/// How many bytes the next packet has on the wire; `None` for what this host sends.
fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> nix::Result<Option<usize>> {
    let mut slices = [IoSliceMut::new(buffer)];
    let message = recvmsg::<LinkAddr>(socket.as_raw_fd(), &mut slices, None, MsgFlags::MSG_TRUNC)?;
    let came_in = message.address.is_some_and(|from| from.pkttype() != OUTGOING);
    Ok(came_in.then_some(message.bytes))
}

fn open(iface: &str) -> io::Result<OwnedFd> {
    let address = getifaddrs()?
        .filter(|entry| entry.interface_name == iface)
        .find_map(|entry| entry.address?.as_link_addr().copied())
        .ok_or(Errno::ENODEV)?;
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(AddressFamily::Packet, SockType::Raw, flags, SockProtocol::EthAll)?;
    // The address names no protocol; the kernel then keeps the socket's own.
    bind(socket.as_raw_fd(), &address)?;
    Ok(socket)
}
