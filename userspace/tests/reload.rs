//! `sluice reload` and SIGHUP while packets flow. Needs root.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use serde_json::Value;
use sluice_lab::{
    A_V4, B, B_V4, Capture, DUT_V4, Datagrams, Direction, Fared, Lab, Pace, Sluice, WireLab,
    wait_until,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sluice");

/// Longest time a condition may take to come true; it is much shorter on an idle machine.
const LIMIT: Duration = Duration::from_secs(60);

const HOST: &str = r#"
[[port]]
iface = "dut0"

[[rule]]
proto = "udp"
dst_port = 5000
action = "steer"
"#;

const WIRE: &str = r#"
mode = "wire"

[[port]]
iface = "left0"

[[port]]
iface = "right0"

[[rule]]
proto = "udp"
dst_port = 5000
action = "steer"
"#;

/// Slow enough for a debug build on a busy machine, quick enough that every change meets packets.
const PACE: Pace = Pace { flows: 4, per_second: 2_000, size: 200 };

fn on_wire(lab: &WireLab, config: &str) -> Result<Sluice> {
    Sluice::start(&lab.dut, Path::new(PROGRAM), config)
}

fn on_host(lab: &Lab, config: &str) -> Result<Sluice> {
    Sluice::start(&lab.dut, Path::new(PROGRAM), config)
}

fn reload(sluice: &Sluice, more: &[&str]) -> Result<Output> {
    let socket = sluice.folder().join("control");
    Ok(Command::new(PROGRAM).args(["reload", "--socket"]).arg(socket).args(more).output()?)
}

/// Writes `config` and has it taken over; what `sluice reload` prints.
fn change(sluice: &Sluice, config: &str) -> Result<String> {
    sluice.configure(config)?;
    sluice.reload().with_context(|| sluice.log())
}

fn rules(sluice: &Sluice) -> Result<Vec<String>> {
    let stats = sluice.stats()?;
    let rules = stats.0["rules"].as_array().context("rules")?.iter();
    Ok(rules.map(|rule| format!("{} {}", rule["action"], rule["rule"]).replace('"', "")).collect())
}

fn await_restart(sluice: &Sluice) -> Result<()> {
    wait_until("another data plane runs", LIMIT, || {
        let stats = sluice.stats().ok()?;
        (stats.running() && stats.restarts() == 1).then_some(())
    })
}

fn assert_all_arrived(fared: &[Fared]) {
    assert!(fared.iter().any(|flow| flow.sent > 0));
    for Fared { sent, received, lost, duplicated, .. } in fared {
        assert_eq!((received, lost, duplicated), (sent, &0, &0));
    }
}

/// Has the rules changed back and forth, in ways that matter for what arrives meanwhile.
fn change_rules_under(load: Datagrams, sluice: &Sluice, config: &str) -> Result<()> {
    load.await_arrivals(200, LIMIT)?;
    let passed = config.replace("action = \"steer\"", "action = \"pass\"");
    let more = format!("{passed}\n[[rule]]\nsrc = \"203.0.113.0/24\"\naction = \"drop\"\n");
    for round in 0..4 {
        for config in [&passed, &more, config] {
            let said = change(sluice, config)?;
            assert!(said.contains("sluice.toml: changed: rule"), "{said}");
            load.await_arrivals(100, LIMIT).with_context(|| format!("in round {round}"))?;
        }
        assert_eq!(rules(sluice)?, ["steer proto udp dst_port 5000"]);
    }
    assert_all_arrived(&load.finish()?);
    Ok(())
}

#[test]
fn rules_change_under_traffic_and_no_packet_is_lost() -> Result<()> {
    let wire = WireLab::new()?;
    let mut sluice = on_wire(&wire, WIRE)?;
    let load = Datagrams::start(&wire.a, &wire.b, SocketAddr::new(B_V4.into(), 5000), PACE)?;
    change_rules_under(load, &sluice, WIRE)?;
    let steered = sluice.stats()?.verdict("steered");
    assert!(steered > 100, "{steered} were steered");
    sluice.stop()?;
    let lab = Lab::new()?;
    let mut sluice = on_host(&lab, HOST)?;
    let load = Datagrams::start(&lab.peer, &lab.dut, SocketAddr::new(DUT_V4.into(), 5000), PACE)?;
    change_rules_under(load, &sluice, HOST)?;
    assert!(sluice.stats()?.verdict("steered") > 100);
    sluice.stop()
}

#[test]
fn a_wrong_file_changes_nothing_and_is_told() -> Result<()> {
    let lab = WireLab::new()?;
    let mut sluice = on_wire(&lab, WIRE)?;
    // As it stands, since the line is told.
    let wrong = WIRE.replace("\"steer\"", "\"stear\"");
    fs::write(sluice.folder().join("sluice.toml"), wrong)?;
    let output = reload(&sluice, &[])?;
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{message}");
    for part in ["sluice.toml:13: rule[0].action", "did you mean \"steer\"?", "nothing was changed"]
    {
        assert!(message.contains(part), "no {part:?} in {message}");
    }
    let output = reload(&sluice, &["--json"])?;
    assert_eq!(output.status.code(), Some(2));
    let report: Value = serde_json::from_slice(&output.stdout)?;
    assert!(report["wrong"].as_str().is_some_and(|wrong| wrong.contains("stear")), "{report}");
    sluice.supervisor().signal(Signal::SIGHUP)?;
    wait_until("the log tells of it", LIMIT, || {
        (sluice.log().matches("did you mean").count() == 3).then_some(())
    })?;
    fs::remove_file(sluice.folder().join("sluice.toml"))?;
    assert_eq!(reload(&sluice, &[])?.status.code(), Some(2), "a file that is gone is wrong, too");
    assert_eq!(rules(&sluice)?, ["steer proto udp dst_port 5000"]);
    assert!(sluice.stats()?.running());
    sluice.stop()
}

#[test]
fn what_cannot_change_is_refused_as_a_whole_with_its_keys() -> Result<()> {
    let lab = WireLab::new()?;
    let mut sluice = on_wire(&lab, WIRE)?;
    let data_plane = sluice.data_plane()?;
    let new = WIRE.replace("\"steer\"", "\"pass\"").replace("\"right0\"", "\"right0\"\nring = 64");
    sluice.configure(&format!("{new}\n[worker]\nidle = \"spin\"\n"))?;
    let output = reload(&sluice, &[])?;
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("port[1].ring, worker.idle; nothing was changed"), "{message}");
    let report: Value = serde_json::from_slice(&reload(&sluice, &["--json"])?.stdout)?;
    assert_eq!(report["refused"], serde_json::json!(["port[1].ring", "worker.idle"]));
    assert_eq!(rules(&sluice)?, ["steer proto udp dst_port 5000"]);
    assert_eq!(sluice.data_plane()?, data_plane);
    sluice.stop()
}

