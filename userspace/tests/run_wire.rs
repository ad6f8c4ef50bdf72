//! `sluice run` in wire mode against a real kernel: starting, failing, being killed, what it does meanwhile, and
//! what it leaves behind. Needs root.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use serde_json::Value;
use sluice_common::testing::Packet;
use sluice_common::wire::EtherType;
use sluice_lab::{
    B_V4, B_V6, Capture, Direction, LEFT, Namespace, RIGHT, Sluice, Stats, Stream, WireLab,
    WireWiring, connect, transfer, wait_until,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sluice");

/// Longest time a condition may take to come true; it is much shorter on an idle machine.
const LIMIT: Duration = Duration::from_secs(60);

const CONFIG: &str = r#"
mode = "wire"

[[port]]
iface = "left0"

[[port]]
iface = "right0"

[[rule]]
dst_port = "5000-5999"
action = "steer"

[[rule]]
src_port = "5000-5999"
action = "steer"
"#;

/// `b`, as `a` reaches it.
const ADDRESSES: [SocketAddr; 2] = [
    SocketAddr::new(std::net::IpAddr::V4(B_V4), 5000),
    SocketAddr::new(std::net::IpAddr::V6(B_V6), 5000),
];

fn start(lab: &WireLab) -> Result<Sluice> {
    start_with(lab, CONFIG)
}

fn start_with(lab: &WireLab, config: &str) -> Result<Sluice> {
    Sluice::start(&lab.dut, Path::new(PROGRAM), config)
}

/// Asserts that `config` is refused with exit code 1 and a message that has all of `parts`.
#[track_caller]
fn assert_fails(lab: &WireLab, config: &str, parts: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display();
    let control = format!("[control]\nsocket = \"{path}/control\"\nstate_dir = \"{path}/state\"\n");
    let file = folder.path().join("sluice.toml");
    fs::write(&file, format!("{config}\n{control}")).unwrap();
    let run = lab.dut.command(PROGRAM).args(["run", "--config"]).arg(file).output().unwrap();
    let message = String::from_utf8_lossy(&run.stderr);
    assert_eq!(run.status.code(), Some(1), "{message}");
    for part in parts {
        assert!(message.contains(part), "no {part:?} in {message}");
    }
    assert_nothing_left(lab, folder.path());
}

/// Asserts that the interfaces are as they were, and neither journal nor socket is left.
#[track_caller]
fn assert_nothing_left(lab: &WireLab, folder: &Path) {
    for port in [LEFT, RIGHT] {
        let told = lab.dut.ip(&format!("-details link show {port}")).unwrap();
        assert!(!told.contains("xdp"), "{told}");
        assert!(told.contains("promiscuity 0"), "{told}");
        assert!(told.contains("state UP"), "{told}");
    }
    assert!(!folder.join("control").exists(), "the control socket is left");
    let state = fs::read_dir(folder.join("state")).into_iter().flatten().flatten();
    let state: Vec<_> = state.map(|entry| entry.file_name()).collect();
    assert!(state.is_empty(), "the state folder holds {state:?}");
}

/// Waits until it runs after so many restarts.
fn await_restarts(sluice: &Sluice, restarts: u64) -> Result<()> {
    wait_until("another data plane runs", LIMIT, || {
        let stats = sluice.stats().ok()?;
        (stats.running() && stats.restarts() >= restarts).then_some(())
    })
    .with_context(|| sluice.log())
}

/// Number of the XDP program on a port.
fn program(lab: &WireLab, port: &str) -> Result<String> {
    let link = lab.dut.ip(&format!("link show {port}"))?;
    let id = link.split(" id ").nth(1).context("no XDP program")?;
    Ok(id.split_whitespace().next().unwrap_or_default().to_owned())
}

fn port(stats: &Stats, index: usize) -> &Value {
    &stats.0["ports"][index]
}

#[test]
fn it_carries_both_ways_and_a_clean_stop_leaves_nothing() -> Result<()> {
    let lab = WireLab::new()?;
    let mut sluice = start(&lab)?;
    for address in ADDRESSES {
        transfer(&lab.a, &lab.b, address, 8 << 20)?;
        transfer(&lab.b, &lab.a, SocketAddr::new(other(address), 5001), 8 << 20)?;
        lab.a.exec("ping", &format!("-c 1 -W 5 {}", address.ip()))?;
    }
    let stats = sluice.stats()?;
    assert!(stats.ledger_intact() && stats.running(), "{:#}", stats.0);
    assert_eq!((&stats.0["mode"], &stats.0["host"]), (&"wire".into(), &Value::Null));
    for (index, name) in [LEFT, RIGHT].into_iter().enumerate() {
        assert_eq!(port(&stats, index)["iface"], name);
        assert_eq!(port(&stats, index)["xdp"], "native");
        assert_eq!(port(&stats, index)["queues"].as_array().map(Vec::len), Some(2));
        let verdicts = &port(&stats, index)["verdicts"];
        assert!(verdicts["steered"].as_u64() > Some(1000), "{verdicts}");
        assert!(verdicts["not_tcp_udp"].as_u64() > Some(0), "what is not steered goes round it");
    }
    let [a, b] = stats.crossed();
    assert!(a.received_packets > 1000 && b.received_packets > 1000, "{a:?} {b:?}");
    sluice.stop()?;
    assert_eq!(sluice.log().matches("all 16384 frames accounted for").count(), 2);
    assert_nothing_left(&lab, sluice.folder());
    Ok(())
}

/// The address of `a` in the family of `b`'s.
fn other(address: SocketAddr) -> std::net::IpAddr {
    match address {
        SocketAddr::V4(_) => sluice_lab::A_V4.into(),
        SocketAddr::V6(_) => sluice_lab::A_V6.into(),
    }
}

#[test]
fn connections_outlive_a_data_plane_that_is_killed_or_stopped() -> Result<()> {
    let lab = WireLab::new()?;
    let mut sluice = start(&lab)?;
    let programs = [program(&lab, LEFT)?, program(&lab, RIGHT)?];
    let (near, far) = connect(&lab.a, &lab.b, ADDRESSES[0])?;
    let stream = Stream::over(near, far)?;
    stream.await_bytes(1 << 20, LIMIT)?;
    let first = sluice.data_plane()?;
    kill(first, Signal::SIGSTOP)?;
    wait_until("it is stalled", LIMIT, || {
        sluice.stats().ok().filter(|stats| stats.0["state"] == "stalled").map(drop)
    })?;
    stream.await_bytes(4 << 20, LIMIT).context("while it is stalled")?;
    assert!(sluice.stats()?.verdict("no_heartbeat") > 0, "the programs forward it");
    kill(first, Signal::SIGCONT)?;
    await_restarts(&sluice, 0)?;
    stream.await_bytes(1 << 20, LIMIT)?;
    kill(sluice.data_plane()?, Signal::SIGKILL)?;
    await_restarts(&sluice, 1)?;
    stream.await_bytes(1 << 20, LIMIT)?;
    assert_ne!(sluice.data_plane()?, first);
    assert_eq!([program(&lab, LEFT)?, program(&lab, RIGHT)?], programs, "attached anew");
    stream.finish()?;
    sluice.stop()?;
    assert_nothing_left(&lab, sluice.folder());
    Ok(())
}

#[test]
fn a_killed_supervisor_is_cleaned_up_after() -> Result<()> {
    let lab = WireLab::new()?;
    let mut sluice = start(&lab)?;
    sluice.supervisor().signal(Signal::SIGKILL)?;
    sluice.supervisor().wait(LIMIT)?;
    let told = lab.dut.ip(&format!("-details link show {LEFT}"))?;
    assert!(told.contains("promiscuity 1"), "what is to be cleaned up: {told}");
    sluice.restart(&lab.dut)?;
    sluice.stop()?;
    assert_nothing_left(&lab, sluice.folder());
    Ok(())
}

#[test]
fn a_port_with_an_address_is_refused_unless_that_is_meant() -> Result<()> {
    let lab = WireLab::new()?;
    for address in ["198.51.100.7", "2001:db8:5::7"] {
        lab.dut.ip(&format!("address add {address} dev {RIGHT}"))?;
        assert_fails(&lab, CONFIG, &[RIGHT, address, "`ip address flush dev right0`", "addressed"]);
        let mut sluice = start_with(&lab, &format!("{CONFIG}\n[wire]\naddressed = true\n"))?;
        sluice.stop()?;
        lab.dut.ip(&format!("address flush dev {RIGHT}"))?;
    }
    lab.dut.ip(&format!("address add fe80::7/64 dev {RIGHT}"))?;
    start(&lab)?.stop()
}

#[test]
fn ports_with_unequal_queues_are_refused_with_what_helps() -> Result<()> {
    let lab = WireLab::new()?;
    let one = CONFIG.replace("iface = \"right0\"", "iface = \"right0\"\nqueues = [1]");
    let parts = ["left0 has 2 queues", "right0 1", "`ethtool -L left0 combined 1`", "manage"];
    assert_fails(&lab, &one, &parts);
    let few = format!("{CONFIG}\n[worker]\ncount = 1\n");
    assert_fails(&lab, &few, &["count = 1", "there are 2 queues"]);
    Ok(())
}

#[test]
fn a_missing_second_port_gives_the_first_one_back() -> Result<()> {
    let lab = WireLab::new()?;
    assert_fails(&lab, &CONFIG.replace("right0", "eth77"), &["eth77: no such interface"]);
    Ok(())
}

#[test]
fn native_xdp_that_could_not_forward_is_refused_and_auto_is_generic() -> Result<()> {
    let lab = WireLab::new()?;
    // What keeps a veth from taking what a program hands to it: nobody listens at the far end.
    for (host, name) in [(&lab.a, sluice_lab::A), (&lab.b, sluice_lab::B)] {
        host.exec("ethtool", &format!("-K {name} gro off"))?;
    }
    let mut sluice = start(&lab)?;
    let stats = sluice.stats()?;
    let modes = [0, 1].map(|index| port(&stats, index)["xdp"].clone());
    assert_eq!(modes, ["generic", "generic"]);
    let reason = port(&stats, 0)["xdp_reason"].as_str().context("a reason")?.to_owned();
    assert!(reason.contains(RIGHT), "{reason}");
    kill(sluice.data_plane()?, Signal::SIGSTOP)?;
    transfer(&lab.a, &lab.b, ADDRESSES[0], 1 << 20)?;
    sluice.stop()?;
    let native = CONFIG.replace("iface =", "xdp = \"native\"\niface =");
    assert_fails(&lab, &native, &["native XDP could not hand packets", "xdp = \"auto\""]);
    Ok(())
}

#[test]
fn more_workers_than_queues_help() -> Result<()> {
    let lab = WireLab::new()?;
    let mut sluice = start_with(&lab, &format!("{CONFIG}\n[worker]\ncount = 5\n"))?;
    for port in 5000..5008 {
        transfer(&lab.a, &lab.b, SocketAddr::new(B_V4.into(), port), 1 << 20)?;
    }
    let stats = sluice.stats()?;
    let workers = stats.0["workers"].as_array().context("workers")?;
    let helpers = workers.iter().filter(|worker| worker["helper"] == true).count();
    assert_eq!((workers.len(), helpers), (5, 3));
    assert!(stats.ledger_intact());
    sluice.stop()?;
    assert_nothing_left(&lab, sluice.folder());
    Ok(())
}

#[test]
fn queues_are_made_and_put_back() -> Result<()> {
    let lab = WireLab::wired(WireWiring { queues: 4, ..WireWiring::default() })?;
    lab.dut.exec("ethtool", &format!("-L {RIGHT} rx 3 tx 3"))?;
    let queues = |port: &str| lab.dut.exec("ethtool", &format!("-l {port}"));
    let before = [queues(LEFT)?, queues(RIGHT)?];
    let managed = CONFIG.replace("iface =", "rss = \"manage\"\niface =");
    for (count, made) in [("\"auto\"", 3), ("2", 2)] {
        let config = format!("{managed}\n[worker]\ncount = {count}\n");
        let mut sluice = start_with(&lab, &config)?;
        let stats = sluice.stats()?;
        assert_eq!(port(&stats, 0)["queues"].as_array().map(Vec::len), Some(made), "{count}");
        assert_eq!(port(&stats, 1)["queues"].as_array().map(Vec::len), Some(made), "{count}");
        transfer(&lab.a, &lab.b, ADDRESSES[0], 1 << 20)?;
        sluice.stop()?;
        assert_eq!([queues(LEFT)?, queues(RIGHT)?], before, "{count}");
    }
    Ok(())
}

#[test]
fn another_mtu_is_noticed() -> Result<()> {
    let lab = WireLab::new()?;
    let mut sluice = start(&lab)?;
    for (host, name) in [(&lab.b, sluice_lab::B), (&lab.dut, RIGHT)] {
        host.ip(&format!("link set {name} mtu 1400"))?;
    }
    await_restarts(&sluice, 1)?;
    let why = sluice.stats()?.0["data_plane"]["last_end"].clone();
    assert_eq!(why, "the MTU of right0 is 1400 now");
    transfer(&lab.a, &lab.b, ADDRESSES[0], 4 << 20)?;
    let [a, _] = sluice.stats()?.crossed();
    assert!(a.recut_packets + a.mss_rewritten > 0, "the workers know of it: {a:?}");
    sluice.stop()?;
    assert_nothing_left(&lab, sluice.folder());
    Ok(())
}

/// Has a packet of 3,000 bytes sent from `a` until an answer comes back in the same VLAN, if any.
fn is_answered(lab: &WireLab, mut packet: Packet, vlan: Option<u16>) -> Result<()> {
    let capture = Capture::open(&lab.a, sluice_lab::A)?;
    packet.tags = vlan.into_iter().map(|vlan| (EtherType::VLAN, vlan)).collect();
    let sent = packet.with_payload(&[7; 3_000]).build();
    let link = 14 + 4 * usize::from(vlan.is_some());
    let mut buffer = vec![0; 4096];
    wait_until("an answer comes", LIMIT, || {
        capture.inject(&sent).ok()?;
        let seen = capture.next(&mut buffer).ok().flatten()?;
        let back = [&sent[6..12], &sent[..6], &sent[12..link]].concat();
        let came_back = seen.direction == Direction::In && seen.bytes.starts_with(&back);
        // It quotes what was sent.
        let quoted = seen.bytes.windows(40).any(|bytes| bytes == &sent[link..link + 40]);
        (came_back && quoted).then_some(())
    })
}

#[test]
fn what_is_too_large_is_answered_while_nobody_works_in_its_vlan_too() -> Result<()> {
    let lab = WireLab::wired(WireWiring { mtu: [9000, 1500], ..WireWiring::default() })?;
    let mut sluice = start(&lab)?;
    kill(sluice.data_plane()?, Signal::SIGSTOP)?;
    wait_until("it is stalled", LIMIT, || {
        sluice.stats().ok().filter(|stats| stats.0["state"] == "stalled").map(drop)
    })?;
    for vlan in [None, Some(5)] {
        is_answered(&lab, Packet::udp4(), vlan).with_context(|| format!("IPv4 in {vlan:?}"))?;
        is_answered(&lab, Packet::tcp6(), vlan).with_context(|| format!("IPv6 in {vlan:?}"))?;
    }
    let answered = sluice.stats()?.answered();
    assert!(answered >= 4, "{answered} were answered");
    kill(sluice.data_plane()?, Signal::SIGCONT)?;
    sluice.stop()?;
    assert_nothing_left(&lab, sluice.folder());
    Ok(())
}

#[test]
fn a_port_taken_away_and_made_anew_is_served_again() -> Result<()> {
    let lab = WireLab::new()?;
    let mut sluice = start(&lab)?;
    lab.dut.ip(&format!("link del {RIGHT}"))?;
    wait_until("the data plane has ended", LIMIT, || {
        sluice.stats().ok().filter(|stats| stats.0["state"] == "waiting").map(drop)
    })?;
    let far = lab.b.name();
    let size = "numrxqueues 2 numtxqueues 2";
    lab.dut.ip(&format!("link add {RIGHT} {size} type veth peer name b0 {size} netns {far}"))?;
    lab.b.exec("ethtool", "-K b0 tx off tso off gro on")?;
    lab.b.ip_batch("address add 192.0.2.2/24 dev b0\nlink set b0 up\n")?;
    lab.dut.ip(&format!("link set {RIGHT} up"))?;
    await_restarts(&sluice, 1)?;
    transfer(&lab.a, &lab.b, ADDRESSES[0], 1 << 20)?;
    let first = sluice.data_plane()?;
    kill(first, Signal::SIGSTOP)?;
    transfer(&lab.a, &lab.b, SocketAddr::new(B_V4.into(), 5001), 1 << 20)
        .context("the programs know the new port")?;
    sluice.stop()?;
    assert_nothing_left(&lab, sluice.folder());
    Ok(())
}

#[test]
fn a_lost_link_is_mirrored_where_that_is_asked_for() -> Result<()> {
    let lab = WireLab::new()?;
    let mut sluice = start_with(&lab, &format!("{CONFIG}\n[wire]\nlink = \"mirror\"\n"))?;
    let has = |host: &Namespace, link: &str, what: &str| {
        host.ip(&format!("link show {link}")).is_ok_and(|told| told.contains(what))
    };
    lab.a.ip("link set a0 down")?;
    wait_until("the other host sees it", LIMIT, || has(&lab.b, "b0", "NO-CARRIER").then_some(()))?;
    lab.a.ip("link set a0 up")?;
    lab.a.ip("address replace 2001:db8::1/64 dev a0 nodad")?;
    wait_until("and sees it back", LIMIT, || has(&lab.b, "b0", "LOWER_UP").then_some(()))?;
    transfer(&lab.a, &lab.b, ADDRESSES[0], 1 << 20)?;
    lab.b.ip("link set b0 down")?;
    wait_until("the other way too", LIMIT, || has(&lab.a, "a0", "NO-CARRIER").then_some(()))?;
    sluice.stop()?;
    lab.b.ip("link set b0 up")?;
    wait_until("held ports are set up at the end", LIMIT, || {
        (has(&lab.dut, LEFT, "state UP") && has(&lab.dut, RIGHT, "state UP")).then_some(())
    })?;
    assert_nothing_left(&lab, sluice.folder());
    Ok(())
}
