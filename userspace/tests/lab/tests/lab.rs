//! The lab itself: two hosts that reach each other, and nothing left when it goes. Needs root.

use std::net::{TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use sluice_lab::{Capture, DUT, DUT_V4, DUT_V6, Direction, Lab, PEER, Sender, Stream, wait_until};

#[test]
fn the_peer_reaches_the_dut_over_both_families() -> Result<()> {
    let lab = Lab::new()?;
    for address in [(DUT_V4, 5000).into(), (DUT_V6, 5000).into()] {
        let listener = lab.dut.run(|| TcpListener::bind::<std::net::SocketAddr>(address))?;
        let stream = lab.peer.run(|| TcpStream::connect(address))?;
        assert_eq!(stream.local_addr()?, listener.accept()?.1);
    }
    Ok(())
}

#[test]
fn the_wire_has_two_queues_and_the_mtu_of_ethernet() -> Result<()> {
    let lab = Lab::new()?;
    for (host, link) in [(&lab.peer, PEER), (&lab.dut, DUT)] {
        let told = host.ip(&format!("-details link show {link}"))?;
        for fact in ["mtu 1500", "numtxqueues 2", "numrxqueues 2"] {
            assert!(told.contains(fact), "{link} lacks `{fact}`: {told}");
        }
        let features = host.exec("ethtool", &format!("-k {link}"))?;
        assert!(features.contains("tx-checksumming: off"), "{features}");
        assert!(features.contains("tcp-segmentation-offload: off"), "{features}");
    }
    Ok(())
}

#[test]
fn a_capture_tells_what_was_sent_from_what_was_received() -> Result<()> {
    let lab = Lab::new()?;
    let (sent, received) = (Capture::open(&lab.peer, PEER)?, Capture::open(&lab.dut, DUT)?);
    let packet: Vec<u8> = [&[0xff; 6][..], &[2; 6], &[0x88, 0xb5], &[7; 100]].concat();
    // A packet socket does not see what it sent itself.
    Capture::open(&lab.peer, PEER)?.inject(&packet)?;
    assert_eq!(seen(&sent, &packet)?, Direction::Out);
    assert_eq!(seen(&received, &packet)?, Direction::In);
    Ok(())
}

fn seen(capture: &Capture, packet: &[u8]) -> Result<Direction> {
    let mut buffer = [0; 2048];
    wait_until("the packet is captured", Duration::from_secs(5), || {
        let captured = capture.next(&mut buffer).unwrap()?;
        (captured.bytes == packet).then_some(captured.direction)
    })
}

#[test]
fn a_panic_leaves_no_namespace_and_no_program() {
    let mut left = None;
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let lab = Lab::new().unwrap();
        let sleeper = lab.dut.spawn(lab.dut.command("sleep").arg("1000")).unwrap();
        left = Some((lab.peer.path(), lab.dut.path(), sleeper.pid()));
        panic!("on purpose");
    }));
    assert!(panic.is_err());
    let (peer, dut, sleeper) = left.expect("the lab was made: this test needs root");
    assert!(!peer.exists() && !dut.exists());
    assert!(!PathBuf::from(format!("/proc/{sleeper}")).exists());
}

#[test]
fn what_a_dead_process_left_is_swept_when_the_next_lab_is_made() -> Result<()> {
    // No process has a pid this large: PID_MAX_LIMIT is 2^22 (linux/threads.h).
    let name = "sluice-4194305-1-0-dut";
    let _ = Command::new("ip").args(["netns", "add", name]).status()?;
    let lab = Lab::new()?;
    assert!(!lab.dut.path().with_file_name(name).exists());
    Ok(())
}

#[test]
fn a_lasting_lab_stays_until_it_is_removed() -> Result<()> {
    let name = format!("test{}", std::process::id());
    drop(Lab::lasting(&name, Default::default())?);
    assert!(Lab::existing(&name)?.dut.exec("ip", &format!("link show {DUT}"))?.contains(DUT));
    assert!(Lab::remove(&name));
    assert!(Lab::existing(&name).is_err());
    assert!(!Lab::remove(&name));
    Ok(())
}

const LIMIT: Duration = Duration::from_secs(10);

#[test]
fn a_stream_carries_its_pattern_both_ways() -> Result<()> {
    let lab = Lab::new()?;
    for (port, from) in [(5000, Sender::Peer), (5001, Sender::Dut)] {
        let stream = Stream::start(&lab, (DUT_V6, port).into(), from)?;
        stream.await_bytes(5 << 20, LIMIT)?;
        assert!(stream.finish()? >= 5 << 20);
    }
    Ok(())
}

#[test]
fn a_stream_notices_that_the_wire_is_cut() -> Result<()> {
    let lab = Lab::new()?;
    let stream = Stream::start(&lab, (DUT_V4, 5000).into(), Sender::Peer)?;
    stream.await_bytes(1 << 20, LIMIT)?;
    lab.dut.ip(&format!("link set {DUT} down"))?;
    let gap = Duration::from_millis(300);
    wait_until("the gap grows", LIMIT, || (stream.longest_gap() > gap).then_some(()))?;
    lab.dut.ip(&format!("link set {DUT} up"))?;
    stream.await_bytes(1 << 20, LIMIT)?;
    assert!(stream.longest_gap() > gap, "the gap is remembered");
    stream.finish().map(drop)
}
