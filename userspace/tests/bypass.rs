//! A wire without a data plane: the XDP programs of two ports forward to each other. Needs root.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::net::if_::if_nametoindex;
use sluice::config::XdpMode;
use sluice::control::nic::{Nic, xdp_capabilities};
use sluice::steer::{
    AttachMode, Buffers, Bypass, BypassError, End, Peer, SteerCounters, Steering, bypass_mode,
};
use sluice_common::Side;
use sluice_common::classify::{Action, Rule};
use sluice_common::reason::VerdictReason;
use sluice_common::wire::EtherType;
use sluice_common::wire::ethernet::Mac;
use sluice_lab::{Capture, Direction, Lab, Namespace, Sender, Stream, wait_until};

/// Bounds a hang; nothing is measured against it.
const LIMIT: Duration = Duration::from_secs(60);
/// The host beyond port A has the address that ends in 1, the host beyond port B the one that ends in 2.
const B_V4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const B_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);
const FAMILIES: [IpAddr; 2] = [IpAddr::V4(B_V4), IpAddr::V6(B_V6)];
/// The ports of the wire, by their sides.
const PORTS: [&str; 2] = ["port0", "port1"];
const XDP_PASS: u32 = 2;
const XDP_REDIRECT: u32 = 4;

/// Two hosts, and between them a third that has no address: it forwards nothing by itself.
struct Wire {
    /// `peer` is the host beyond port A, `dut` the one beyond port B.
    ends: Lab,
    dut: Namespace,
    mtu: [u32; 2],
}

impl Wire {
    /// A wire whose sides have these MTUs, and whose hosts have GRO on or off, without which a veth takes
    /// nothing from a program in the driver.
    fn new(mtu: [u32; 2], gro: &str) -> Result<Self> {
        let ends = Lab { peer: Namespace::new("a")?, dut: Namespace::new("b")? };
        let wire = Self { ends, dut: Namespace::new("dut")?, mtu };
        for side in Side::BOTH {
            wire.join(side, gro)?;
        }
        Ok(wire)
    }

    fn end(&self, side: Side) -> (&Namespace, &'static str) {
        match side {
            Side::A => (&self.ends.peer, "a0"),
            Side::B => (&self.ends.dut, "b0"),
        }
    }

    /// A partial checksum would arrive as a wrong one: a veth that is handed a frame has nowhere to say that it
    /// is partial. TSO goes with it; in the generic hook the program would see super-packets.
    fn join(&self, side: Side, gro: &str) -> Result<()> {
        let (far, name) = self.end(side);
        let (port, mtu, number) = (PORTS[side.index()], self.mtu[side.index()], side.index() + 1);
        let peer = format!("peer name {port} mtu {mtu} netns {}", self.dut.name());
        far.ip(&format!("link add {name} mtu {mtu} type veth {peer}"))?;
        far.exec("ethtool", &format!("-K {name} tx off tso off gro {gro}"))?;
        far.ip_batch(&format!(
            "link set {name} addrgenmode none\n\
             address add 192.0.2.{number}/24 dev {name}\n\
             address add 2001:db8::{number}/64 dev {name} nodad\n\
             link set {name} up\n"
        ))?;
        self.dut.ip_batch(&format!("link set {port} addrgenmode none\nlink set {port} up\n"))
    }

    fn peer_of(&self, side: Side) -> Peer {
        let other = side.other().index();
        let index = self.dut.run(|| if_nametoindex(PORTS[other])).expect("the port is there");
        Peer { index, mtu: self.mtu[other] }
    }

    /// Loads the program of one port, for the MTU it has, and attaches it.
    fn bypass(&self, side: Side, rules: &[Rule], mode: XdpMode) -> Result<Steering> {
        let large = self.mtu[side.index()] > 3000;
        let mut steering = Steering::load_for(if large { Buffers::Several } else { Buffers::One })?;
        steering.set_rules(rules, LIMIT)?;
        self.dut.run(|| {
            steering.set_peer(Some(self.peer_of(side)))?;
            let attached = steering.attach(PORTS[side.index()], mode)?;
            let native = attached.mode == AttachMode::Native;
            assert_eq!(native, mode == XdpMode::Native, "{attached:?}");
            Ok(steering)
        })
    }

