//! Files cross unchanged, and so they do after the cable was out.

use std::net::IpAddr;

use anyhow::Result;
use sluice_lab::{
    Carried, DUT_V4, DUT_V6, HANG, Lab, PEER_V4, PEER_V6, Sender, Sluice, Stats, Stream, transfer,
    wait_until,
};

use crate::bed::{Bed, NIC, STEERED, STEERED_AWAY, await_carrier, nics};

/// Bytes of a file: some hundred packets, for an emulated machine moves a few thousand in a second.
pub(crate) const FILE: u64 = 512 << 10;

/// Half of the packets that carry a file: the first ones may take the kernel's path, while their next hop is not known.
pub(crate) const PACKETS: u64 = FILE / 1500 / 2;

/// Sends a file each way, which Sluice has to carry.
pub(crate) fn both_ways(lab: &Lab, sluice: &Sluice, hosts: [IpAddr; 2]) -> Result<()> {
    let [dut, peer] = hosts;
    let before = counted(sluice)?;
    transfer(&lab.peer, &lab.dut, (dut, STEERED).into(), FILE)?;
    transfer(&lab.dut, &lab.peer, (peer, STEERED_AWAY).into(), FILE)?;
    // The workers say what they have counted a little later.
    wait_until("Sluice has carried both files", HANG, || {
        let carried = counted(sluice).ok()? - before;
        (carried.received >= PACKETS && carried.sent >= PACKETS).then_some(())
    })
}

/// What Sluice has carried. On a busy machine the workers may take longer to say than whoever asks is kept waiting.
pub(crate) fn counted(sluice: &Sluice) -> Result<Carried> {
    wait_until("the workers say what they have counted", HANG, || {
        let stats = sluice.stats().ok().filter(Stats::has_workers)?;
        Some(stats.carried())
    })
}

pub(crate) const V4: [IpAddr; 2] = [IpAddr::V4(DUT_V4), IpAddr::V4(PEER_V4)];
const V6: [IpAddr; 2] = [IpAddr::V6(DUT_V6), IpAddr::V6(PEER_V6)];

#[test]
fn files_arrive_unchanged_both_ways_over_both_families() -> Result<()> {
    let bed = Bed::new()?;
    bed.with_sluice(|sluice| {
        both_ways(&bed.lab, sluice, V4)?;
        both_ways(&bed.lab, sluice, V6)
    })
}

/// The kernel takes IPv6 addresses away from an interface that goes down, so the policy routes go and come back: what the
/// device under test sends takes the kernel's path in between.
#[test]
fn traffic_resumes_when_the_interface_has_been_down() -> Result<()> {
    let bed = Bed::new()?;
    bed.with_sluice(|sluice| {
        let inbound = Stream::start(&bed.lab, (DUT_V4, STEERED).into(), Sender::Peer)?;
        let outbound = Stream::start(&bed.lab, (DUT_V4, STEERED + 1).into(), Sender::Dut)?;
        await_carried(sluice)?;
        bed.lab.dut.ip(&format!("link set {NIC} down"))?;
        bed.lab.dut.ip(&format!("link set {NIC} up"))?;
        await_carrier(&nics(&bed.lab))?;
        await_carried(sluice)?;
        for stream in [inbound, outbound] {
            stream.await_bytes(FILE / 2, HANG)?;
            stream.finish()?;
        }
        Ok(())
    })
}

/// Waits until Sluice carries data each way, from now on.
fn await_carried(sluice: &Sluice) -> Result<()> {
    let before = counted(sluice)?;
    wait_until("both connections go through Sluice", HANG, || {
        let carried = counted(sluice).ok()? - before;
        (carried.received > 100 && carried.sent > 100).then_some(())
    })
}

/// The kernel has the connection again, and Sluice no part in it.
#[test]
fn a_connection_goes_on_when_sluice_stops() -> Result<()> {
    let bed = Bed::new()?;
    let stream = bed.with_sluice(|_| {
        let stream = Stream::start(&bed.lab, (DUT_V4, STEERED).into(), Sender::Dut)?;
        stream.await_bytes(FILE / 2, HANG)?;
        Ok(stream)
    })?;
    let goes_on = stream.await_bytes(FILE / 2, HANG).and_then(|()| stream.finish());
    bed.explain(goes_on, None).map(drop)
}
