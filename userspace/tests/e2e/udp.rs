//! Datagrams merge and are cut, and all of them arrive.

use std::io::IoSlice;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use anyhow::{Context, Result};
use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrStorage, sendmsg};
use sluice_lab::{Capture, Carried, Lab, PEER, PEER_V4, PEER_V6, Sluice, Tap, wait_until};

use crate::bed::{FAMILIES, LIMIT, alone, assert_sound, random, start_with};

/// Steered whatever its address is.
const PORT: u16 = 6000;
/// Steered by rules that name the address.
const ADDRESSED: u16 = 6001;
/// Payload of each datagram, and how many a sender hands over at once.
const SIZE: usize = 1400;
const BURST: usize = 40;
/// Bursts sent one after another.
const BURSTS: usize = 50;

const CONFIG: &str = r#"
mode = "host"

[[port]]
iface = "dut0"

[[rule]]
proto = "udp"
dst_port = "6000"
action = "steer"

[[rule]]
proto = "udp"
dst = "192.0.2.2/32"
dst_port = "6001"
action = "steer"

[[rule]]
proto = "udp"
dst = "2001:db8::2/128"
dst_port = "6001"
action = "steer"
"#;

/// How a program on the device under test holds its socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    /// Bound to the address.
    Bound,
    /// Bound to every address: each packet's source is what the route says.
    Wildcard,
    /// Bound to every address, and connected.
    Connected,
}

/// A socket at each end, and where the device under test sends to.
struct Pair {
    peer: UdpSocket,
    dut: UdpSocket,
    held: Held,
}

impl Pair {
    /// The peer's is connected, so that it takes nothing from another source.
    fn open(lab: &Lab, address: IpAddr, port: u16, held: Held) -> Result<Self> {
        let (any, at_peer): (IpAddr, IpAddr) = match address {
            IpAddr::V4(_) => ([0_u8; 4].into(), PEER_V4.into()),
            IpAddr::V6(_) => ([0_u16; 8].into(), PEER_V6.into()),
        };
        let peer = lab.peer.run(|| UdpSocket::bind((at_peer, 0)))?;
        peer.connect((address, port))?;
        let local = if held == Held::Bound { address } else { any };
        let dut = lab.dut.run(|| UdpSocket::bind((local, port)))?;
        if held == Held::Connected {
            dut.connect(peer.local_addr()?)?;
        }
        for socket in [&peer, &dut] {
            socket.set_read_timeout(Some(LIMIT))?;
        }
        Ok(Self { peer, dut, held })
    }

    fn to_dut(&self, bytes: &[u8]) -> Result<()> {
        transfer(&self.peer, &self.dut, None, bytes)
    }

    fn to_peer(&self, bytes: &[u8]) -> Result<()> {
        let target = self.peer.local_addr()?;
        transfer(&self.dut, &self.peer, (self.held != Held::Connected).then_some(target), bytes)
    }
}

/// Sends `bytes` in bursts of datagrams; each burst has arrived, datagram by datagram and in order, before the
/// next one goes.
fn transfer(
    from: &UdpSocket,
    to: &UdpSocket,
    target: Option<SocketAddr>,
    bytes: &[u8],
) -> Result<()> {
    let target = target.map(SockaddrStorage::from);
    for burst in bytes.chunks(BURST * SIZE) {
        let segments = [ControlMessage::UdpGsoSegments(&(SIZE as u16))];
        let slices = [IoSlice::new(burst)];
        sendmsg(from.as_raw_fd(), &slices, &segments, MsgFlags::empty(), target.as_ref())?;
        for piece in burst.chunks(SIZE) {
            let mut buffer = [0; 2 * SIZE];
            let len = to.recv(&mut buffer).context("a datagram is missing")?;
            assert!(buffer[..len] == *piece, "another datagram arrived, of {len} bytes");
        }
    }
    Ok(())
}

/// What has gone through since `before`, once `enough` says that all of it is counted: the workers publish
/// their counters from time to time only.
fn counted(sluice: &Sluice, before: Carried, enough: fn(Carried) -> u64) -> Result<Carried> {
    let mut last = Carried::default();
    wait_until("every datagram is counted", LIMIT, || {
        last = sluice.stats().ok()?.carried() - before;
        (enough(last) >= (BURSTS * BURST) as u64).then_some(last)
    })
    .with_context(|| format!("{last:?}"))
}

