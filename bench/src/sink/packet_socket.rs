//! The sink on a packet socket, for interfaces that another XDP program has, or that take none.

use std::io::IoSliceMut;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType, bind, recvmsg, setsockopt,
    socket, sockopt,
};
use nix::sys::time::TimeVal;

use crate::clock;
use crate::link::link_address;
use crate::report::SinkReport;
use crate::tally::Tally;
use crate::until::{Bounds, Until};

/// Room for packets not read yet, in bytes: more than a second of what such a socket can read.
const ROOM: usize = 256 << 20;
/// How long to wait for a packet before looking at the clock.
const WAIT: Duration = Duration::from_millis(50);
/// How long what has come may take to be read at the end, in seconds, where more comes all the while.
const REST: f64 = 1.0;
/// `sll_pkttype` of what this host sent (linux/if_packet.h).
const PACKET_OUTGOING: u8 = 4;

/// Counts what comes in by `iface`, generated or not. `ready` is called once everything that comes is counted.
///
/// The kernel does not say what such a socket missed: it shows as lost.
///
/// # Errors
/// Where the socket cannot be opened, or the interface goes away.
pub fn count(iface: &str, bounds: Bounds, ready: impl FnOnce()) -> Result<SinkReport> {
    let socket = open(iface)?;
    ready();
    let mut tally = Tally::default();
    let mut buffer = vec![0; 1 << 16];
    let begin = clock::now();
    let until = Until::new(bounds, begin);
    while !until.is_over(tally.packets(), clock::now()) {
        note_next(&socket, &mut buffer, MsgFlags::empty(), &mut tally)?;
    }
    // What waits in the socket has come before the end.
    let rest = Until::new(Bounds { seconds: Some(REST), ..bounds }, clock::now());
    while !rest.is_reached(tally.packets(), clock::now())
        && note_next(&socket, &mut buffer, MsgFlags::MSG_DONTWAIT, &mut tally)?
    {}
    Ok(tally.report(0))
}

/// Notes the next packet; `false` if there is none.
fn note_next(
    socket: &OwnedFd,
    buffer: &mut [u8],
    flags: MsgFlags,
    tally: &mut Tally,
) -> Result<bool> {
    let mut slices = [IoSliceMut::new(buffer)];
    let received = recvmsg::<LinkAddr>(socket.as_raw_fd(), &mut slices, None, flags);
    let (len, from) = match received {
        Ok(message) => (message.bytes, message.address),
        Err(Errno::EAGAIN | Errno::EINTR | Errno::ENETDOWN) => return Ok(false),
        Err(errno) => return Err(errno).context("the packet socket ended"),
    };
    let is_own = from.is_some_and(|from| from.pkttype() == PACKET_OUTGOING);
    if !is_own {
        tally.note(&buffer[..len], clock::now());
    }
    Ok(true)
}

fn open(iface: &str) -> Result<OwnedFd> {
    let address = link_address(iface)?;
    let (family, flags) = (AddressFamily::Packet, SockFlag::SOCK_CLOEXEC);
    let socket = socket(family, SockType::Raw, flags, SockProtocol::EthAll)
        .context("a packet socket takes CAP_NET_RAW: run as root")?;
    setsockopt(&socket, sockopt::RcvBufForce, &ROOM)?;
    let wait = TimeVal::new(0, WAIT.subsec_micros().into());
    setsockopt(&socket, sockopt::ReceiveTimeout, &wait)?;
    bind(socket.as_raw_fd(), &address).with_context(|| format!("cannot bind to {iface}"))?;
    Ok(socket)
}