    fn bypass_both(&self, rules: &[Rule], mode: XdpMode) -> Result<[Steering; 2]> {
        Ok([self.bypass(Side::A, rules, mode)?, self.bypass(Side::B, rules, mode)?])
    }

    /// Pings from the host beyond A the one beyond B, with packets of `size` bytes that must not be cut.
    fn ping(&self, to: IpAddr, size: usize) -> Result<()> {
        let payload = size - headers(to);
        let ping = format!("-c 3 -i 0.2 -W 5 -M do -s {payload} {to}");
        self.ends.peer.exec("ping", &ping).map(drop)
    }

    /// The same with one packet that gets no answer, or none worth waiting for.
    fn sends(&self, to: IpAddr, size: usize) -> Result<()> {
        let payload = size - headers(to);
        let answer = self.ends.peer.exec("ping", &format!("-c 1 -W 1 -M do -s {payload} {to}"));
        ensure!(answer.is_err(), "{size} to {to} was answered");
        Ok(())
    }

    /// A connection from beyond A to beyond B carries data, to its end.
    fn carries(&self, to: IpAddr, from: Sender) -> Result<()> {
        let stream = Stream::start(&self.ends, (to, 5000).into(), from)?;
        stream.await_bytes(2 << 20, LIMIT)?;
        stream.finish().map(drop)
    }

    /// How the program of `side` should be attached, asked now.
    fn asks(&self, side: Side, wanted: XdpMode) -> Result<Bypass, BypassError> {
        let [own, other] = [side, side.other()].map(|side| PORTS[side.index()]);
        self.dut.run(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let able = async |iface| xdp_capabilities(&Nic::find(iface).await?).await;
                let (own_can, other_can) = (able(own).await.unwrap(), able(other).await.unwrap());
                let own = End { iface: own, can: &own_can };
                bypass_mode(own, End { iface: other, can: &other_can }, wanted, Buffers::Several)
            })
        })
    }
}

/// Bytes of the headers of an echo request.
const fn headers(to: IpAddr) -> usize {
    if to.is_ipv4() { 28 } else { 48 }
}

fn counters(ports: &[Steering; 2]) -> [SteerCounters; 2] {
    ports.each_ref().map(|port| port.counters().unwrap())
}

fn assert_everything_passes(wire: &Wire, size: usize) -> Result<()> {
    for to in FAMILIES {
        wire.ping(to, 100).with_context(|| format!("a small ping to {to}"))?;
        wire.ping(to, size).with_context(|| format!("a ping of {size} to {to}"))?;
        for from in [Sender::Peer, Sender::Dut] {
            wire.carries(to, from).with_context(|| format!("a stream from {from:?} to {to}"))?;
        }
    }
    Ok(())
}

#[test]
fn the_programs_alone_carry_everything_native_and_generic() -> Result<()> {
    for (mode, gro) in
        [(XdpMode::Native, "on"), (XdpMode::Generic, "on"), (XdpMode::Generic, "off")]
    {
        let wire = Wire::new([1500, 1500], gro)?;
        // Steered, and nobody there to take it.
        let tcp = Rule::any(Action::Steer);
        let ports = wire.bypass_both(&[tcp], mode)?;
        assert_everything_passes(&wire, 1500).with_context(|| format!("{mode:?}"))?;
        for counters in counters(&ports) {
            for reason in [VerdictReason::NotIp, VerdictReason::NotTcpUdp, VerdictReason::NoSocket]
            {
                assert!(counters.of(reason) > 0, "{} was seen", reason.label());
            }
            assert_eq!(counters.of(VerdictReason::TooLargePassed), 0);
        }
    }
    Ok(())
}

#[test]
fn without_the_programs_nothing_is_carried() -> Result<()> {
    let wire = Wire::new([1500, 1500], "on")?;
    wire.ends.peer.ip("neighbour add 192.0.2.2 lladdr 02:00:00:00:00:02 dev a0")?;
    wire.sends(B_V4.into(), 100)?;
    let one = wire.bypass(Side::A, &[], XdpMode::Native)?;
    wire.sends(B_V4.into(), 100).context("there is no way back")?;
    assert!(one.counters()?.of(VerdictReason::NotTcpUdp) > 0);
    Ok(())
}

