//! The lab with a host between two others. Needs root.

use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use anyhow::Result;
use sluice_lab::{
    A, A_V4, A_V6, B, B_V4, B_V6, Capture, Datagrams, Direction, Fared, Impairment, Iperf, LEFT,
    Namespace, Pace, RIGHT, Stream, Tap, WireLab, WireWiring, connect, mss, netem, resent,
    transfer, wait_until,
};

const LIMIT: Duration = Duration::from_secs(10);
const MIB: u64 = 1 << 20;

/// Waits longer than the kernel does before it asks anew for an address that nobody answered for.
fn ping(from: &Namespace, to: impl Into<IpAddr>) -> Result<String> {
    from.exec("ping", &format!("-c 1 -W 5 {}", to.into()))
}

#[test]
fn the_hosts_reach_each_other_while_there_is_a_bridge() -> Result<()> {
    let lab = WireLab::new()?;
    assert!(ping(&lab.a, B_V4).is_err(), "nothing forwards yet");
    let bridge = lab.bridge()?;
    for (from, to) in [(&lab.a, IpAddr::from(B_V4)), (&lab.a, B_V6.into())] {
        ping(from, to)?;
    }
    for (from, to) in [(&lab.b, IpAddr::from(A_V4)), (&lab.b, A_V6.into())] {
        ping(from, to)?;
    }
    drop(bridge);
    assert!(ping(&lab.a, B_V4).is_err(), "the bridge has gone");
    Ok(())
}

#[test]
fn they_reach_each_other_over_ipv4_while_there_is_a_router() -> Result<()> {
    let lab = WireLab::new()?;
    lab.merge()?;
    let router = lab.router()?;
    ping(&lab.a, B_V4)?;
    ping(&lab.b, A_V4)?;
    transfer(&lab.a, &lab.b, (B_V4, 5000).into(), MIB)?;
    drop(router);
    assert!(ping(&lab.a, B_V4).is_err(), "the router has gone");
    Ok(())
}

#[test]
fn each_wire_has_an_mtu_of_its_own() -> Result<()> {
    let lab = WireLab::wired(WireWiring { mtu: [9000, 1500], ..WireWiring::default() })?;
    for (host, link, mtu) in
        [(&lab.a, A, 9000), (&lab.dut, LEFT, 9000), (&lab.dut, RIGHT, 1500), (&lab.b, B, 1500)]
    {
        let told = host.ip(&format!("-details link show {link}"))?;
        for fact in [&format!("mtu {mtu} "), "numtxqueues 2", "numrxqueues 2", "state UP"] {
            assert!(told.contains(fact), "{link} lacks `{fact}`: {told}");
        }
        let features = host.exec("ethtool", &format!("-k {link}"))?;
        assert!(features.contains("tx-checksumming: off"), "{features}");
        assert!(features.contains("tcp-segmentation-offload: off"), "{features}");
    }
    Ok(())
}

/// The hosts' ends have a NAPI ring either way; only what GRO may make of packets differs.
#[test]
fn a_capture_shows_packets_as_they_crossed_unless_the_hosts_merge_them() -> Result<()> {
    for gro in [false, true] {
        let lab = WireLab::wired(WireWiring { gro, ..WireWiring::default() })?;
        let _bridge = lab.bridge()?;
        let tap = Tap::on(Capture::open(&lab.b, B)?);
        transfer(&lab.a, &lab.b, (B_V4, 5000).into(), 16 * MIB)?;
        let seen = tap.finish()?;
        assert_eq!(seen.problems.is_empty(), !gro, "{:?}", seen.problems);
        if !gro {
            assert_eq!(seen.data(Direction::In), 16 * MIB);
        }
        let features = lab.b.exec("ethtool", &format!("-k {B}"))?;
        assert!(features.contains("generic-receive-offload: on"), "{features}");
    }
    Ok(())
}

/// The kernel takes tags out, and its bridge hands them on beside the packet.
#[test]
fn a_capture_shows_vlan_tags() -> Result<()> {
    let lab = WireLab::new()?;
    let _bridge = lab.bridge()?;
    let capture = Capture::open(&lab.b, B)?;
    let sender = Capture::open(&lab.a, A)?;
    let (customer, service) = ([0x81, 0, 0x60, 0x64], [0x88, 0xa8, 0, 7]);
    for tags in [vec![], vec![customer], vec![service, customer], vec![customer, customer]] {
        let links = [[2; 6], [4; 6]].concat();
        let packet = [&links[..], &tags.concat(), &[0x88, 0xb5], &[7; 100]].concat();
        sender.inject(&packet)?;
        let mut buffer = [0; 2048];
        wait_until("the packet is captured", LIMIT, || {
            let captured = capture.next(&mut buffer).unwrap()?;
            (captured.bytes == packet && captured.len == packet.len()).then_some(())
        })?;
        // A buffer that is too short for all of it.
        sender.inject(&packet)?;
        let mut buffer = [0; 20];
        wait_until("the packet is captured again", LIMIT, || {
            let captured = capture.next(&mut buffer).unwrap()?;
            (captured.bytes == &packet[..20] && captured.len == packet.len()).then_some(())
        })?;
    }
    Ok(())
}

#[test]
fn the_mss_is_that_of_the_smaller_end() -> Result<()> {
    let lab = WireLab::wired(WireWiring { mtu: [9000, 1500], ..WireWiring::default() })?;
    let _bridge = lab.bridge()?;
    let (near, far) = connect(&lab.a, &lab.b, (B_V4, 5000).into())?;
    // IPv4 and TCP header, and the timestamp option.
    assert_eq!(mss(&near)?, 1500 - 20 - 20 - 12);
    assert_eq!(mss(&far)?, 1500 - 20 - 20 - 12);
    Ok(())
}

