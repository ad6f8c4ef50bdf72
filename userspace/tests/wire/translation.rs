//! Hosts with different MTUs fill their packets, and learn what is too large.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, UdpSocket};

use anyhow::{Result, ensure};
use nix::libc::EMSGSIZE;
use sluice_lab::{
    A, A_V4, A_V6, B, B_V4, B_V6, Capture, Direction, Namespace, Sluice, Tap, WireLab, WireWiring,
    connect, mss, transfer, wait_until,
};

use crate::bed::{LIMIT, alone};
use crate::sluice::{patient, start_wire};

const MIB: u64 = 1 << 20;

/// MTU of a's side and of b's.
const MTU: [u32; 2] = [9_000, 1_500];

/// Lets `test` run with jumbo frames on a's side only.
fn translated(test: impl FnOnce(&WireLab, &Sluice) -> Result<()>) -> Result<()> {
    let _alone = alone();
    let lab = WireLab::wired(WireWiring { mtu: MTU, ..WireWiring::default() })?;
    let mut sluice = start_wire(&lab, &patient())?;
    test(&lab, &sluice)?;
    sluice.ensure_sound()?;
    sluice.stop()
}

/// What a packet of so many bytes has room for behind IP and TCP header, with the timestamp option and without.
fn payload(mtu: u32, family: IpAddr) -> std::ops::RangeInclusive<u32> {
    let room = mtu - if family.is_ipv4() { 20 + 20 } else { 40 + 20 };
    room - 12..=room
}

/// Captures at both hosts see what each wire carries; every byte of the file is looked for on both.
#[test]
fn tcp_packets_are_as_large_as_each_side_allows() -> Result<()> {
    translated(|lab, sluice| {
        let there = [(B_V4.into(), true), (B_V6.into(), true)];
        let back = [(A_V4.into(), false), (A_V6.into(), false)];
        for (address, from_a) in there.into_iter().chain(back) {
            let taps = [(&lab.a, A, MTU[0]), (&lab.b, B, MTU[1])].map(|(host, link, mtu)| {
                anyhow::Ok(Tap::within(Capture::open(host, link)?, mtu as usize))
            });
            let (from, to) = if from_a { (&lab.a, &lab.b) } else { (&lab.b, &lab.a) };
            transfer(from, to, SocketAddr::new(address, 5000), 32 * MIB)?;
            let [at_a, at_b] = taps.map(|tap| tap?.finish());
            let (at_a, at_b) = (at_a?, at_b?);
            let [way_a, way_b] = if from_a {
                [Direction::Out, Direction::In]
            } else {
                [Direction::In, Direction::Out]
            };
            for (seen, way) in [(&at_a, way_a), (&at_b, way_b)] {
                ensure!(seen.problems.is_empty(), "{address}: {:#?}", seen.problems);
                ensure!(seen.data(way) == 32 * MIB, "{address}: {} packets seen", seen.packets);
            }
            let average = at_a.average(way_a);
            ensure!(average > 7_000.0, "{address}: packets on a's side have {average:.0} bytes");
            let largest = at_b.largest(way_b);
            ensure!(payload(MTU[1], address).contains(&largest), "{address}: {largest} bytes");
        }
        let [a, b] = sluice.stats()?.crossed();
        ensure!(a.recut_packets > 0 && b.recut_packets > 0, "{a:?} {b:?}");
        ensure!(a.mss_rewritten > 0 && b.mss_rewritten > 0, "{a:?} {b:?}");
        Ok(())
    })
}

/// Each host believes that the other one is on a wire like its own.
#[test]
fn each_host_sees_an_mss_for_its_own_mtu() -> Result<()> {
    translated(|lab, _| {
        for address in [IpAddr::from(B_V4), B_V6.into()] {
            let (a, b) = connect(&lab.a, &lab.b, SocketAddr::new(address, 5000))?;
            for (end, mtu) in [(&a, MTU[0]), (&b, MTU[1])] {
                let mss = mss(end)?;
                ensure!(payload(mtu, address).contains(&mss), "{address}: {mss} for {mtu}");
            }
        }
        Ok(())
    })
}

