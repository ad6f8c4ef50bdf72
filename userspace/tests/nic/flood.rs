//! 64-byte packets as fast as the kernel sends them.

use std::thread;

use anyhow::{Context, Result, ensure};
use sluice_lab::{DUT_V4, HANG, Stats, wait_until};

use crate::bed::{Bed, NIC, OTHER, STEERED};
use crate::carries::{V4, both_ways, counted};
use crate::iperf::Run;
use crate::pktgen::Flood;

/// Many times what the rings hold.
const PACKETS: u64 = 50_000;

/// Bytes of the transfer meanwhile: it has just begun when the flood does.
const TRANSFER: u64 = 4 << 20;

/// A port nobody listens on, among those that are steered.
const NOBODY: u16 = 5999;

#[test]
fn a_flood_costs_packets_with_reasons_and_nothing_else() -> Result<()> {
    let bed = Bed::new()?;
    let mac = bed.features()?["mac"].as_str().context("it has one")?.to_owned();
    bed.with_sluice(|sluice| {
        let mut run = Run::start(&bed.lab, STEERED, TRANSFER, "")?;
        wait_until("iperf3 is carried", HANG, || {
            counted(sluice).ok().filter(|carried| carried.received > 10).map(drop)
        })?;
        ensure!(run.client.running()?, "all {TRANSFER} bytes were sent before the flood");
        let to = (mac.as_str(), DUT_V4, NOBODY);
        let flood = Flood { from: &bed.lab.peer, nic: OTHER, to, packets: PACKETS };
        let sent = thread::scope(|scope| scope.spawn(|| flood.run()).join().expect("no panic"))?;
        ensure!(sent == PACKETS, "pktgen sent {sent}");
        // The connection survives it.
        run.finish(TRANSFER)?;
        let stats = wait_until("each packet has come or been counted as a drop", HANG, || {
            sluice.stats().ok().filter(|stats| stats.has_workers() && accounted(stats))
        })?;
        println!("of {sent}: verdicts {:?}, drops {:?}", stats.verdicts(), stats.drops());
        ensure!(stats.verdict("steered") > PACKETS / 100, "the flood has reached Sluice on {NIC}");
        both_ways(&bed.lab, sluice, V4)
    })
}

/// Whether everything that the XDP program has steered arrived at a worker, or was dropped at its socket.
fn accounted(stats: &Stats) -> bool {
    const SOCKET: [&str; 3] = ["rx_dropped", "rx_invalid", "rx_ring_full"];
    let drops = stats.drops();
    let lost: u64 = SOCKET.iter().filter_map(|label| drops.get(*label)).sum();
    stats.verdict("steered") == stats.carried().received + lost
}
