//! What no sane host sends does no harm.

use anyhow::Result;
use etherparse::PacketBuilder;
use nix::errno::Errno;
use sluice_lab::{
    Capture, DUT, DUT_V4, DUT_V6, Lab, Namespace, PEER, PEER_V4, PEER_V6, Sender, Stats, Stream,
    wait_until,
};

use crate::bed::{LIMIT, STEERED, STEERED_TOO, alone, assert_sound, start};

const PACKETS: usize = 100_000;

/// Length of an Ethernet header: a packet socket sends nothing shorter.
const LINK: usize = 14;

#[test]
fn a_hundred_thousand_malformed_packets_do_no_harm_and_are_counted() -> Result<()> {
    let _alone = alone();
    let lab = Lab::new()?;
    let sluice = start(&lab)?;
    let inbound = Stream::start(&lab, (DUT_V4, STEERED).into(), Sender::Peer)?;
    let outbound = Stream::start(&lab, (DUT_V6, STEERED_TOO).into(), Sender::Dut)?;
    for stream in [&inbound, &outbound] {
        stream.await_bytes(1 << 20, LIMIT)?;
    }

    let data_plane = sluice.data_plane()?;
    let before = counted(&lab, &sluice)?;
    inject(&lab)?;
    wait_until("every malformed packet is counted", LIMIT, || {
        (counted(&lab, &sluice).ok()? >= before + PACKETS as u64).then_some(())
    })?;

    // Workers that a busy machine keeps waiting are reported as stalled for a while, and say nothing.
    let stats = wait_until("the workers say what they have counted", LIMIT, || {
        sluice.stats().ok().filter(Stats::has_workers)
    })?;
    assert!(stats.verdict("malformed") > 1000, "{:?}", stats.verdicts());
    for reason in ["bad_checksum", "bad_ip_checksum"] {
        assert!(stats.releases().get(reason) > Some(&100), "{reason}: {:?}", stats.releases());
    }
    for stream in [inbound, outbound] {
        stream.await_bytes(4 << 20, LIMIT)?;
        stream.finish()?;
    }
    assert_eq!(sluice.data_plane()?, data_plane, "the data plane ended: {}", sluice.log());
    assert_sound(&sluice)
}

/// Packets the XDP program has seen, and those the interface had no room for before it.
fn counted(lab: &Lab, sluice: &sluice_lab::Sluice) -> Result<u64> {
    let seen: u64 = sluice.stats()?.verdicts().values().sum();
    Ok(seen + no_room(&lab.dut, DUT)? + no_room(&lab.peer, PEER)?)
}

fn no_room(host: &Namespace, link: &str) -> Result<u64> {
    let told = host.ip(&format!("-s -j link show {link}"))?;
    let told: serde_json::Value = serde_json::from_str(&told)?;
    let statistics = &told[0]["stats64"];
    let count = |way: &str| statistics[way]["dropped"].as_u64().unwrap_or(0);
    Ok(count("rx") + count("tx"))
}

/// Sends every malformed packet there is, over and over, until there are enough.
fn inject(lab: &Lab) -> Result<()> {
    let packets = malformed(lab)?;
    let sender = Capture::open(&lab.peer, PEER)?;
    for packet in packets.iter().cycle().take(PACKETS) {
        // The queue of the interface is full for a moment.
        while let Err(error) = sender.inject(packet) {
            anyhow::ensure!(matches!(error, Errno::ENOBUFS | Errno::EAGAIN), "{error}");
            std::thread::yield_now();
        }
    }
    Ok(())
}

fn malformed(lab: &Lab) -> Result<Vec<Vec<u8>>> {
    let mut packets = Vec::new();
    for base in [ipv4(lab)?, ipv6(lab)?] {
        packets.extend((LINK..base.len()).map(|len| base[..len].to_vec()));
        packets.extend(every_byte_of_the_headers_changed(&base));
        packets.extend(tagged(&base));
    }
    Ok(packets)
}

/// Lengths, offsets, versions, checksums, flags and options that lie: each byte of the headers becomes each of
/// a few values. (Not all result in packets that are malformed; those that are not are out of window.)
fn every_byte_of_the_headers_changed(base: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let headers = LINK + 2..base.len().min(LINK + 72);
    let values = |old: u8| [0, 1, 0x7f, 0x80, 0xff, !old, old ^ 1, old.wrapping_add(1)];
    headers.flat_map(move |offset| {
        values(base[offset]).into_iter().filter(move |value| *value != base[offset]).map(
            move |value| {
                let mut packet = base.to_vec();
                packet[offset] = value;
                packet
            },
        )
    })
}

/// More VLAN tags than anybody follows, and a tag with nothing behind it.
fn tagged(base: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let tag = [0x81, 0x00, 0x00, 0x05];
    let many = [&base[..12], &tag.repeat(9), &base[12..]].concat();
    let cut = [&base[..12], &tag].concat();
    [many, cut].into_iter()
}

/// A sound packet to the steered port, in no window of any connection.
fn ipv4(lab: &Lab) -> Result<Vec<u8>> {
    let (source, target) = links(lab)?;
    let builder = PacketBuilder::ethernet2(source, target)
        .ipv4(PEER_V4.octets(), DUT_V4.octets(), 64)
        .tcp(40_000, STEERED, 1, 512)
        .ack(1);
    let mut packet = Vec::new();
    builder.write(&mut packet, &[0x55; 64])?;
    Ok(packet)
}

fn ipv6(lab: &Lab) -> Result<Vec<u8>> {
    let (source, target) = links(lab)?;
    let builder = PacketBuilder::ethernet2(source, target)
        .ipv6(PEER_V6.octets(), DUT_V6.octets(), 64)
        .tcp(40_000, STEERED, 1, 512)
        .ack(1);
    let mut packet = Vec::new();
    builder.write(&mut packet, &[0x55; 64])?;
    Ok(packet)
}

fn links(lab: &Lab) -> Result<([u8; 6], [u8; 6])> {
    Ok((mac(&lab.peer, PEER)?, mac(&lab.dut, DUT)?))
}

fn mac(host: &Namespace, link: &str) -> Result<[u8; 6]> {
    let told = host.ip(&format!("-j link show {link}"))?;
    let told: serde_json::Value = serde_json::from_str(&told)?;
    let text = told[0]["address"].as_str().unwrap_or_default();
    let bytes: Result<Vec<u8>, _> =
        text.split(':').map(|byte| u8::from_str_radix(byte, 16)).collect();
    bytes?.try_into().map_err(|_| anyhow::anyhow!("{text} is no address of an Ethernet link"))
}
