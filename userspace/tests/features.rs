//! `sluice features` against a real interface and a running Sluice. Needs root.
//!
//! What it says of the interface is compared with what the installed `ethtool` says.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::sys::socket::{setsockopt, sockopt};
use serde_json::{Value, json};
use sluice_lab::{
    Capture, Carried, DUT, DUT_V4, Direction, Lab, PEER_V4, Sender, Sluice, Stream, wait_until,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sluice");

/// Bounds a hang; nothing is measured against it.
const LIMIT: Duration = Duration::from_secs(60);

const STEERED: u16 = 5000;

const CONFIG: &str = r#"
mode = "host"

[[port]]
iface = "dut0"

[[rule]]
dst_port = "5000-5999"
action = "steer"
"#;

fn start(lab: &Lab) -> Result<Sluice> {
    Sluice::start(&lab.dut, Path::new(PROGRAM), CONFIG)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `sluice features` with `arguments`, on the device under test.
fn features(lab: &Lab, arguments: &[&str]) -> Result<Output> {
    Ok(lab.dut.command(PROGRAM).arg("features").args(arguments).output()?)
}

fn report(lab: &Lab, iface: &str) -> Result<Value> {
    let output = features(lab, &[iface, "--json"])?;
    ensure!(output.status.success(), "{}", text(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// `sluice features dut0 --set …` at the running process, which has to succeed; what it prints.
fn set(lab: &Lab, sluice: &Sluice, switches: &[&str]) -> Result<String> {
    let output = try_set(lab, sluice, DUT, switches)?;
    ensure!(output.status.success(), "{}{}", text(&output.stderr), sluice.log());
    Ok(text(&output.stdout))
}

fn try_set(lab: &Lab, sluice: &Sluice, iface: &str, switches: &[&str]) -> Result<Output> {
    let socket = sluice.folder().join("control");
    let socket = socket.to_str().context("the path is UTF-8")?;
    let switches = switches.iter().flat_map(|switch| ["--set", *switch]);
    let arguments: Vec<_> = [iface, "--socket", socket].into_iter().chain(switches).collect();
    features(lab, &arguments)
}

/// A line of `ethtool -k`: its name, `on` or `off`, and what stands behind.
fn ethtool(lab: &Lab, iface: &str) -> Result<BTreeMap<String, (bool, String)>> {
    let told = lab.dut.exec("ethtool", &format!("-k {iface}"))?;
    let line = |line: &str| {
        let (name, rest) = line.trim().split_once(": ")?;
        let (word, behind) = rest.split_once(' ').unwrap_or((rest, ""));
        Some((name.to_owned(), (word == "on", behind.to_owned())))
    };
    Ok(told.lines().skip(1).filter_map(line).collect())
}

/// In the words of `ethtool -k`.
fn in_words(feature: &Value) -> (bool, String) {
    let is = |key: &str| feature[key] == true;
    let behind = match (is("fixed"), is("on"), is("requested")) {
        (true, ..) => "[fixed]",
        (false, false, true) => "[requested on]",
        (false, true, false) => "[requested off]",
        _ => "",
    };
    (is("on"), behind.to_owned())
}

/// Compares every line there is; returns how many.
fn assert_as_ethtool_says(lab: &Lab, iface: &str, but: &[&str]) -> Result<usize> {
    let (oracle, report) = (ethtool(lab, iface)?, report(lab, iface)?);
    let mut compared = 0;
    for table in ["kernel", "features"] {
        for (name, feature) in report[table].as_object().context("a table")? {
            let Some(said) = oracle.get(name).filter(|_| !but.contains(&name.as_str())) else {
                continue;
            };
            let own = in_words(feature);
            assert_eq!(own.0, said.0, "{table}: {name}");
            // Of a line that is made of several features ethtool says no more than on or off.
            if !matches!(
                name.as_str(),
                "tx-checksumming" | "scatter-gather" | "tcp-segmentation-offload"
            ) {
                assert_eq!(own.1, said.1, "{table}: {name}");
            }
            compared += 1;
        }
    }
    Ok(compared)
}

#[test]
fn f1_the_interface_is_told_as_ethtool_tells_it() -> Result<()> {
    let lab = Lab::new()?;
    assert!(assert_as_ethtool_says(&lab, DUT, &[])? > 50, "all of ethtool's lines are compared");
    for change in
        ["tx on", "tso on", "gso off", "gro on", "rxvlan off", "rx-udp-gro-forwarding on", "gso on"]
    {
        lab.dut.exec("ethtool", &format!("-K {DUT} {change}"))?;
        assert_as_ethtool_says(&lab, DUT, &[])?;
    }
    // ethtool calls TSO on because AccECN, which only says how it is done, is left on.
    lab.dut.exec("ethtool", &format!("-K {DUT} sg off"))?;
    assert_as_ethtool_says(&lab, DUT, &["tcp-segmentation-offload"])?;
    let report = report(&lab, DUT)?;
    let reason = &report["features"]["tcp-segmentation-offload"]["reason"];
    assert_eq!(reason, "it needs scatter-gather");
    assert_eq!(report["features"]["generic-segmentation-offload"]["reason"], *reason);
    assert_as_ethtool_says(&lab, "lo", &[])?;
    Ok(())
}

#[test]
fn f2_hardware_and_driver_are_told_apart() -> Result<()> {
    let lab = Lab::new()?;
    lab.dut.exec("ethtool", &format!("-K {DUT} gro off"))?;
    let report = report(&lab, DUT)?;
    let column = |column: &str, name: &str| report[column][name].clone();
    assert_eq!(column("hardware", "generic-receive-offload"), true, "it can");
    assert_eq!(column("features", "generic-receive-offload")["on"], false, "it does not");
    assert_eq!(column("hardware", "large-receive-offload"), false, "a veth cannot");
    assert_eq!(column("sluice", "generic-receive-offload")["on"], true, "Sluice does");
    // What Linux' veth driver says of itself since 6.8.
    assert_eq!(report["xdp"]["reported"], true);
    assert_eq!(report["xdp"]["multi_buffer"], true);
    assert_eq!(report["xdp"]["zero_copy"], false);
    assert_eq!(report["xdp"]["zero_copy_buffers"], Value::Null);
    assert_eq!(report["xdp"]["rx_metadata"], json!(["timestamp", "hash", "vlan-tag"]));
    assert_eq!(report["size_goal"], 44 * 1460);
    Ok(())
}

#[test]
fn queues_and_their_share_of_the_packets_are_told() -> Result<()> {
    let lab = Lab::new()?;
    lab.dut.exec("ethtool", &format!("-L {DUT} rx 1"))?;
    let told = report(&lab, DUT)?;
    assert_eq!((&told["queues"], &told["queues_max"]), (&json!(1), &json!(2)));
    assert_eq!(told["rss"], Value::Null);
    let table = text(&features(&lab, &[DUT])?.stdout);
    assert!(table.contains("1, at most 2"), "{table}");
    assert!(table.contains("none: the driver has no indirection table"), "{table}");
    assert_eq!(report(&lab, "lo")?["queues_max"], Value::Null, "fixed");
    Ok(())
}

/// What went through between now and `more` bytes from now.
fn carried_meanwhile(sluice: &Sluice, stream: &Stream) -> Result<Carried> {
    // What is on its way under the old rules.
    stream.await_bytes(1 << 20, LIMIT)?;
    let before = sluice.stats()?.carried();
    stream.await_bytes(4 << 20, LIMIT)?;
    Ok(sluice.stats()?.carried() - before)
}

fn assert_sound(sluice: &Sluice, restarts: u64) -> Result<()> {
    let stats = sluice.stats()?;
    assert!(stats.ledger_intact(), "the ledger does not add up: {:#}", stats.0["workers"]);
    assert_eq!(stats.restarts(), restarts, "{}", sluice.log());
    Ok(())
}

fn stream(lab: &Lab, from: Sender) -> Result<Stream> {
    let stream = Stream::start(lab, SocketAddr::from((DUT_V4, STEERED)), from)?;
    stream.await_bytes(1 << 20, LIMIT)?;
    Ok(stream)
}

#[test]
fn f2_coalescing_is_switched_in_a_running_stream_and_no_byte_is_lost() -> Result<()> {
    let lab = Lab::new()?;
    let mut sluice = start(&lab)?;
    let stream = stream(&lab, Sender::Peer)?;
    assert!(carried_meanwhile(&sluice, &stream)?.to_host_supers > 0, "this test must see trains");
    for _ in 0..3 {
        let told = set(&lab, &sluice, &["generic-receive-offload=off"])?;
        assert_eq!(
            told.lines().collect::<Vec<_>>(),
            [
                "generic-receive-offload turned off",
                "rx-udp-gro-forwarding turned off too: it needs generic-receive-offload",
            ]
        );
        let off = carried_meanwhile(&sluice, &stream)?;
        assert_eq!((off.to_host_supers, off.to_host), (0, off.received), "trains of one: {off:?}");
        let told = set(&lab, &sluice, &["generic-receive-offload=on"])?;
        assert_eq!(
            told.lines().collect::<Vec<_>>(),
            ["generic-receive-offload turned on", "rx-udp-gro-forwarding turned on again"]
        );
        let on = carried_meanwhile(&sluice, &stream)?;
        assert!(on.to_host_supers > 0, "merged again: {on:?}");
    }
    assert!(stream.finish()? > 0);
    assert_sound(&sluice, 0)?;
    sluice.stop()
}

#[test]
fn f2_what_is_not_verified_is_not_merged_and_arrives_all_the_same() -> Result<()> {
    let lab = Lab::new()?;
    let mut sluice = start(&lab)?;
    let stream = stream(&lab, Sender::Peer)?;
    let told = set(&lab, &sluice, &["rx-checksumming=off"])?;
    assert!(
        told.contains("generic-receive-offload turned off too: it needs rx-checksumming"),
        "{told}"
    );
    assert_eq!(carried_meanwhile(&sluice, &stream)?.to_host_supers, 0);
    let shown = sluice.stats()?.0["features"]["generic-receive-offload"].clone();
    let lacking = json!({ "on": false, "requested": true, "fixed": false, "reason": "it needs rx-checksumming" });
    assert_eq!(shown, lacking);
    // A wish that cannot be met yet is kept.
    let told = set(&lab, &sluice, &["generic-receive-offload=on"])?;
    assert_eq!(told.trim(), "generic-receive-offload asked for, and off: it needs rx-checksumming");
    set(&lab, &sluice, &["rx-checksumming=on"])?;
    assert!(carried_meanwhile(&sluice, &stream)?.to_host_supers > 0);
    stream.finish()?;
    sluice.stop()
}

/// The largest packet the kernel sends into the TUN device while the stream goes on.
fn largest_from_host(lab: &Lab, stream: &Stream) -> Result<usize> {
    // What waits in the device's queue was sent before.
    stream.await_bytes(1 << 20, LIMIT)?;
    let capture = Capture::open(&lab.dut, "sluice0")?;
    stream.await_bytes(4 << 20, LIMIT)?;
    let (mut largest, mut seen, mut buffer) = (0, 0, [0; 64]);
    while let (Some(packet), true) = (capture.next(&mut buffer)?, seen < 1000) {
        if packet.direction == Direction::Out {
            (largest, seen) = (largest.max(packet.len), seen + 1);
        }
    }
    ensure!(seen > 0, "nothing was seen");
    Ok(largest)
}

#[test]
fn f2_super_packets_of_the_kernel_are_switched_in_a_running_stream() -> Result<()> {
    let lab = Lab::new()?;
    let mut sluice = start(&lab)?;
    let stream = stream(&lab, Sender::Dut)?;
    let on = carried_meanwhile(&sluice, &stream)?;
    assert!(on.from_host_supers > 0, "this test must see super-packets: {on:?}");
    let told = set(&lab, &sluice, &["tcp-segmentation-offload=off"])?;
    assert_eq!(told.trim(), "tcp-segmentation-offload turned off");
    let off = carried_meanwhile(&sluice, &stream)?;
    assert_eq!(off.from_host_supers, 0, "the kernel cuts: {off:?}");
    let shown = ethtool_of_tun(&lab)?;
    assert!(!shown["tx-tcp-segmentation"].0 && shown["tx-checksum-ip-generic"].0, "{shown:?}");
    set(&lab, &sluice, &["tcp-segmentation-offload=on"])?;
    assert!(largest_from_host(&lab, &stream)? > 20_000);
    // Without checksums neither kind.
    let told = set(&lab, &sluice, &["tx-checksumming=off"])?;
    assert_eq!(
        told.lines().collect::<Vec<_>>(),
        [
            "tx-checksumming turned off",
            "tcp-segmentation-offload turned off too: it needs tx-checksumming",
            "tx-udp-segmentation turned off too: it needs tx-checksumming",
        ]
    );
    assert_eq!(carried_meanwhile(&sluice, &stream)?.from_host_supers, 0);
    set(&lab, &sluice, &["tx-checksumming=on"])?;
    stream.finish()?;
    assert_sound(&sluice, 0)?;
    sluice.stop()
}

/// Sends 100 datagrams of 1,000 bytes, ten in one call, and waits until all of them are there; how many
/// packets Sluice took from the kernel, and how many of them were super-packets.
fn send_datagrams(sluice: &Sluice, from: &UdpSocket, to: &UdpSocket) -> Result<(u64, u64)> {
    let before = sluice.stats()?.carried();
    let address = SocketAddr::from((PEER_V4, to.local_addr()?.port()));
    for _ in 0..10 {
        from.send_to(&[7; 10_000], address)?;
        for _ in 0..10 {
            ensure!(to.recv(&mut [0; 2_000])? == 1_000, "a datagram of another size");
        }
    }
    let carried = wait_until("what was sent is counted", LIMIT, || {
        let carried = sluice.stats().ok()?.carried() - before;
        (carried.sent >= 100).then_some(carried)
    })?;
    Ok((carried.from_host, carried.from_host_supers))
}

#[test]
fn f2_udp_super_packets_of_the_kernel_are_switched() -> Result<()> {
    let lab = Lab::new()?;
    let mut sluice = start(&lab)?;
    let from = lab.dut.run(|| UdpSocket::bind((DUT_V4, STEERED)))?;
    let to = lab.peer.run(|| UdpSocket::bind((PEER_V4, 0)))?;
    to.set_read_timeout(Some(LIMIT))?;
    setsockopt(&from, sockopt::UdpGsoSegment, &1_000)?;
    // The first ones ask for the neighbour, and take the kernel's own path.
    let address = (PEER_V4, to.local_addr()?.port());
    wait_until("the neighbour is known", LIMIT, || {
        let there = from.send_to(&[7; 1_000], address).and_then(|_| to.recv(&mut [0; 2_000]));
        there.ok().and_then(|_| sluice.stats().ok()).filter(|stats| stats.carried().sent > 0)
    })?;
    assert_eq!(send_datagrams(&sluice, &from, &to)?, (10, 10), "ten datagrams in one");
    set(&lab, &sluice, &["tx-udp-segmentation=off"])?;
    assert_eq!(send_datagrams(&sluice, &from, &to)?, (100, 0), "the kernel cuts");
    set(&lab, &sluice, &["tx-udp-segmentation=on"])?;
    assert_eq!(send_datagrams(&sluice, &from, &to)?, (10, 10));
    assert_sound(&sluice, 0)?;
    sluice.stop()
}

fn ethtool_of_tun(lab: &Lab) -> Result<BTreeMap<String, (bool, String)>> {
    ethtool(lab, "sluice0")
}

#[test]
fn s16_the_kernel_is_told_how_many_segments_a_small_ring_takes() -> Result<()> {
    let lab = Lab::new()?;
    let config = CONFIG.replace("iface = \"dut0\"", "iface = \"dut0\"\nring = 64\nframes = 128");
    let mut sluice = Sluice::start(&lab.dut, Path::new(PROGRAM), &config)?;
    let shown = lab.dut.ip("-details link show sluice0")?;
    assert!(shown.contains("gso_max_segs 32 "), "{shown}");
    let stream = stream(&lab, Sender::Dut)?;
    assert!(carried_meanwhile(&sluice, &stream)?.from_host_supers > 0);
    stream.finish()?;
    assert_eq!(sluice.stats()?.drops()["too_many_segments"], 0);
    sluice.stop()
}

#[test]
fn a_restarted_data_plane_comes_up_with_what_was_set_and_a_new_start_with_the_configuration()
-> Result<()> {
    let lab = Lab::new()?;
    let mut sluice = start(&lab)?;
    set(&lab, &sluice, &["generic-receive-offload=off", "tcp-segmentation-offload=off"])?;
    kill(sluice.data_plane()?, Signal::SIGKILL)?;
    wait_until("the data plane is started again", LIMIT, || {
        sluice.stats().ok().filter(|stats| stats.restarts() == 1 && stats.running()).map(drop)
    })?;
    let state = |sluice: &Sluice, name: &str| {
        Ok::<_, anyhow::Error>(sluice.stats()?.0["features"][name]["on"].clone())
    };
    assert_eq!(state(&sluice, "generic-receive-offload")?, false);
    assert!(!ethtool_of_tun(&lab)?["tx-tcp-segmentation"].0, "the new TUN device too");
    let receiving = stream(&lab, Sender::Peer)?;
    assert_eq!(carried_meanwhile(&sluice, &receiving)?.to_host_supers, 0);
    receiving.finish()?;
    assert_sound(&sluice, 1)?;
    sluice.stop()?;
    sluice.restart(&lab.dut)?;
    assert_eq!(state(&sluice, "generic-receive-offload")?, true);
    assert!(ethtool_of_tun(&lab)?["tx-tcp-segmentation"].0);
    sluice.stop()
}

/// Kills the data plane until the supervisor is seen waiting to start another: it waits twice as long each
/// time, so that sooner or later somebody who asks comes in between.
fn take_away(sluice: &Sluice) -> Result<()> {
    for _ in 0..8 {
        let before = sluice.stats()?.restarts();
        kill(sluice.data_plane()?, Signal::SIGKILL)?;
        let stats = wait_until("the supervisor has noticed", LIMIT, || {
            sluice.stats().ok().filter(|stats| !stats.running() || stats.restarts() > before)
        })?;
        if !stats.running() {
            return Ok(());
        }
    }
    anyhow::bail!("it was back at once, eight times")
}

#[test]
fn what_is_set_while_the_data_plane_is_away_is_in_force_once_it_is_there() -> Result<()> {
    let lab = Lab::new()?;
    let mut sluice = start(&lab)?;
    take_away(&sluice)?;
    let told = set(&lab, &sluice, &["tcp-segmentation-offload=off"])?;
    assert!(told.starts_with("tcp-segmentation-offload turned off"), "{told}");
    wait_until("the data plane is there again", LIMIT, || {
        sluice.stats().ok().filter(sluice_lab::Stats::running).map(drop)
    })?;
    assert!(!ethtool_of_tun(&lab)?["tx-tcp-segmentation"].0);
    sluice.stop()
}

#[test]
fn a_stopped_data_plane_does_not_keep_the_asker_waiting() -> Result<()> {
    let lab = Lab::new()?;
    let mut sluice = start(&lab)?;
    let data_plane = sluice.data_plane()?;
    kill(data_plane, Signal::SIGSTOP)?;
    let told = set(&lab, &sluice, &["generic-receive-offload=off"])?;
    assert!(told.contains("in force as soon as it is"), "{told}");
    // The supervisor kills one that hangs, and starts another.
    wait_until("another data plane runs", LIMIT, || {
        sluice.stats().ok().filter(|stats| stats.restarts() == 1 && stats.running()).map(drop)
    })?;
    let on = &sluice.stats()?.0["features"]["generic-receive-offload"]["on"];
    assert_eq!(*on, false);
    sluice.stop()
}

#[test]
fn the_running_process_is_told_from_the_defaults() -> Result<()> {
    let lab = Lab::new()?;
    let mut sluice = start(&lab)?;
    set(&lab, &sluice, &["generic-receive-offload=off"])?;
    let socket = sluice.folder().join("control");
    let shown = |iface: &str, socket: &Path| -> Result<Value> {
        let socket = socket.to_str().context("the path is UTF-8")?;
        Ok(serde_json::from_slice(&features(&lab, &[iface, "--json", "--socket", socket])?.stdout)?)
    };
    let running = shown(DUT, &socket)?;
    assert_eq!(
        (&running["sluice_from"], &running["sluice_note"]),
        (&json!("running"), &Value::Null)
    );
    assert_eq!(running["sluice"]["generic-receive-offload"]["on"], false);
    let other = shown("lo", &socket)?;
    assert_eq!(other["sluice_from"], "defaults");
    assert_eq!(other["sluice_note"], format!("the running process serves {DUT}"));
    assert_eq!(other["sluice"]["generic-receive-offload"]["on"], true);
    let nobody = shown(DUT, Path::new("/nonexistent/control.sock"))?;
    assert!(nobody["sluice_note"].as_str().is_some_and(|note| note.contains("nobody answers")));
    sluice.stop()
}

#[test]
fn it_shows_everything_without_root() -> Result<()> {
    let lab = Lab::new()?;
    // Where somebody else can read it.
    let folder = tempfile::tempdir()?;
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let program = folder.path().join("sluice");
    std::fs::copy(PROGRAM, &program)?;
    let arguments = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];
    let mut nobody = lab.dut.command("setpriv");
    let output = nobody.args(arguments).arg(&program).args(["features", DUT, "--json"]).output()?;
    ensure!(output.status.success(), "{}", text(&output.stderr));
    let (unprivileged, root): (Value, Value) =
        (serde_json::from_slice(&output.stdout)?, report(&lab, DUT)?);
    for table in ["hardware", "features", "kernel", "xdp", "sluice"] {
        assert_eq!(unprivileged[table], root[table], "{table}");
    }
    Ok(())
}

#[track_caller]
fn assert_refused(output: &Output, code: i32, parts: &[&str]) {
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{message}");
    for part in parts {
        assert!(message.contains(part), "no {part:?} in {message}");
    }
}

#[test]
fn f2_what_cannot_be_switched_is_refused_with_the_reason() -> Result<()> {
    let lab = Lab::new()?;
    let mut sluice = start(&lab)?;
    let refused = |iface: &str, switches: &[&str]| try_set(&lab, &sluice, iface, switches);
    let fixed = refused(DUT, &["generic-receive-offload=off", "scatter-gather=off"])?;
    assert_refused(
        &fixed,
        1,
        &["scatter-gather cannot be changed", "fixed on", "nothing was changed"],
    );
    let on = &sluice.stats()?.0["features"]["generic-receive-offload"]["on"];
    assert_eq!(*on, true, "all or nothing");
    let foreign = refused(DUT, &["rx-vlan-offload=off"])?;
    assert_refused(&foreign, 1, &["`ethtool -K dut0 rx-vlan-offload"]);
    let other = refused("lo", &["generic-receive-offload=off"])?;
    assert_refused(&other, 1, &["lo is not served", "serves dut0"]);
    let same = refused(DUT, &["scatter-gather=on", "generic-receive-offload=on"])?;
    assert_eq!(same.status.code(), Some(0));
    let told = text(&same.stdout);
    assert_eq!(told, "scatter-gather is on already\ngeneric-receive-offload is on already\n");
    let document = try_set(&lab, &sluice, DUT, &["generic-receive-offload=off"])?;
    assert_eq!(document.status.code(), Some(0));
    sluice.stop()
}

#[test]
fn wrong_usage_and_nobody_to_ask_have_their_exit_codes() -> Result<()> {
    let lab = Lab::new()?;
    let refused = |switch: &str| features(&lab, &[DUT, "--set", switch]);
    assert_refused(
        &refused("generic-recieve-offload=on")?,
        2,
        &["did you mean \"generic-receive-offload\"?"],
    );
    assert_refused(&refused("gro=on")?, 2, &["no feature \"gro\"", "lists them"]);
    assert_refused(&refused("generic-receive-offload")?, 2, &["NAME=on or NAME=off"]);
    assert_refused(&refused("generic-receive-offload=maybe")?, 2, &["not \"maybe\""]);
    let nobody = ["--socket", "/nonexistent/control.sock"];
    let output =
        features(&lab, &[DUT, "--set", "generic-receive-offload=on", nobody[0], nobody[1]])?;
    assert_refused(&output, 1, &["/nonexistent/control.sock", "is `sluice run` running"]);
    Ok(())
}

#[test]
fn partial_checksums_keep_verification_on() -> Result<()> {
    let lab = Lab::new()?;
    let config = format!("{CONFIG}\n[offload]\nrx_checksum = \"partial\"\ngro = false\n");
    let mut sluice = Sluice::start(&lab.dut, Path::new(PROGRAM), &config)?;
    let output = try_set(&lab, &sluice, DUT, &["rx-checksumming=off"])?;
    assert_refused(&output, 1, &["rx-checksumming cannot be changed", "fixed on"]);
    let features = &sluice.stats()?.0["features"];
    assert_eq!(features["generic-receive-offload"]["requested"], false, "as configured");
    sluice.stop()
}