/// Linux forbids fragments of what it sends unless it has learned of a smaller MTU on the path.
#[test]
fn a_host_learns_the_mtu_of_the_path_from_a_datagram_that_is_too_large() -> Result<()> {
    translated(|lab, sluice| {
        for (from, address) in
            [(IpAddr::from(A_V4), IpAddr::from(B_V4)), (A_V6.into(), B_V6.into())]
        {
            let (source, target) = pair(lab, from, address)?;
            wait_until("a is told that it is too large", LIMIT, || {
                let error = source.send(&[7; 8_000]).err()?;
                (error.raw_os_error() == Some(EMSGSIZE)).then_some(())
            })?;
            let route = lab.a.ip(&format!("route get {address}"))?;
            ensure!(route.contains("mtu 1500"), "{route}");
            // It sends fragments now.
            arrives(&source, &target, 8_000)?;
        }
        let [a, _] = sluice.stats()?.crossed();
        ensure!(a.answered_packets > 0, "{a:?}");
        Ok(())
    })
}

#[test]
fn a_datagram_that_may_be_fragmented_arrives_whole() -> Result<()> {
    translated(|lab, sluice| {
        // Its sockets then allow fragments (Linux Documentation/networking/ip-sysctl.rst).
        let settings = "/proc/sys/net/ipv4/ip_no_pmtu_disc";
        lab.a.run(|| std::fs::write(settings, "1"))?;
        let (source, target) = pair(lab, A_V4.into(), B_V4.into())?;
        let tap = Tap::on(Capture::open(&lab.b, B)?);
        for len in [1_473, 2_952, 2_953, 8_000, 8_972] {
            arrives(&source, &target, len)?;
        }
        let seen = tap.finish()?;
        ensure!(seen.problems.is_empty(), "{:#?}", seen.problems);
        let [a, _] = sluice.stats()?.crossed();
        ensure!(a.fragmented_packets == 5, "{a:?}");
        Ok(())
    })
}

#[test]
fn small_questions_are_answered() -> Result<()> {
    translated(|lab, _| {
        for (from, address) in
            [(IpAddr::from(A_V4), IpAddr::from(B_V4)), (A_V6.into(), B_V6.into())]
        {
            let (mut a, mut b) = connect(&lab.a, &lab.b, SocketAddr::new(address, 5000))?;
            for end in [&a, &b] {
                end.set_nodelay(true)?;
                end.set_read_timeout(Some(LIMIT))?;
            }
            let (source, target) = pair(lab, from, address)?;
            for len in 1..200 {
                crosses(&mut a, &mut b, len)?;
                crosses(&mut b, &mut a, 200 - len)?;
                arrives(&source, &target, len)?;
                arrives(&target, &source, 200 - len)?;
            }
        }
        Ok(())
    })
}

fn crosses(from: &mut TcpStream, to: &mut TcpStream, len: usize) -> Result<()> {
    let sent = fastrand::Rng::with_seed(len as u64).u64(..).to_be_bytes().repeat(len);
    let mut arrived = vec![0; sent.len()];
    from.write_all(&sent)?;
    to.read_exact(&mut arrived)?;
    ensure!(arrived == sent, "{} bytes arrived changed", sent.len());
    Ok(())
}

/// A datagram's socket at a, and one at b, each connected to the other.
fn pair(lab: &WireLab, at_a: IpAddr, at_b: IpAddr) -> Result<(UdpSocket, UdpSocket)> {
    let open = |host: &Namespace, address: IpAddr| host.run(|| UdpSocket::bind((address, 0)));
    let (a, b) = (open(&lab.a, at_a)?, open(&lab.b, at_b)?);
    a.connect(b.local_addr()?)?;
    b.connect(a.local_addr()?)?;
    for end in [&a, &b] {
        end.set_read_timeout(Some(LIMIT))?;
    }
    Ok((a, b))
}

fn arrives(from: &UdpSocket, to: &UdpSocket, len: usize) -> Result<()> {
    let mut sent = vec![0; len];
    fastrand::Rng::with_seed(len as u64).fill(&mut sent);
    from.send(&sent)?;
    let mut buffer = vec![0; 1 << 16];
    let got = to.recv(&mut buffer)?;
    ensure!(buffer[..got] == sent, "{len} bytes arrived as {got}, or changed");
    Ok(())
}
