//! What programs send to each other arrives, whatever the wire does.

use std::net::SocketAddr;
use std::thread;

use anyhow::{Result, ensure};
use sluice_lab::{
    Datagrams, Fared, Impairment, Iperf, Pace, WireLab, WireWiring, resent, transfer,
};

use crate::bed::LIMIT;

const MIB: u64 = 1 << 20;

/// Loses and reorders as much as a bad wire in the open does.
const IMPAIRED: Impairment = Impairment { loss: 0.01, reorder: 0.05, seed: 1 };

/// A lab with such a wire.
pub(crate) fn impaired() -> WireWiring {
    WireWiring { impairment: Some(IMPAIRED), ..WireWiring::default() }
}

/// One file after the other.
pub(crate) fn files(lab: &WireLab) -> Result<()> {
    let file = |(from, to, address)| transfer(from, to, SocketAddr::new(address, 5000), 64 * MIB);
    lab.ways().into_iter().try_for_each(file)
}

/// Sixty-four files at once, as many each way.
pub(crate) fn many(lab: &WireLab) -> Result<()> {
    thread::scope(|scope| {
        let files: Vec<_> = lab
            .ways()
            .into_iter()
            .cycle()
            .zip(5000..5064)
            .map(|((from, to, address), port)| {
                scope.spawn(move || transfer(from, to, SocketAddr::new(address, port), 2 * MIB))
            })
            .collect();
        files.into_iter().try_for_each(|file| file.join().expect("a transfer does not panic"))
    })
}

/// Flows of datagrams, all ways at once: nothing is lost, doubled or overtaken.
pub(crate) fn datagrams(lab: &WireLab) -> Result<()> {
    let pace = Pace { flows: 5, per_second: 2_000, size: 1200 };
    let start =
        |(from, to, address)| Datagrams::start(from, to, SocketAddr::new(address, 6000), pace);
    let loads = lab.ways().map(start);
    for load in loads {
        let load = load?;
        load.await_arrivals(1_000, LIMIT)?;
        for fared in load.finish()? {
            let sent = fared.sent;
            ensure!(fared == Fared { sent, received: sent, ..Fared::default() }, "{fared:?}");
        }
    }
    Ok(())
}

/// What iperf3 sends in a second each: one stream, sixty-four, and datagrams.
///
/// How much arrives is for the machine to say: iperf3's receiver has room for a tenth of a second, and then loses.
/// No stream may starve, and of the datagrams more than half arrive; [`datagrams`] asks for each.
pub(crate) fn iperf3(lab: &WireLab) -> Result<()> {
    iperf3_greeting(lab, 1)
}

/// As [`iperf3`], over a wire that is [`impaired`].
///
/// Over UDP iperf3's client sends one datagram and waits half a minute for one answer, and neither is ever repeated: one
/// run in fifty does not come about on such a wire. Four of four are no chance.
pub(crate) fn iperf3_impaired(lab: &WireLab) -> Result<()> {
    iperf3_greeting(lab, 4)
}

/// As [`iperf3`], where a run over UDP is begun up to `greetings` times.
fn iperf3_greeting(lab: &WireLab, greetings: usize) -> Result<()> {
    for (from, to, address) in lab.ways() {
        // One that has just served another may be busy yet with the end of that.
        let run = |what| {
            let _server = Iperf::server(to, 5201)?;
            Iperf::run(from, &format!("--client {address} --time 1 {what}"))
        };
        let one = run("--parallel 1")?;
        let many = run("--parallel 64")?;
        ensure!(one.bytes > MIB, "to {address}: {one:?}");
        ensure!(many.streams.len() == 64, "to {address}: {many:?}");
        ensure!(many.streams.iter().all(|&rate| rate > 0.0), "to {address}: {many:?}");
        let resent = [one.retransmits, many.retransmits];
        println!("to {address}: {resent:?} segments were sent again");
        let greeted = || run("--udp --bitrate 6M --length 600");
        let udp = (1..greetings).fold(greeted(), |udp, _| udp.or_else(|_| greeted()))?;
        ensure!(udp.datagrams > 100 && udp.lost < udp.datagrams / 2, "to {address}: {udp:?}");
    }
    Ok(())
}

/// As [`files`], smaller, and how many segments were sent again.
pub(crate) fn files_resent(lab: &WireLab) -> Result<u64> {
    let counted = || anyhow::Ok(resent(&lab.a)? + resent(&lab.b)?);
    let before = counted()?;
    for (from, to, address) in lab.ways() {
        transfer(from, to, SocketAddr::new(address, 5000), 16 * MIB)?;
    }
    let resent = counted()? - before;
    // A hundredth of 23,000 packets.
    ensure!(resent > 100, "{resent} segments were sent again: the wire is not impaired");
    Ok(resent)
}
