//! The kernel's bridge passes.

use anyhow::Result;
use sluice_lab::{WireLab, WireWiring};

use crate::bed::alone;
use crate::connections::{self, impaired};
use crate::unchanged::{self, Way};

/// Lets `test` run over a bridge.
fn over_bridge(wiring: WireWiring, test: impl FnOnce(&WireLab) -> Result<()>) -> Result<()> {
    let _alone = alone();
    let lab = WireLab::wired(wiring)?;
    let _bridge = lab.bridge()?;
    test(&lab)
}

#[test]
fn files_cross_both_ways() -> Result<()> {
    over_bridge(WireWiring::default(), connections::files)
}

#[test]
fn many_connections_cross_at_once() -> Result<()> {
    over_bridge(WireWiring::default(), connections::many)
}

#[test]
fn what_iperf3_sends_crosses_both_ways() -> Result<()> {
    over_bridge(WireWiring::default(), connections::iperf3)
}

#[test]
fn what_iperf3_sends_crosses_a_wire_that_loses_and_reorders() -> Result<()> {
    over_bridge(impaired(), connections::iperf3_impaired)
}

#[test]
fn datagrams_cross_both_ways() -> Result<()> {
    over_bridge(WireWiring::default(), connections::datagrams)
}

#[test]
fn files_cross_a_wire_that_loses_and_reorders() -> Result<()> {
    over_bridge(impaired(), |lab| connections::files_resent(lab).map(drop))
}

/// A tenth of what Sluice is asked to pass: the kernel's bridge is not what is tested.
#[test]
fn frames_of_every_kind_cross_unchanged() -> Result<()> {
    over_bridge(WireWiring::default(), |lab| {
        unchanged::frames(lab, 1, Way::AToB, 50_000)?;
        unchanged::frames(lab, 2, Way::BToA, 50_000)
    })
}
