//! Receive queues and what an interface is told to receive, set and put back on a real kernel. Needs root.
//!
//! veth has queues and no indirection table; that there is none is told, and how tables are read and planned is tried on
//! what a NIC's driver has said, beside the code.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use sluice::control::journal::{Change, Journal};
use sluice::control::link::Link;
use sluice::control::netlink;
use sluice::control::nic::keep_tags;
use sluice::control::nic::rss::{self, Channels, ChannelsChange, RssError};
use sluice_lab::{DUT, Lab, Namespace, Wiring};
use tempfile::TempDir;

fn runtime<T>(body: impl AsyncFnOnce() -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(body())
}

fn inside<T: Send>(namespace: &Namespace, body: impl AsyncFnOnce() -> T + Send) -> T {
    namespace.run(|| runtime(body))
}

/// Lab whose wire can have four queues, and has one.
fn lab() -> Result<Lab> {
    let lab = Lab::wired(Wiring { queues: 4, ..Wiring::default() })?;
    lab.dut.exec("ethtool", &format!("-L {DUT} rx 1 tx 1"))?;
    Ok(lab)
}

/// The queues `ethtool -l` tells of: receiving, sending.
fn queues(lab: &Lab) -> Result<(u32, u32)> {
    let told = lab.dut.exec("ethtool", &format!("-l {DUT}"))?;
    let (_, now) = told.split_once("Current").context("the part about now")?;
    let count = |name: &str| {
        let line = now.lines().find_map(|line| line.strip_prefix(name)).context("a line")?;
        Ok::<u32, anyhow::Error>(line.trim().parse()?)
    };
    Ok((count("RX:")?, count("TX:")?))
}

/// Has `wanted` queues share the packets, and what was changed written to the journal in `folder`.
fn manage(lab: &Lab, folder: &Path, wanted: u32) -> Result<Journal> {
    inside(&lab.dut, async || {
        let mut journal = Journal::open(folder, DUT)?;
        rss::manage(DUT, wanted, &mut journal, &netlink::connect()?).await?;
        Ok(journal)
    })
}

fn undo(lab: &Lab, journal: &mut Journal) -> Result<()> {
    inside(&lab.dut, async || Ok(journal.undo(&netlink::connect()?).await?))
}

#[test]
fn queues_are_told_as_ethtool_tells_them() -> Result<()> {
    let lab = lab()?;
    let told = inside(&lab.dut, async || rss::queues(DUT).await)?;
    assert_eq!(told.now, Channels { combined: 0, rx: 1, tx: 1 });
    assert_eq!(told.most, Channels { combined: 0, rx: 4, tx: 4 });
    assert!(told.settable);
    assert_eq!(inside(&lab.dut, async || rss::read(DUT).await)?, None, "veth spreads nothing");
    let lo = inside(&lab.dut, async || rss::queues("lo").await)?;
    assert_eq!((lo.now.receiving(), lo.settable), (1, false));
    let missing = inside(&lab.dut, async || rss::queues("eth9").await).unwrap_err();
    assert!(missing.to_string().contains("eth9: no such interface"), "{missing}");
    Ok(())
}

#[test]
fn queues_are_set_and_put_back() -> Result<()> {
    let (lab, folder) = (lab()?, TempDir::new()?);
    let mut journal = manage(&lab, folder.path(), 3)?;
    assert_eq!(queues(&lab)?, (3, 3));
    assert_eq!(journal.changes().len(), 1, "{:?}", journal.changes());
    let again = inside(&lab.dut, async || rss::plan(DUT, 3).await)?;
    assert_eq!(again, [], "nothing is left to change");
    undo(&lab, &mut journal)?;
    assert_eq!(queues(&lab)?, (1, 1));
    // And down: those that only send stay.
    lab.dut.exec("ethtool", &format!("-L {DUT} rx 4 tx 4"))?;
    let mut journal = manage(&lab, folder.path(), 2)?;
    assert_eq!(queues(&lab)?, (2, 4));
    undo(&lab, &mut journal)?;
    assert_eq!(queues(&lab)?, (4, 4));
    Ok(())
}