#[test]
fn jumbo_frames_of_several_buffers_pass() -> Result<()> {
    for mode in [XdpMode::Native, XdpMode::Generic] {
        let wire = Wire::new([9000, 9000], "on")?;
        let _ports = wire.bypass_both(&[], mode)?;
        assert_everything_passes(&wire, 9000).with_context(|| format!("{mode:?}"))?;
    }
    Ok(())
}

/// To the byte: the kernel would let four more pass, which no VLAN tag uses.
#[test]
fn what_the_other_side_cannot_send_is_heard_on_the_port_and_nowhere_else() -> Result<()> {
    for mode in [XdpMode::Native, XdpMode::Generic] {
        let wire = Wire::new([9000, 1500], "on")?;
        let ports = wire.bypass_both(&[], mode)?;
        for to in FAMILIES {
            wire.ping(to, 1500).with_context(|| format!("{mode:?}: what fits, to {to}"))?;
            wire.carries(to, Sender::Dut)?;
            for size in [1501, 1504, 4000, 9000] {
                let near = Capture::open(&wire.dut, PORTS[0])?;
                let far = Capture::open(wire.end(Side::B).0, "b0")?;
                wire.sends(to, size)?;
                let at = format!("{mode:?}, {size} to {to}");
                assert_eq!(heard(&near, size)?, 1, "{at}: on the port");
                assert_eq!(heard(&far, size)?, 0, "{at}: beyond");
            }
        }
        let [a, b] = counters(&ports);
        assert_eq!(a.of(VerdictReason::TooLargePassed), 2 * 4);
        assert_eq!(b.of(VerdictReason::TooLargePassed), 0);
        assert_eq!(a.of(VerdictReason::TooLarge) + b.of(VerdictReason::TooLarge), 0);
    }
    Ok(())
}

/// How many IP packets of `size` bytes came in.
fn heard(capture: &Capture, size: usize) -> Result<usize> {
    let mut buffer = vec![0; 64];
    let mut count = 0;
    while let Some(seen) = capture.next(&mut buffer)? {
        count += usize::from(seen.direction == Direction::In && seen.len == 14 + size);
    }
    Ok(count)
}

/// One tag goes on top of the MTU; what two take beyond that the kernel would drop.
#[test]
fn of_tagged_frames_too_all_that_fit_pass_and_the_others_are_heard_on_the_port() -> Result<()> {
    const ONE: [EtherType; 1] = [EtherType::VLAN];
    const TWO: [EtherType; 2] = [EtherType::QINQ, EtherType::VLAN];
    for mode in [XdpMode::Native, XdpMode::Generic] {
        let wire = Wire::new([3000, 1500], "on")?;
        let _ports = wire.bypass_both(&[], mode)?;
        let source = Capture::open(wire.end(Side::A).0, "a0")?;
        let near = Capture::open(&wire.dut, PORTS[0])?;
        let far = Capture::open(wire.end(Side::B).0, "b0")?;
        for (tags, fits) in [(&[][..], 1514), (&ONE[..], 1518), (&TWO[..], 1518)] {
            for len in [fits, fits + 1, fits + 4] {
                let mac = [2, 0, 0, tags.len() as u8, 0, (len - fits) as u8];
                source.inject(&frame(mac, tags, len))?;
                let at = format!("{mode:?}: {len} bytes behind {tags:?}");
                assert_eq!(from(&near, mac)?, usize::from(len > fits), "{at}: on the port");
                assert_eq!(from(&far, mac)?, usize::from(len == fits), "{at}: beyond");
            }
        }
    }
    Ok(())
}

/// A frame of `len` bytes to everybody, behind so many tags.
fn frame(source: Mac, tags: &[EtherType], len: usize) -> Vec<u8> {
    /// For experiments (IEEE 802, local experimental EtherType 1).
    const NOBODYS: EtherType = EtherType(0x88b5);
    let mut frame = [&[0xff; 6][..], &source].concat();
    for tag in tags {
        frame.extend(tag.0.to_be_bytes());
        frame.extend(5_u16.to_be_bytes());
    }
    frame.extend(NOBODYS.0.to_be_bytes());
    frame.resize(len, 0);
    frame
}

/// How many frames of this source came in. (The kernel has taken the tag off them.)
fn from(capture: &Capture, source: Mac) -> Result<usize> {
    let mut buffer = vec![0; 64];
    let mut count = 0;
    while let Some(seen) = capture.next(&mut buffer)? {
        count += usize::from(seen.direction == Direction::In && seen.bytes[6..12] == source);
    }
    Ok(count)
}

