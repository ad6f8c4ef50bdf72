//! The example of `sluice-common`, as a person would run it: a tunnel between two hosts. Needs root.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use sluice_lab::{Capture, DUT_V4, Direction, Lab, Namespace, PEER_V4, Process, top, wait_until};

/// How long a device may take to appear.
const LIMIT: Duration = Duration::from_secs(20);
const DEVICE: &str = "tun_gro";
const MTU: usize = 1400;
const PORT: u16 = 5005;
/// Addresses inside of the tunnel (RFC 5737).
const INSIDE: [Ipv4Addr; 2] = [Ipv4Addr::new(198, 51, 100, 1), Ipv4Addr::new(198, 51, 100, 2)];
/// Enough that the sender's window opens and packets come in bursts.
const LEN: usize = 8 << 20;

/// Built with the features the whole workspace asks for, as `cargo test --workspace` has built it already.
fn build() -> Result<PathBuf> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.args(["build", "--quiet", "--workspace", "--example", DEVICE]).current_dir(top());
    ensure!(cargo.status()?.success(), "the example does not build");
    // This test is in target/debug/deps.
    let deps = std::env::current_exe()?;
    let built = deps.ancestors().nth(2).context("no target folder")?;
    Ok(built.join("examples").join(DEVICE))
}

/// One end of the tunnel, up and with an address.
fn open(
    host: &Namespace,
    program: &PathBuf,
    outside: [Ipv4Addr; 2],
    inside: Ipv4Addr,
) -> Result<Process> {
    let ends = outside.map(|address| format!("{address}:{PORT}"));
    let process = host.spawn(host.command(program).args(ends))?;
    wait_until("the device is there", LIMIT, || host.ip(&format!("link show {DEVICE}")).ok())?;
    host.ip(&format!("address add {inside}/24 dev {DEVICE}"))?;
    host.ip(&format!("link set {DEVICE} up"))?;
    Ok(process)
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|n| (n / 7) as u8).collect()
}

fn send(host: &Namespace, to: Ipv4Addr) -> Result<()> {
    let mut stream = host.run(|| TcpStream::connect((to, PORT)))?;
    stream.write_all(&pattern(LEN))?;
    Ok(())
}

fn receive(listener: &TcpListener) -> Result<Vec<u8>> {
    let (mut stream, _) = listener.accept()?;
    let mut bytes = Vec::with_capacity(LEN);
    stream.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The largest packet that went through the device each way, until `stop`.
fn watch(capture: &Capture, stop: &AtomicBool) -> Result<[usize; 2]> {
    let (mut largest, mut buffer) = ([0; 2], [0; 64]);
    while !stop.load(Ordering::Relaxed) {
        while let Some(packet) = capture.next(&mut buffer)? {
            let way = usize::from(packet.direction == Direction::Out);
            largest[way] = largest[way].max(packet.len);
        }
    }
    Ok(largest)
}

#[test]
fn a_tunnel_with_the_engine_in_it_carries_super_packets_and_every_byte() -> Result<()> {
    let (program, lab) = (build()?, Lab::new()?);
    let _sender = open(&lab.peer, &program, [PEER_V4, DUT_V4], INSIDE[0])?;
    let _receiver = open(&lab.dut, &program, [DUT_V4, PEER_V4], INSIDE[1])?;
    let capture = Capture::open(&lab.dut, DEVICE)?;
    let listener = lab.dut.run(|| TcpListener::bind((INSIDE[1], PORT)))?;
    let stop = AtomicBool::new(false);
    let (arrived, largest) = thread::scope(|scope| {
        let watched = scope.spawn(|| watch(&capture, &stop));
        let sent = scope.spawn(|| send(&lab.peer, INSIDE[1]));
        let arrived = receive(&listener);
        stop.store(true, Ordering::Relaxed);
        sent.join()
            .expect("the sender does not panic")
            .and(arrived)
            .map(|arrived| (arrived, watched.join().expect("the capture does not panic")))
    })?;
    assert!(arrived == pattern(LEN), "{} bytes arrived, not those that were sent", arrived.len());
    let [coalesced, _] = largest?;
    assert!(coalesced > 4 * MTU, "the largest packet for the kernel had {coalesced} bytes");
    Ok(())
}
