//! What is sent arrives, as super-packets inside and sound packets on the wire.

use std::io::{Read, Write};
use std::net::IpAddr;
use std::thread;

use anyhow::{Context, Result, ensure};
use sluice_lab::{
    Capture, Checksums, DUT_V4, DUT_V6, Direction, Iperf, Lab, PEER, Sender, Sluice, Tap, Wiring,
    connect, wait_until,
};

use crate::bed::{
    CONFIG, FAMILIES, LIMIT, STEERED, alone, assert_sound, random, start, start_with,
};

const MIB: usize = 1 << 20;

/// Sends `bytes` over a connection from the peer to `address` and returns what arrived.
pub(crate) fn transfer(lab: &Lab, address: IpAddr, from: Sender, bytes: &[u8]) -> Result<Vec<u8>> {
    let (peer, dut) = connect(&lab.peer, &lab.dut, (address, STEERED).into())?;
    let (mut source, mut target) = if from == Sender::Peer { (peer, dut) } else { (dut, peer) };
    source.set_write_timeout(Some(LIMIT))?;
    target.set_read_timeout(Some(LIMIT))?;
    thread::scope(|scope| {
        // Moved, so that it is closed once everything is written.
        let sender = scope.spawn(move || source.write_all(bytes));
        let mut arrived = Vec::with_capacity(bytes.len());
        target.read_to_end(&mut arrived).context("receiving")?;
        sender.join().expect("sending does not panic").context("sending")?;
        Ok(arrived)
    })
}

/// Packets of the data's direction that Sluice has carried.
fn carried(sluice: &Sluice, from: Sender) -> Result<u64> {
    let carried = sluice.stats()?.carried();
    Ok(if from == Sender::Peer { carried.received } else { carried.sent })
}

/// The very bytes are compared, which says more than that their digests are equal.
#[test]
fn a_file_of_256_mib_arrives_unchanged_each_way() -> Result<()> {
    let _alone = alone();
    let lab = Lab::new()?;
    let mut sluice = start(&lab)?;
    let file = random(256 * MIB);
    for (address, from) in [(DUT_V4.into(), Sender::Peer), (DUT_V6.into(), Sender::Dut)] {
        let before = carried(&sluice, from)?;
        let arrived = transfer(&lab, address, from, &file)?;
        assert!(arrived == file, "{} of {} bytes arrived, or others", arrived.len(), file.len());
        let packets = carried(&sluice, from)? - before;
        assert!(packets >= (256 * MIB / 1500) as u64, "only {packets} packets went through Sluice");
    }
    assert_sound(&sluice)?;
    sluice.stop()
}

#[test]
fn iperf3_runs_both_ways_over_both_families() -> Result<()> {
    let _alone = alone();
    let lab = Lab::new()?;
    let mut sluice = start(&lab)?;
    let _server = Iperf::server(&lab.dut, STEERED)?;
    for address in FAMILIES {
        for (from, option) in [(Sender::Peer, ""), (Sender::Dut, "--reverse")] {
            let before = carried(&sluice, from)?;
            let line = format!("--client {address} --port {STEERED} --time 1 {option}");
            let bytes = Iperf::run(&lab.peer, &line)?.bytes;
            let packets = carried(&sluice, from)? - before;
            // A packet of 1500 bytes holds no more than 1460 of the stream.
            assert!(
                bytes > 0 && packets >= bytes / 1460,
                "{line}: {bytes} bytes, {packets} packets"
            );
        }
    }
    assert_sound(&sluice)?;
    sluice.stop()
}

#[test]
fn the_tun_carries_super_packets_both_ways() -> Result<()> {
    let _alone = alone();
    let lab = Lab::new()?;
    let sluice = start(&lab)?;
    let capture = Capture::open(&lab.dut, "sluice0")?;
    let file = random(16 * MIB);
    transfer(&lab, DUT_V4.into(), Sender::Peer, &file)?;
    transfer(&lab, DUT_V6.into(), Sender::Dut, &file)?;
    let (mut to_host, mut from_host, mut buffer) = (0, 0, [0; 64]);
    // Seen from the TUN device: what Sluice writes comes in, what the kernel sends goes out.
    while let Some(packet) = capture.next(&mut buffer)? {
        match packet.direction {
            Direction::In => to_host = packet.len.max(to_host),
            Direction::Out => from_host = packet.len.max(from_host),
        }
    }
    assert!(to_host > 20_000, "the largest packet given to the host has {to_host} bytes");
    assert!(from_host > 20_000, "the largest packet taken from the host has {from_host} bytes");
    assert_sound(&sluice)
}

/// Every byte of the file is looked for on the wire, which also proves that the capture missed nothing.
#[test]
fn the_wire_sees_only_packets_within_the_mtu_with_right_checksums() -> Result<()> {
    let _alone = alone();
    let lab = Lab::new()?;
    let sluice = start(&lab)?;
    let file = random(32 * MIB);
    for address in FAMILIES {
        for (from, way) in [(Sender::Peer, Direction::Out), (Sender::Dut, Direction::In)] {
            let tap = Tap::on(Capture::open(&lab.peer, PEER)?);
            let arrived = transfer(&lab, address, from, &file)?;
            let seen = tap.finish()?;
            assert!(arrived == file, "the file arrived changed");
            assert!(seen.problems.is_empty(), "{address} {from:?}: {:#?}", seen.problems);
            assert_eq!(seen.data(way), file.len() as u64, "{} packets seen", seen.packets);
        }
    }
    assert_sound(&sluice)
}

#[test]
fn a_peer_that_sends_partial_checksums_is_understood() -> Result<()> {
    let _alone = alone();
    let lab = Lab::wired(Wiring { checksums: Checksums::Partial, ..Wiring::default() })?;
    let config = format!("{CONFIG}\n[offload]\nrx_checksum = \"partial\"\n");
    let sluice = start_with(&lab, &config)?;
    let file = random(16 * MIB);
    for address in FAMILIES {
        let arrived = transfer(&lab, address, Sender::Peer, &file)?;
        assert!(arrived == file, "the file arrived changed");
    }
    let carried = sluice.stats()?.carried();
    assert!(carried.coalesced() > 2.0, "hardly anything was coalesced: {carried:?}");
    assert_sound(&sluice)
}

#[test]
fn stats_answer_while_a_file_crosses_and_only_grow() -> Result<()> {
    let _alone = alone();
    let lab = Lab::new()?;
    let sluice = start(&lab)?;
    let file = random(64 * MIB);
    thread::scope(|scope| {
        let transfer = scope.spawn(|| transfer(&lab, DUT_V4.into(), Sender::Peer, &file));
        let mut last = 0;
        wait_until("the transfer ends", LIMIT, || {
            let received = sluice.stats().ok()?.carried().received;
            assert!(received >= last, "a counter went from {last} back to {received}");
            last = received;
            transfer.is_finished().then_some(())
        })?;
        let arrived = transfer.join().expect("the transfer does not panic")?;
        ensure!(arrived == file, "the file arrived changed");
        Ok(())
    })
}
