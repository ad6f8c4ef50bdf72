//! Sluice passes as well.

use std::path::Path;

use anyhow::{Result, ensure};
use sluice::config::XdpMode;
use sluice::steer::{Buffers, Steering};
use sluice_lab::{A, B, Namespace, Sluice, Stats, WireLab, WireWiring};

use crate::bed::alone;
use crate::connections::{self, impaired};
use crate::unchanged::{self, Way};

/// Wire mode between the lab's two hosts, for all of TCP and UDP.
pub(crate) const CONFIG: &str = r#"
mode = "wire"

[[port]]
iface = "left0"

[[port]]
iface = "right0"

[[rule]]
proto = "tcp"
action = "steer"

[[rule]]
proto = "udp"
action = "steer"
"#;

/// The same on a wire that waits long for its workers.
///
/// A worker that a busy machine keeps waiting for longer than the usual 100 ms is passed by, as it should be, and then
/// what it holds comes later than what passed it. A test of what goes through a worker, and in which order, must not see
/// that.
pub(crate) fn patient() -> String {
    format!("{CONFIG}\n[worker]\nfail_open_ms = 10000\n")
}

/// Starts Sluice between the lab's two hosts.
pub(crate) fn start_wire(lab: &WireLab, config: &str) -> Result<Sluice> {
    Sluice::start(&lab.dut, Path::new(env!("CARGO_BIN_EXE_sluice")), config)
}

/// Lets `test` run over Sluice, and returns what it counted.
fn over_sluice(
    wiring: WireWiring,
    config: &str,
    test: impl FnOnce(&WireLab) -> Result<()>,
) -> Result<Stats> {
    let _alone = alone();
    let lab = WireLab::wired(wiring)?;
    let mut sluice = start_wire(&lab, config)?;
    test(&lab)?;
    sluice.ensure_sound()?;
    let stats = sluice.stats()?;
    sluice.stop()?;
    Ok(stats)
}

/// Packets went through Sluice both ways, and made trains.
fn ensure_carried(stats: &Stats, packets: u64) -> Result<()> {
    for side in stats.crossed() {
        ensure!(side.received_packets > packets, "only {side:?}");
        ensure!(side.sent_packets > packets, "only {side:?}");
        ensure!(side.coalesced() > 1.1, "hardly anything was coalesced: {side:?}");
    }
    Ok(())
}

#[test]
fn files_cross_both_ways() -> Result<()> {
    let stats = over_sluice(WireWiring::default(), &patient(), connections::files)?;
    // Twice 64 MiB each way, and acknowledgements.
    ensure_carried(&stats, 2 * (64 << 20) / 1500)
}

#[test]
fn many_connections_cross_at_once() -> Result<()> {
    let stats = over_sluice(WireWiring::default(), &patient(), connections::many)?;
    ensure_carried(&stats, 32 * (2 << 20) / 1500)
}

#[test]
fn what_iperf3_sends_crosses_both_ways() -> Result<()> {
    let stats = over_sluice(WireWiring::default(), &patient(), connections::iperf3)?;
    // Of one stream a megabyte in each family, at the least.
    ensure_carried(&stats, (2 << 20) / 1500)
}

#[test]
fn what_iperf3_sends_crosses_a_wire_that_loses_and_reorders() -> Result<()> {
    let stats = over_sluice(impaired(), &patient(), connections::iperf3_impaired)?;
    ensure_carried(&stats, (2 << 20) / 1500)
}

#[test]
fn datagrams_cross_both_ways() -> Result<()> {
    let stats = over_sluice(WireWiring::default(), &patient(), connections::datagrams)?;
    for side in stats.crossed() {
        assert!(side.received_packets >= 2_000, "only {side:?}");
    }
    Ok(())
}

