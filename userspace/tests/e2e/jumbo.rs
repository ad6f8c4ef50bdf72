//! Packets that span frames, and drivers that have none.

use std::net::{IpAddr, UdpSocket};

use anyhow::{Result, ensure};
use sluice_lab::{
    Capture, DUT, DUT_V4, DUT_V6, Direction, Lab, Namespace, PEER, PEER_V4, PEER_V6, Sender,
    Sluice, Tap, Wiring, wait_until,
};

use crate::bed::{CONFIG, FAMILIES, LIMIT, STEERED, alone, assert_sound, random, start_with};
use crate::traffic::transfer;

const MIB: usize = 1 << 20;
const MTU: usize = 9_000;

/// Host mode for TCP and UDP, with the XDP program where `xdp` says.
fn config(xdp: &str) -> String {
    CONFIG
        .replace("[[rule]]", &format!("xdp = \"{xdp}\"\n\n[[rule]]"))
        .replace("proto = \"tcp\"\n", "")
}

fn lab() -> Result<Lab> {
    Lab::wired(Wiring { mtu: MTU as u32, ..Wiring::default() })
}

fn start(lab: &Lab, xdp: &str) -> Result<Sluice> {
    let sluice = start_with(lab, &config(xdp))?;
    let told = lab.dut.ip(&format!("link show {DUT}"))?;
    ensure!(told.contains("xdpgeneric") == (xdp == "generic"), "attached otherwise: {told}");
    Ok(sluice)
}

/// A capture on the peer sees segments as large as the MTU has them, and nothing larger; every byte of the
/// file is looked for.
#[test]
fn s2_tcp_crosses_in_segments_of_the_mtu_both_ways() -> Result<()> {
    let _alone = alone();
    for xdp in ["native", "generic"] {
        let lab = lab()?;
        let mut sluice = start(&lab, xdp)?;
        let file = random(32 * MIB);
        for address in FAMILIES {
            for (from, way) in [(Sender::Peer, Direction::Out), (Sender::Dut, Direction::In)] {
                let tap = Tap::within(Capture::open(&lab.peer, PEER)?, MTU);
                let arrived = transfer(&lab, address, from, &file)?;
                let seen = tap.finish()?;
                assert!(arrived == file, "{xdp} {address} {from:?}: the file arrived changed");
                assert!(seen.problems.is_empty(), "{xdp} {from:?}: {:#?}", seen.problems);
                assert_eq!(seen.data(way), file.len() as u64, "{} packets seen", seen.packets);
                // IP and TCP header, and the timestamp option.
                let headers = if address.is_ipv4() { 20 + 20 + 12 } else { 40 + 20 + 12 };
                assert_eq!(seen.largest(way), MTU as u32 - headers, "{xdp} {address} {from:?}");
            }
        }
        let carried = sluice.stats()?.carried();
        assert!(carried.coalesced() > 1.5, "{xdp}: hardly anything was coalesced: {carried:?}");
        assert_sound(&sluice)?;
        sluice.stop()?;
    }
    Ok(())
}

#[test]
fn udp_datagrams_up_to_the_mtu_cross_both_ways() -> Result<()> {
    let _alone = alone();
    for xdp in ["native", "generic"] {
        let lab = lab()?;
        let mut sluice = start(&lab, xdp)?;
        for (dut, peer) in [(DUT_V4.into(), PEER_V4.into()), (DUT_V6.into(), PEER_V6.into())] {
            datagrams(&lab, dut, peer)?;
        }
        // 34 sizes of each family; the first answers may take the kernel's own path.
        wait_until("all of them are counted", LIMIT, || {
            let carried = sluice.stats().ok()?.carried();
            let answers = carried.sent + carried.to_kernel;
            (carried.received >= 68 && answers >= 68 && carried.sent > 0).then_some(())
        })?;
        assert_sound(&sluice)?;
        sluice.stop()?;
    }
    Ok(())
}

