//! What no rule names stays with the kernel while Sluice carries the rest.

use anyhow::Result;
use sluice_lab::{DUT_V4, DUT_V6, Lab, PEER_V4, PEER_V6, Sender, Stream};

use crate::bed::{FAMILIES, LIMIT, NOT_STEERED, STEERED, alone, assert_sound, start};

#[test]
fn ping_is_answered_each_way_while_steered_traffic_runs() -> Result<()> {
    let _alone = alone();
    let lab = Lab::new()?;
    let sluice = start(&lab)?;
    let stream = Stream::start(&lab, (DUT_V4, STEERED).into(), Sender::Peer)?;
    for target in [DUT_V4.to_string(), DUT_V6.to_string()] {
        lab.peer.exec("ping", &format!("-c 3 -i 0.05 -W 5 {target}"))?;
    }
    for target in [PEER_V4.to_string(), PEER_V6.to_string()] {
        lab.dut.exec("ping", &format!("-c 3 -i 0.05 -W 5 {target}"))?;
    }
    assert!(sluice.stats()?.verdict("not_tcp_udp") >= 12);
    stream.await_bytes(1 << 20, LIMIT)?;
    stream.finish()?;
    assert_sound(&sluice)
}

#[test]
fn another_tcp_port_goes_past_sluice() -> Result<()> {
    let _alone = alone();
    let lab = Lab::new()?;
    let sluice = start(&lab)?;
    let before = sluice.stats()?;
    for (address, from) in FAMILIES.into_iter().zip([Sender::Peer, Sender::Dut]) {
        let stream = Stream::start(&lab, (address, NOT_STEERED).into(), from)?;
        stream.await_bytes(4 << 20, LIMIT)?;
        stream.finish()?;
    }
    let after = sluice.stats()?;
    let passed = after.verdict("no_rule") - before.verdict("no_rule");
    assert!(passed > 1000, "only {passed} packets matched no rule");
    assert_eq!(after.carried().received, before.carried().received, "packets taken");
    assert_eq!(after.carried().from_host, before.carried().from_host, "packets sent to Sluice");
    assert_sound(&sluice)
}

#[test]
fn the_dut_resolves_a_neighbour_it_has_forgotten() -> Result<()> {
    let _alone = alone();
    let lab = Lab::new()?;
    let sluice = start(&lab)?;
    for address in FAMILIES {
        let stream = Stream::start(&lab, (address, STEERED).into(), Sender::Dut)?;
        stream.await_bytes(1 << 20, LIMIT)?;
        lab.dut.ip("neighbour flush dev dut0")?;
        stream.await_bytes(4 << 20, LIMIT)?;
        stream.finish()?;
    }
    assert_sound(&sluice)
}