#[test]
fn files_and_streams_cross_both_ways() -> Result<()> {
    let lab = WireLab::new()?;
    let _bridge = lab.bridge()?;
    transfer(&lab.a, &lab.b, (B_V6, 5000).into(), 3 * MIB + 1)?;
    transfer(&lab.b, &lab.a, (A_V4, 5000).into(), 0)?;
    let (a, b) = connect(&lab.a, &lab.b, (B_V6, 5001).into())?;
    let stream = Stream::over(b, a)?;
    stream.await_bytes(5 * MIB, LIMIT)?;
    assert!(stream.finish()? >= 5 * MIB);
    Ok(())
}

#[test]
fn iperf3_tells_of_each_stream() -> Result<()> {
    let lab = WireLab::new()?;
    let _bridge = lab.bridge()?;
    let _server = Iperf::server(&lab.b, 5201)?;
    let measured = Iperf::run(&lab.a, &format!("--client {B_V4} --time 1 --parallel 3"))?;
    assert_eq!(measured.streams.len(), 3, "{measured:?}");
    assert!(measured.received > 1e6 && measured.sent > 1e6 && measured.bytes > 0, "{measured:?}");
    assert!(Iperf::run(&lab.a, &format!("--client {B_V4} --port 1")).is_err());
    Ok(())
}

const PACE: Pace = Pace { flows: 3, per_second: 3_000, size: 600 };

fn total(fared: &[Fared]) -> Fared {
    fared.iter().fold(Fared::default(), |all, one| Fared {
        sent: all.sent + one.sent,
        received: all.received + one.received,
        lost: all.lost + one.lost,
        duplicated: all.duplicated + one.duplicated,
        reordered: all.reordered + one.reordered,
    })
}

#[test]
fn a_sound_wire_delivers_every_datagram_once_and_in_order() -> Result<()> {
    let lab = WireLab::new()?;
    let _bridge = lab.bridge()?;
    for (from, to, address) in [(&lab.a, &lab.b, IpAddr::from(B_V4)), (&lab.b, &lab.a, A_V6.into())]
    {
        let load = Datagrams::start(from, to, SocketAddr::new(address, 6000), PACE)?;
        load.await_arrivals(1_000, LIMIT)?;
        let fared = load.finish()?;
        let Fared { sent, received, .. } = total(&fared);
        assert!(received >= 1_000);
        assert_eq!(total(&fared), Fared { sent, received: sent, ..Fared::default() });
        assert!(fared.iter().all(|flow| flow.sent > 300), "{fared:?}");
    }
    Ok(())
}

#[test]
fn an_impaired_wire_loses_and_reorders_what_a_sends() -> Result<()> {
    let impairment = Some(Impairment { loss: 0.1, reorder: 0.1, seed: 1 });
    let lab = WireLab::wired(WireWiring { impairment, ..WireWiring::default() })?;
    let _bridge = lab.bridge()?;
    let load = Datagrams::start(&lab.a, &lab.b, (B_V4, 6000).into(), PACE)?;
    load.await_arrivals(2_000, LIMIT)?;
    let fared = total(&load.finish()?);
    for (what, count) in [("lost", fared.lost), ("reordered", fared.reordered)] {
        assert!((fared.sent / 30..fared.sent / 5).contains(&count), "{what}: {fared:?}");
    }
    assert_eq!(fared.duplicated, 0);
    let load = Datagrams::start(&lab.b, &lab.a, (A_V4, 6000).into(), PACE)?;
    load.await_arrivals(1_000, LIMIT)?;
    let fared = total(&load.finish()?);
    assert_eq!((fared.lost, fared.reordered), (0, 0), "the other way is sound: {fared:?}");
    // Files arrive all the same.
    let before = resent(&lab.a)?;
    transfer(&lab.a, &lab.b, (B_V4, 5000).into(), MIB)?;
    assert!(resent(&lab.a)? > before);
    Ok(())
}

#[test]
fn netem_works_or_says_that_the_kernel_has_none() -> Result<()> {
    let lab = WireLab::new()?;
    match netem(&lab.a, A, "loss 50%") {
        Ok(()) => assert!(lab.a.exec("tc", &format!("qdisc show dev {A}"))?.contains("loss 50%")),
        Err(error) => assert!(format!("{error:#}").contains("CONFIG_NET_SCH_NETEM"), "{error:#}"),
    }
    Ok(())
}

#[test]
fn a_load_that_is_dropped_closes_its_port() -> Result<()> {
    let lab = WireLab::new()?;
    drop(Datagrams::start(&lab.a, &lab.b, (B_V4, 6000).into(), PACE)?);
    wait_until("the port is free again", LIMIT, || {
        lab.b.run(|| UdpSocket::bind((B_V4, 6000))).ok()
    })?;
    Ok(())
}

#[test]
fn a_lasting_lab_stays_until_it_is_removed() -> Result<()> {
    let name = format!("wire{}", std::process::id());
    drop(WireLab::lasting(&name, WireWiring::default())?);
    let lab = WireLab::existing(&name)?;
    for (host, link) in [(&lab.a, A), (&lab.dut, LEFT), (&lab.dut, RIGHT), (&lab.b, B)] {
        assert!(host.ip(&format!("link show {link}"))?.contains(link));
    }
    assert!(WireLab::remove(&name));
    assert!(WireLab::existing(&name).is_err());
    assert!(!WireLab::remove(&name));
    Ok(())
}
