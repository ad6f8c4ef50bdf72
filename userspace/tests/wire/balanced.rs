//! Servers that share one address, as `deploy/balancer.toml` has it.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread;

use anyhow::{Context, Result, ensure};
use sluice_lab::{A, A_V4, B, LEFT, RIGHT, WireLab, WireWiring, top, wait_until};

use crate::bed::{LIMIT, alone};
use crate::sluice::start_wire;

/// What clients connect to.
const SHARED: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 10)), 80);
/// Where those are who answer.
const SERVERS: [Ipv4Addr; 3] =
    [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2), Ipv4Addr::new(10, 0, 0, 3)];
const SERVER_PORT: u16 = 8080;

/// Many more than servers: that one of them gets none is as likely as one in a hundred million.
const CONNECTIONS: usize = 48;
/// More than a train holds, several times over.
const MESSAGE: usize = 100_000;

/// The example, between the lab's interfaces.
fn config() -> Result<String> {
    let example = fs::read_to_string(top().join("deploy/balancer.toml"))?;
    Ok(example.replace("\"eth1\"", &format!("{LEFT:?}")).replace("\"eth2\"", &format!("{RIGHT:?}")))
}

/// `b` has the servers' addresses, and `a` is told that the shared one is there. No router is between them, so nobody
/// would answer a question for it.
fn servers(lab: &WireLab) -> Result<[TcpListener; 3]> {
    let told = lab.b.ip(&format!("-brief link show {B}"))?;
    let mac = told.split_whitespace().nth(2).context("the interface has a link address")?;
    let shared = SHARED.ip();
    lab.a.ip_batch(&format!(
        "route add {shared}/32 dev {A}\nneigh add {shared} lladdr {mac} dev {A} nud permanent\n"
    ))?;
    for server in SERVERS {
        lab.b.ip(&format!("addr add {server}/32 dev {B}"))?;
    }
    let listeners = SERVERS.map(|server| -> Result<TcpListener> {
        let listener = lab.b.run(|| TcpListener::bind((server, SERVER_PORT)))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    let [one, two, three] = listeners;
    Ok([one?, two?, three?])
}

/// The connection that one of the servers has got, and which of them.
fn accepted(listeners: &[TcpListener; 3]) -> Result<(usize, TcpStream)> {
    let accepted = wait_until("a server is connected to", LIMIT, || {
        let all = listeners.iter().map(TcpListener::accept).enumerate();
        let waiting = |error: &std::io::Error| error.kind() == ErrorKind::WouldBlock;
        all.map(|(server, got)| got.map(|(far, _)| (server, far)))
            .find(|got| !got.as_ref().is_err_and(waiting))
    })?;
    let (server, far) = accepted?;
    far.set_nonblocking(false)?;
    Ok((server, far))
}

/// `from` sends a message, and `to` gets it as it was sent.
fn says(mut from: &TcpStream, mut to: &TcpStream, seed: usize) -> Result<()> {
    let message: Vec<u8> = (seed..seed + MESSAGE).map(|n| (n ^ n >> 8) as u8).collect();
    let mut got = vec![0; MESSAGE];
    thread::scope(|scope| {
        let sent = scope.spawn(|| from.write_all(&message));
        to.set_read_timeout(Some(LIMIT))?;
        to.read_exact(&mut got)?;
        sent.join().expect("writing does not panic")
    })?;
    ensure!(got == message, "what arrived is something else");
    Ok(())
}

#[test]
fn connections_to_one_address_are_shared_among_three_servers() -> Result<()> {
    let _alone = alone();
    let lab = WireLab::wired(WireWiring::default())?;
    let listeners = servers(&lab)?;
    let mut sluice = start_wire(&lab, &config()?)?;
    let mut shares = [0; 3];
    for n in 0..CONNECTIONS {
        let near = lab.a.run(|| TcpStream::connect_timeout(&SHARED, LIMIT))?;
        let (server, far) = accepted(&listeners)?;
        shares[server] += 1;
        ensure!(far.local_addr()? == SocketAddr::from((SERVERS[server], SERVER_PORT)));
        ensure!(far.peer_addr()? == SocketAddr::from((A_V4, near.local_addr()?.port())));
        says(&near, &far, n)?;
        says(&far, &near, n + 1)?;
    }
    ensure!(shares.iter().all(|&share| share > 0), "{shares:?} connections for each server");
    sluice.ensure_sound()?;
    for side in sluice.stats()?.crossed() {
        ensure!(side.coalesced() > 1.1, "hardly anything was coalesced: {side:?}");
    }
    sluice.stop()
}