#[test]
fn sighup_reloads_and_does_not_end_it() -> Result<()> {
    let lab = WireLab::new()?;
    let mut sluice = on_wire(&lab, WIRE)?;
    for action in ["pass", "drop"] {
        sluice.configure(&WIRE.replace("\"steer\"", &format!("\"{action}\"")))?;
        sluice.supervisor().signal(Signal::SIGHUP)?;
        let wanted = format!("{action} proto udp dst_port 5000");
        let is_there = || rules(&sluice).is_ok_and(|rules| rules == [wanted.as_str()]);
        wait_until("the rule is there", LIMIT, || is_there().then_some(()))?;
    }
    // The data plane gets it where a whole service is signalled.
    kill(sluice.data_plane()?, Signal::SIGHUP)?;
    assert_eq!(change(&sluice, WIRE)?.trim().rsplit_once(": ").map(|said| said.1), Some("rule"));
    assert_eq!(sluice.stats()?.restarts(), 0);
    assert!(change(&sluice, WIRE)?.contains("nothing has changed"));
    sluice.stop()
}

#[test]
fn policy_routes_follow_the_rules() -> Result<()> {
    let lab = Lab::new()?;
    let mut sluice = on_host(&lab, HOST)?;
    let routed = |port: &str| {
        let told = lab.dut.ip("-4 rule show").unwrap_or_default();
        told.lines().filter(|line| line.contains(&format!("sport {port}"))).count()
    };
    assert_eq!((routed("5000"), routed("6000")), (1, 0));
    change(&sluice, &HOST.replace("5000", "6000"))?;
    wait_until("the routes follow", LIMIT, || {
        (routed("5000") == 0 && routed("6000") == 1).then_some(())
    })?;
    // What a killed one leaves is what the journal has.
    sluice.supervisor().signal(Signal::SIGKILL)?;
    sluice.supervisor().wait(LIMIT)?;
    assert_eq!(routed("6000"), 1, "what is to be cleaned up");
    sluice.restart(&lab.dut)?;
    assert_eq!(routed("6000"), 1);
    sluice.stop()?;
    assert_eq!(routed("5000") + routed("6000"), 0);
    Ok(())
}