/// Datagrams of every size that changes the number of frames, there and back.
fn datagrams(lab: &Lab, dut: IpAddr, peer: IpAddr) -> Result<()> {
    let header = if dut.is_ipv4() { 28 } else { 48 };
    let server = lab.dut.run(|| UdpSocket::bind((dut, STEERED)))?;
    let client = lab.peer.run(|| UdpSocket::bind((peer, 40_000)))?;
    client.connect((dut, STEERED))?;
    server.set_read_timeout(Some(LIMIT))?;
    client.set_read_timeout(Some(LIMIT))?;
    let edges = [1, 1_472, 3_840 - 14 - header, 2 * 3_840 - 14 - header, MTU - header];
    let mut buffer = vec![0; 1 << 16];
    for len in
        edges.into_iter().flat_map(|edge| edge.saturating_sub(4)..(edge + 4).min(MTU - header + 1))
    {
        let sent = random(len);
        client.send(&sent)?;
        let (got, from) = server.recv_from(&mut buffer)?;
        ensure!(buffer[..got] == sent, "{len} bytes to {dut} arrived as {got}, or changed");
        server.send_to(&sent, from)?;
        let got = client.recv(&mut buffer)?;
        ensure!(buffer[..got] == sent, "{len} bytes from {dut} arrived as {got}, or changed");
    }
    Ok(())
}

/// Generic XDP lets a veth peer leave segmentation to others: its super-packets come in as they are, larger
/// than the MTU.
#[test]
fn super_packets_of_a_veth_peer_are_taken_whole() -> Result<()> {
    let _alone = alone();
    let lab = lab()?;
    let config = config("generic") + "\n[offload]\nrx_checksum = \"partial\"\n";
    lab.peer.exec("ethtool", &format!("-K {PEER} tx on tso on"))?;
    let sluice = start_with(&lab, &config)?;
    let capture = Capture::open(&lab.peer, PEER)?;
    let file = random(16 * MIB);
    for address in FAMILIES {
        let arrived = transfer(&lab, address, Sender::Peer, &file)?;
        assert!(arrived == file, "the file arrived changed");
    }
    let (mut largest, mut buffer) = (0, [0; 64]);
    while let Some(packet) = capture.next(&mut buffer)? {
        largest = largest.max(packet.len);
    }
    assert!(largest > 20_000, "the peer has segmented itself: {largest} bytes at most");
    assert_eq!(sluice.stats()?.drops().values().sum::<u64>(), 0);
    assert_sound(&sluice)
}

/// What `sluice run` says and how it ends on an interface like this.
fn refusal(interface: &str, xdp: &str) -> Result<String> {
    let host = Namespace::new("jumbo")?;
    host.ip(interface)?;
    host.ip("link set dut0 mtu 9000 up")?;
    let error =
        Sluice::start(&host, std::path::Path::new(env!("CARGO_BIN_EXE_sluice")), &config(xdp))
            .expect_err("it is refused");
    Ok(format!("{error:#}"))
}

#[test]
fn a_driver_without_multi_buffer_is_refused_with_what_it_offers_and_what_helps() -> Result<()> {
    let _alone = alone();
    for (interface, offers) in [
        // Native XDP, but one buffer a packet.
        ("tuntap add dev dut0 mode tap", "one buffer only"),
        ("link add dut0 type bridge", "no native XDP"),
    ] {
        let text = refusal(interface, "native")?;
        for word in ["dut0", "9000", offers, "ip link set dut0 mtu 3818", "xdp = \"generic\""] {
            assert!(text.contains(word), "{word} is missing: {text}");
        }
    }
    Ok(())
}

#[test]
fn an_mtu_beyond_the_largest_is_refused() -> Result<()> {
    let _alone = alone();
    let lab = Lab::wired(Wiring { mtu: 9_217, ..Wiring::default() })?;
    let error = start_with(&lab, &config("auto")).expect_err("it is refused");
    let text = format!("{error:#}");
    assert!(text.contains("9217") && text.contains("ip link set dut0 mtu 9216"), "{text}");
    Ok(())
}