#[test]
fn queues_that_somebody_has_changed_since_are_left_alone() -> Result<()> {
    let (lab, folder) = (lab()?, TempDir::new()?);
    let mut journal = manage(&lab, folder.path(), 3)?;
    lab.dut.exec("ethtool", &format!("-L {DUT} rx 2"))?;
    undo(&lab, &mut journal)?;
    assert_eq!((queues(&lab)?, journal.changes()), ((2, 3), &[][..]));
    // Nor is anything asked of an interface that has gone.
    let mut journal = manage(&lab, folder.path(), 4)?;
    lab.dut.ip(&format!("link delete {DUT}"))?;
    undo(&lab, &mut journal)?;
    assert_eq!(journal.changes(), []);
    Ok(())
}

#[test]
fn what_the_driver_refuses_is_told_in_its_own_words() -> Result<()> {
    let lab = lab()?;
    let change = |new| {
        let old = Channels { combined: 0, rx: 1, tx: 1 };
        ChannelsChange { iface: DUT.to_owned(), old, new: Channels { combined: 0, ..new } }
    };
    let five = change(Channels { combined: 0, rx: 5, tx: 1 });
    let refused = inside(&lab.dut, async || five.apply().await).unwrap_err();
    assert!(matches!(refused, RssError::Refused { .. }), "{refused:?}");
    assert!(refused.to_string().contains("channel count exceeds maximum"), "{refused}");
    let refused = inside(&lab.dut, async || rss::plan(DUT, 5).await).unwrap_err();
    assert!(refused.to_string().contains("set worker.count to 4 or less"), "{refused}");
    Ok(())
}

#[test]
fn promiscuous_mode_is_set_where_it_was_not_and_put_back() -> Result<()> {
    let (lab, folder) = (Lab::new()?, TempDir::new()?);
    let is_set = || {
        let told = lab.dut.ip(&format!("link show {DUT}"))?;
        Ok::<_, anyhow::Error>(told.contains("PROMISC"))
    };
    inside(&lab.dut, async || -> Result<()> {
        let handle = netlink::connect()?;
        let link = Link::find(&handle, DUT).await?;
        let mut journal = Journal::open(folder.path(), DUT)?;
        let change = Change::promiscuous(&handle, &link).await?.context("it is to be set")?;
        journal.apply(change, &handle).await?;
        ensure!(is_set()?, "it is set");
        // Somebody else's, as it looks now.
        ensure!(Change::promiscuous(&handle, &link).await?.is_none());
        journal.undo(&handle).await?;
        ensure!(!is_set()?, "it is put back");
        Ok(())
    })?;
    lab.dut.ip(&format!("link set {DUT} promisc on"))?;
    let change = inside(&lab.dut, async || -> Result<_> {
        let handle = netlink::connect()?;
        Ok(Change::promiscuous(&handle, &Link::find(&handle, DUT).await?).await?)
    })?;
    assert_eq!(change, None, "the administrator's is left to him");
    Ok(())
}

#[test]
fn vlan_tags_stay_in_packets_while_it_runs_and_are_taken_out_again_afterwards() -> Result<()> {
    let lab = Lab::new()?;
    let strips = || -> Result<bool> {
        let told = lab.dut.exec("ethtool", &format!("-k {DUT}"))?;
        Ok(told.lines().any(|line| line.trim() == "rx-vlan-offload: on"))
    };
    ensure!(strips()?, "the lab's driver takes tags out");
    let folder = TempDir::new()?;
    let mut journal = inside(&lab.dut, async || -> Result<Journal> {
        let (mut journal, handle) = (Journal::open(folder.path(), DUT)?, netlink::connect()?);
        for change in keep_tags(DUT).await? {
            journal.apply(Change::Feature(change), &handle).await?;
        }
        ensure!(keep_tags(DUT).await?.is_empty(), "nothing is left to switch");
        Ok(journal)
    })?;
    ensure!(!strips()?);
    undo(&lab, &mut journal)?;
    ensure!(strips()?);
    Ok(())
}