#[test]
fn switches_of_the_file_are_in_force_and_stay_over_a_restart() -> Result<()> {
    let lab = WireLab::new()?;
    let mut sluice = on_wire(&lab, WIRE)?;
    let is_on = |sluice: &Sluice, feature: &str| -> Result<bool> {
        Ok(sluice.stats()?.0["features"][feature]["on"] == true)
    };
    change(&sluice, &format!("{WIRE}\n[offload]\ngro = false\n"))?;
    assert!(!is_on(&sluice, "generic-receive-offload")?);
    let load = Datagrams::start(&lab.a, &lab.b, SocketAddr::new(B_V4.into(), 5000), PACE)?;
    load.await_arrivals(500, LIMIT)?;
    assert_all_arrived(&load.finish()?);
    let releases = sluice.stats()?.releases();
    assert!(releases["disabled"] >= 500, "{releases:?}");
    kill(sluice.data_plane()?, Signal::SIGKILL)?;
    await_restart(&sluice)?;
    assert!(!is_on(&sluice, "generic-receive-offload")?);
    change(&sluice, WIRE)?;
    assert!(is_on(&sluice, "generic-receive-offload")?);
    sluice.stop()
}

/// A source address of the stage's on what arrives.
fn source_on_arrival(lab: &WireLab, mac: [u8; 6]) -> Result<()> {
    let capture = Capture::open(&lab.b, B)?;
    let load = Datagrams::start(&lab.a, &lab.b, SocketAddr::new(B_V4.into(), 5000), PACE)?;
    let mut buffer = [0; 2048];
    wait_until("a packet of the stage's arrives", LIMIT, || {
        let seen = capture.next(&mut buffer).ok().flatten()?;
        (seen.direction == Direction::In && seen.bytes[6..12] == mac).then_some(())
    })?;
    assert_all_arrived(&load.finish()?);
    Ok(())
}

#[test]
fn another_stage_is_taken_over_by_running_workers_and_by_later_ones() -> Result<()> {
    let lab = WireLab::new()?;
    let mut sluice = on_wire(&lab, WIRE)?;
    let stage = |last: u8| {
        format!(
            "{WIRE}\n[stage]\nkind = \"rewrite\"\n[[stage.rewrite]]\nout = \"right0\"\n\
             src_mac = \"02:00:00:00:00:0{last}\"\n"
        )
    };
    assert!(change(&sluice, &stage(7))?.contains("changed: stage"));
    source_on_arrival(&lab, [2, 0, 0, 0, 0, 7])?;
    // One that does not listen takes it over when it does.
    let data_plane = sluice.data_plane()?;
    kill(data_plane, Signal::SIGSTOP)?;
    assert!(change(&sluice, &stage(8))?.contains("the data plane is not running now"));
    kill(data_plane, Signal::SIGCONT)?;
    source_on_arrival(&lab, [2, 0, 0, 0, 0, 8])?;
    kill(data_plane, Signal::SIGKILL)?;
    // One that has just been started opens its ports with the file as it was before. Its state would tell so for too
    // short a time to be sure to be asked for within it.
    wait_until("another one is started", LIMIT, || {
        sluice.data_plane().ok().filter(|new| *new != data_plane).map(drop)
    })?;
    change(&sluice, &stage(9))?;
    await_restart(&sluice)?;
    source_on_arrival(&lab, [2, 0, 0, 0, 0, 9]).context("after a restart")?;
    sluice.stop()
}

#[test]
fn links_are_mirrored_from_then_on() -> Result<()> {
    let lab = WireLab::new()?;
    let mut sluice = on_wire(&lab, WIRE)?;
    change(&sluice, &format!("{WIRE}\n[wire]\nlink = \"mirror\"\n"))?;
    let told = || lab.b.ip("link show b0").unwrap_or_default();
    lab.a.ip("link set a0 down")?;
    wait_until("it is mirrored", LIMIT, || told().contains("NO-CARRIER").then_some(()))?;
    // What is held down is given back with that.
    change(&sluice, WIRE)?;
    wait_until("and given back", LIMIT, || told().contains("LOWER_UP").then_some(()))?;
    lab.a.ip("link set a0 up")?;
    let near: IpAddr = A_V4.into();
    lab.b.exec("ping", &format!("-c 3 -i 0.2 -W 5 {near}"))?;
    sluice.stop()
}