/// How often a sender has to repeat itself is told in comparison with the kernel's bridge. It is chance which packets
/// are lost, and what that costs: 0.4 to 1.1 times as often has been seen. Three times is no chance.
#[test]
fn files_cross_a_wire_that_loses_and_reorders() -> Result<()> {
    let _alone = alone();
    let lab = WireLab::wired(impaired())?;
    let bridge = lab.bridge()?;
    let through_bridge = connections::files_resent(&lab)?;
    drop(bridge);
    let mut sluice = start_wire(&lab, &patient())?;
    let through_sluice = connections::files_resent(&lab)?;
    let ratio = through_sluice as f64 / through_bridge as f64;
    println!("sent again: {through_sluice} segments, {ratio:.2} times what a bridge needs");
    ensure!(ratio < 3.0, "{through_sluice} segments, {through_bridge} over a bridge");
    sluice.ensure_sound()?;
    ensure_carried(&sluice.stats()?, 2 * (16 << 20) / 1500)?;
    sluice.stop()
}

/// The million frames go to hosts without GRO: one that sees several packets at once, but may not merge them, passes
/// packets with PSH on before those it holds.
fn without_gro(lab: &WireLab) -> Result<[Steering; 2]> {
    let plain = |host: &Namespace, link: &'static str| -> Result<Steering> {
        // An XDP program that passes everything has packets come out of a ring, where those are that another program
        // redirected here.
        let steering = host.run(|| -> Result<Steering> {
            let mut steering = Steering::load_for(Buffers::One)?;
            steering.attach(link, XdpMode::Native)?;
            Ok(steering)
        })?;
        host.exec("ethtool", &format!("-K {link} gro off"))?;
        Ok(steering)
    };
    Ok([plain(&lab.a, A)?, plain(&lab.b, B)?])
}

/// The same by the transmit rings.
fn by_ring() -> String {
    patient().replace("iface =", "transmit = \"ring\"\niface =")
}

#[test]
fn files_cross_by_the_transmit_rings() -> Result<()> {
    let stats = over_sluice(WireWiring::default(), &by_ring(), connections::files)?;
    ensure!(stats.crossed().iter().all(|side| side.sent_supers == 0), "{:?}", stats.crossed());
    ensure_carried(&stats, 2 * (64 << 20) / 1500)
}

#[test]
fn frames_cross_unchanged_by_the_transmit_rings() -> Result<()> {
    let stats = over_sluice(WireWiring::default(), &by_ring(), |lab| {
        unchanged::frames(lab, 7, Way::AToB, 250_000)?;
        unchanged::frames(lab, 8, Way::BToA, 250_000)
    })?;
    ensure!(stats.crossed().iter().all(|side| side.sent_supers == 0), "{:?}", stats.crossed());
    ensure_carried(&stats, 125_000)
}

#[test]
fn a_million_frames_of_every_kind_cross_unchanged() -> Result<()> {
    let stats = over_sluice(WireWiring::default(), &patient(), |lab| {
        let _hosts = without_gro(lab)?;
        for (seed, way) in [Way::AToB, Way::BToA, Way::AToB, Way::BToA].into_iter().enumerate() {
            unchanged::frames(lab, seed as u64, way, 250_000)?;
        }
        Ok(())
    })?;
    // By packet sockets, and segmented by the kernel.
    ensure!(stats.crossed().iter().all(|side| side.sent_supers > 1_000), "{:?}", stats.crossed());
    // Half of them at least are TCP and UDP.
    ensure_carried(&stats, 250_000)
}

/// Without a rule for it, nothing goes through user space, and everything crosses all the same.
#[test]
fn frames_that_no_rule_names_cross_unchanged() -> Result<()> {
    let config = CONFIG.split("[[rule]]").next().expect("there is a first part");
    let stats = over_sluice(WireWiring::default(), config, |lab| {
        unchanged::frames(lab, 5, Way::AToB, 100_000)?;
        unchanged::frames(lab, 6, Way::BToA, 100_000)
    })?;
    for side in stats.crossed() {
        assert_eq!(side.received_packets, 0, "{side:?}");
    }
    Ok(())
}