#[test]
fn a_stream_outlives_a_program_that_is_loaded_and_attached_again() -> Result<()> {
    for mode in [XdpMode::Native, XdpMode::Generic] {
        let wire = Wire::new([1500, 1500], "on")?;
        let [_a, mut b] = wire.bypass_both(&[], mode)?;
        let stream = Stream::start(&wire.ends, (B_V4, 5000).into(), Sender::Peer)?;
        for _ in 0..3 {
            stream.await_bytes(1 << 20, LIMIT)?;
            drop(b);
            b = wire.bypass(Side::B, &[], mode)?;
            stream.await_bytes(1 << 20, LIMIT)?;
            b.detach();
            wire.dut.run(|| b.reattach())?;
        }
        stream.await_bytes(1 << 20, LIMIT)?;
        stream.finish()?;
    }
    Ok(())
}

/// The kernel takes it out of the map.
#[test]
fn a_port_that_goes_leaves_its_packets_to_the_kernel_until_it_is_named_again() -> Result<()> {
    let wire = Wire::new([1500, 1500], "on")?;
    let mut a = Steering::load()?;
    a.set_rules(&[], LIMIT)?;
    wire.dut.run(|| a.set_peer(Some(wire.peer_of(Side::A))))?;
    assert_eq!(a.test_run(&[0; 64])?, XDP_REDIRECT);
    wire.dut.ip("link delete port1")?;
    let passes = || (a.test_run(&[0; 64]).ok()? == XDP_PASS).then_some(());
    wait_until("the port is out of the map", LIMIT, passes)?;
    wire.join(Side::B, "on")?;
    assert_eq!(a.test_run(&[0; 64])?, XDP_PASS, "another interface of the same name");
    wire.dut.run(|| a.set_peer(Some(wire.peer_of(Side::A))))?;
    assert_eq!(a.test_run(&[0; 64])?, XDP_REDIRECT);
    Ok(())
}

#[test]
fn a_port_of_another_namespace_is_refused() -> Result<()> {
    let [here, there] = [Namespace::new("here")?, Namespace::new("there")?];
    here.ip("link add v0 index 4711 type veth peer name v1")?;
    let mut steering = Steering::load()?;
    let peer = Peer { index: 4711, mtu: 1500 };
    here.run(|| steering.set_peer(Some(peer)))?;
    let error = there.run(|| steering.set_peer(Some(peer))).unwrap_err().to_string();
    for word in ["number 4711", "another network namespace", "`ip link`"] {
        assert!(error.contains(word), "{word} is missing: {error}");
    }
    Ok(())
}

#[test]
fn a_veth_takes_packets_from_a_driver_only_while_its_far_end_has_gro_or_a_program() -> Result<()> {
    let wire = Wire::new([1500, 1500], "off")?;
    let bypass = wire.asks(Side::A, XdpMode::Auto).unwrap();
    assert_eq!(bypass.xdp, XdpMode::Generic);
    let reason = bypass.reason.unwrap();
    assert!(reason.contains("port1") && reason.contains("ethtool -K"), "{reason}");
    let refused = wire.asks(Side::A, XdpMode::Native).unwrap_err().to_string();
    assert!(refused.contains("port0") && refused.contains("port1"), "{refused}");
    // That is no whim: it is so.
    let ports = wire.bypass_both(&[], XdpMode::Native)?;
    wire.sends(B_V4.into(), 100)?;
    assert_eq!(wire.asks(Side::A, XdpMode::Auto).unwrap().xdp, XdpMode::Generic);
    drop(ports);

    let native = Bypass { xdp: XdpMode::Native, reason: None };
    let mut program = Steering::load()?;
    wire.ends.dut.run(|| program.attach("b0", XdpMode::Native))?;
    assert_eq!(wire.asks(Side::A, XdpMode::Native).unwrap(), native);
    drop(program);
    for side in Side::BOTH {
        let (far, name) = wire.end(side);
        far.exec("ethtool", &format!("-K {name} gro on"))?;
    }
    assert_eq!(wire.asks(Side::A, XdpMode::Native).unwrap(), native);
    assert_eq!(wire.asks(Side::B, XdpMode::Native).unwrap(), native);
    let _ports = wire.bypass_both(&[], XdpMode::Native)?;
    wire.ping(B_V4.into(), 100)
}