/// Sends until Sluice does it: the first packets to a neighbour take the kernel's own path.
fn make_known(sluice: &Sluice, pair: &Pair) -> Result<()> {
    let before = sluice.stats()?.carried().sent;
    wait_until("the neighbour is known", LIMIT, || {
        pair.to_peer(&[7; SIZE]).ok()?;
        sluice.stats().ok().filter(|stats| stats.carried().sent > before).map(|_| ())
    })
}

fn outbound(carried: Carried) -> u64 {
    carried.sent + carried.to_kernel
}

#[test]
fn datagrams_are_merged_one_way_and_cut_the_other_and_arrive_unchanged() -> Result<()> {
    let _alone = alone();
    let lab = Lab::new()?;
    let mut sluice = start_with(&lab, CONFIG)?;
    let bytes = random(BURSTS * BURST * SIZE);
    let datagrams = (BURSTS * BURST) as u64;
    for address in FAMILIES {
        for held in [Held::Bound, Held::Wildcard, Held::Connected] {
            let pair = Pair::open(&lab, address, PORT, held)?;
            make_known(&sluice, &pair)?;
            let tap = Tap::on(Capture::open(&lab.peer, PEER)?);

            let before = sluice.stats()?.carried();
            pair.to_dut(&bytes)?;
            let there = counted(&sluice, before, |carried| carried.received)?;
            assert!(there.to_host_super_packets > datagrams / 2, "{address} {held:?}: {there:?}");
            assert!(there.coalesced() > 2.0, "{address} {held:?}: {there:?}");

            let before = sluice.stats()?.carried();
            pair.to_peer(&bytes)?;
            let back = counted(&sluice, before, outbound)?;
            assert!(back.from_host_supers > BURSTS as u64 / 2, "{address} {held:?}: {back:?}");
            assert_eq!(back.sent, back.from_host_supers * BURST as u64, "{address} {held:?}");
            assert_eq!(outbound(back), datagrams, "{address} {held:?}: {back:?}");

            let seen = tap.finish()?;
            assert!(seen.problems.is_empty(), "{address} {held:?}: {:#?}", seen.problems);
            assert_eq!(seen.datagrams as u64, 2 * datagrams, "{address} {held:?}: on the wire");
        }
    }
    assert_sound(&sluice)?;
    sluice.stop()
}

/// The kernel chooses the source of a packet from a wildcard socket after it has asked the rules, so no rule
/// with `from` matches it. Connecting an IPv4 socket asks again with the source chosen.
#[test]
fn a_wildcard_socket_takes_the_kernels_path_where_the_rule_names_the_address() -> Result<()> {
    let _alone = alone();
    let lab = Lab::new()?;
    let mut sluice = start_with(&lab, CONFIG)?;
    let bytes = random(BURSTS * BURST * SIZE);
    let datagrams = (BURSTS * BURST) as u64;
    for address in FAMILIES {
        let before = sluice.stats()?.carried();
        let wildcard = Pair::open(&lab, address, ADDRESSED, Held::Wildcard)?;
        wildcard.to_dut(&bytes)?;
        wildcard.to_peer(&bytes)?;
        let there = counted(&sluice, before, |carried| carried.received)?;
        assert_eq!(there.received, datagrams, "{address}: {there:?}");
        drop(wildcard);
        // What is counted now is all from this one.
        Pair::open(&lab, address, ADDRESSED, Held::Bound)?.to_peer(&bytes)?;
        let back = counted(&sluice, before, outbound)?;
        assert_eq!(outbound(back), datagrams, "{address}: {back:?}");
        if address.is_ipv4() {
            let before = sluice.stats()?.carried();
            Pair::open(&lab, address, ADDRESSED, Held::Connected)?.to_peer(&bytes)?;
            counted(&sluice, before, outbound)?;
        }
    }
    assert_sound(&sluice)?;
    sluice.stop()
}
