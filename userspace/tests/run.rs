//! `sluice run` against a real kernel, in namespaces of its own: starting, failing, being killed, and
//! what it leaves behind. Needs root.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sluice::config::XdpMode;
use sluice::steer::Steering;
use sluice_lab::{DUT, Lab, Namespace, Sluice, wait_until};

const PROGRAM: &str = env!("CARGO_BIN_EXE_sluice");

/// Longest time a condition may take to come true; it is much shorter on an idle machine.
const LIMIT: Duration = Duration::from_secs(20);

/// Serves TCP ports 5000 to 6000 of the device under test. 5,154 is no table or priority of the other
/// tests' namespaces either, which share nothing with this one.
const CONFIG: &str = r#"
[[port]]
iface = "dut0"

[offload]
rx_checksum = "partial"

[[rule]]
dst = "192.0.2.2"
proto = "tcp"
dst_port = "5000-6000"
action = "steer"

[[rule]]
dst = "2001:db8::2"
proto = "tcp"
dst_port = "5000-6000"
action = "steer"
"#;

fn start(lab: &Lab) -> Result<Sluice> {
    Sluice::start(&lab.dut, Path::new(PROGRAM), CONFIG)
}

/// `sluice run` with `config`, to its end.
fn run_to_end(host: &Namespace, folder: &Path, config: &str) -> Result<Output> {
    let state = format!(
        "[control]\nsocket = \"{0}/control\"\nstate_dir = \"{0}/state\"\n",
        folder.display()
    );
    let file = folder.join("sluice.toml");
    fs::write(&file, format!("{config}\n{state}"))?;
    Ok(host.command(PROGRAM).args(["run", "--config"]).arg(file).output()?)
}

/// Asserts that `config` is refused with exit code 1 and a message that has all of `parts`.
#[track_caller]
fn assert_fails(lab: &Lab, config: &str, parts: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let output = run_to_end(&lab.dut, folder.path(), config).unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    for part in parts {
        assert!(message.contains(part), "no {part:?} in {message}");
    }
    assert_nothing_left(&lab.dut, folder.path());
}

/// Asserts that neither device nor rule, route, program, journal or socket is left.
#[track_caller]
fn assert_nothing_left(host: &Namespace, folder: &Path) {
    let ip = |arguments: &str| host.ip(arguments).unwrap();
    let links = ip("link show");
    assert!(!links.contains("sluice0"), "{links}");
    assert!(!links.contains("xdp"), "{links}");
    for family in ["-4", "-6"] {
        let rules = ip(&format!("{family} rule show"));
        assert!(!rules.contains("5154"), "{rules}");
        let routes = ip(&format!("{family} route show table all"));
        assert!(!routes.contains("sluice0") && !routes.contains("5154"), "{routes}");
    }
    assert!(!folder.join("control").exists(), "the control socket is left");
    let state = fs::read_dir(folder.join("state")).into_iter().flatten().flatten();
    let state: Vec<_> = state.map(|entry| entry.file_name()).collect();
    assert!(state.is_empty(), "the state folder holds {state:?}");
}

fn rules(host: &Namespace) -> Result<String> {
    Ok(host.ip("-4 rule show")? + &host.ip("-6 rule show")?)
}

/// Number of the XDP program on the interface.
fn program(host: &Namespace) -> Result<String> {
    let link = host.ip(&format!("link show {DUT}"))?;
    let id = link.split("prog/xdp id ").nth(1).context("no XDP program")?;
    Ok(id.split_whitespace().next().unwrap_or_default().to_owned())
}

/// A line of `/proc/PID/status`.
fn status(pid: Pid, key: &str) -> Result<String> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
    Ok(line.with_context(|| format!("no {key}"))?.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn is_alive(pid: Pid) -> bool {
    status(pid, "State").is_ok_and(|state| !state.starts_with(['Z', 'X']))
}

#[test]
fn a_clean_stop_leaves_nothing() {
    let lab = Lab::new().unwrap();
    let mut sluice = start(&lab).unwrap();
    assert_eq!(rules(&lab.dut).unwrap().matches("lookup 5154").count(), 2);
    let stats = sluice.stats().unwrap();
    assert!(stats.ledger_intact());
    assert_eq!(stats.0["ports"][0]["xdp"], "native");
    assert_eq!(stats.0["host"]["routes_installed"], true);
    assert_eq!(stats.0["workers"].as_array().unwrap().len(), 2);
    let socket = fs::metadata(sluice.folder().join("control")).unwrap();
    assert_eq!((socket.permissions().mode() & 0o777, socket.uid()), (0o600, 0));
    sluice.stop().unwrap();
    let log = sluice.log();
    assert_eq!(log.matches("all 8192 frames accounted for").count(), 2, "{log}");
    assert_nothing_left(&lab.dut, sluice.folder());
}

#[test]
fn ctrl_c_is_a_clean_stop_too() {
    let lab = Lab::new().unwrap();
    let mut sluice = start(&lab).unwrap();
    sluice.supervisor().signal(Signal::SIGINT).unwrap();
    assert!(sluice.supervisor().wait(LIMIT).unwrap().success());
    assert_nothing_left(&lab.dut, sluice.folder());
}

#[test]
fn the_data_plane_has_no_rights_left() {
    let lab = Lab::new().unwrap();
    let sluice = start(&lab).unwrap();
    let pid = sluice.data_plane().unwrap();
    for task in fs::read_dir(format!("/proc/{pid}/task")).unwrap() {
        let task = task.unwrap().file_name().into_string().unwrap().parse().unwrap();
        let task = Pid::from_raw(task);
        let nobody = "65534 65534 65534 65534";
        assert_eq!(status(task, "Uid").unwrap(), nobody);
        assert_eq!(status(task, "Gid").unwrap(), nobody);
        assert_eq!(status(task, "Groups").unwrap(), "");
        assert_eq!(status(task, "NoNewPrivs").unwrap(), "1");
        for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
            assert_eq!(status(task, set).unwrap(), "0000000000000000", "{set} of {task}");
        }
    }
}

#[test]
fn a_killed_data_plane_is_started_again_under_the_same_program() {
    let lab = Lab::new().unwrap();
    let mut sluice = start(&lab).unwrap();
    let (first, attached) = (sluice.data_plane().unwrap(), program(&lab.dut).unwrap());
    kill(first, Signal::SIGKILL).unwrap();
    wait_until("another data plane runs", LIMIT, || {
        let stats = sluice.stats().ok()?;
        (stats.running() && stats.restarts() == 1).then_some(())
    })
    .unwrap();
    assert_ne!(sluice.data_plane().unwrap(), first);
    assert_eq!(program(&lab.dut).unwrap(), attached, "the program was attached anew");
    let why = sluice.stats().unwrap().0["data_plane"]["last_end"].clone();
    assert_eq!(why, "killed by signal 9 (SIGKILL)");
    sluice.stop().unwrap();
    assert_nothing_left(&lab.dut, sluice.folder());
}

#[test]
fn a_killed_supervisor_takes_the_data_plane_along_and_the_next_start_cleans_up() {
    let lab = Lab::new().unwrap();
    let mut sluice = start(&lab).unwrap();
    let data_plane = sluice.data_plane().unwrap();
    // Stopped, it cannot notice by itself that the line is closed: the kernel has to kill it.
    kill(data_plane, Signal::SIGSTOP).unwrap();
    sluice.supervisor().signal(Signal::SIGKILL).unwrap();
    sluice.supervisor().wait(LIMIT).unwrap();
    wait_until("the data plane is gone", LIMIT, || (!is_alive(data_plane)).then_some(())).unwrap();
    wait_until("the program is gone", LIMIT, || program(&lab.dut).is_err().then_some(())).unwrap();
    sluice.restart(&lab.dut).unwrap();
    assert_eq!(rules(&lab.dut).unwrap().matches("lookup 5154").count(), 2);
    assert!(sluice.log().contains("an earlier sluice left behind"));
    sluice.stop().unwrap();
    assert_nothing_left(&lab.dut, sluice.folder());
}

#[test]
fn a_stopped_data_plane_loses_the_routes_and_gets_them_back() {
    let lab = Lab::new().unwrap();
    let mut sluice = start(&lab).unwrap();
    let data_plane = sluice.data_plane().unwrap();
    let routed = || rules(&lab.dut).map(|rules| rules.contains("5154")).ok();
    kill(data_plane, Signal::SIGSTOP).unwrap();
    wait_until("routes withdrawn", LIMIT, || routed().filter(|routed| !routed)).unwrap();
    assert_eq!(sluice.stats().unwrap().0["state"], "stalled");
    kill(data_plane, Signal::SIGCONT).unwrap();
    wait_until("routes given back", LIMIT, || routed().filter(|&routed| routed)).unwrap();
    assert_eq!(sluice.data_plane().unwrap(), data_plane, "it was not started again");
    sluice.stop().unwrap();
    assert_nothing_left(&lab.dut, sluice.folder());
}

#[test]
fn a_stop_does_not_wait_for_a_data_plane_that_does_not_listen() {
    let lab = Lab::new().unwrap();
    let mut sluice = start(&lab).unwrap();
    let data_plane = sluice.data_plane().unwrap();
    kill(data_plane, Signal::SIGSTOP).unwrap();
    sluice.stop().unwrap();
    assert!(!is_alive(data_plane));
    assert!(sluice.log().contains("does not stop within"), "{}", sluice.log());
    assert_nothing_left(&lab.dut, sluice.folder());
}

#[test]
fn a_second_one_on_the_same_interface_is_refused_and_harms_nothing() {
    let lab = Lab::new().unwrap();
    let mut sluice = start(&lab).unwrap();
    let output = run_second(&lab.dut, sluice.folder()).unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    let pid = sluice.supervisor().pid();
    assert!(message.contains(&format!("another Sluice (pid {pid}) serves dut0")), "{message}");
    assert!(sluice.stats().unwrap().running());
    sluice.stop().unwrap();
}

fn run_second(host: &Namespace, folder: &Path) -> Result<Output> {
    let config = folder.join("sluice.toml");
    Ok(host.command(PROGRAM).args(["run", "--config"]).arg(config).output()?)
}

#[test]
fn a_foreign_program_is_named_and_left_alone() {
    let lab = Lab::new().unwrap();
    let foreign = lab.dut.run(|| -> Result<_> {
        let mut foreign = Steering::load()?;
        foreign.attach(DUT, XdpMode::Native)?;
        Ok(foreign)
    });
    let foreign = foreign.unwrap();
    let id = program(&lab.dut).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let output = run_to_end(&lab.dut, folder.path(), CONFIG).unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("dut0 already has an XDP program"), "{message}");
    assert!(message.contains(&format!("(id {id}, native)")), "{message}");
    assert_eq!(program(&lab.dut).unwrap(), id, "it was taken off");
    drop(foreign);
    assert_nothing_left(&lab.dut, folder.path());
}

#[test]
fn a_missing_interface_is_named() {
    let lab = Lab::new().unwrap();
    assert_fails(&lab, &CONFIG.replace("dut0", "eth77"), &["eth77: no such interface"]);
}

#[test]
fn a_missing_queue_is_named_with_those_there_are() {
    let lab = Lab::new().unwrap();
    let config = CONFIG.replace("iface =", "queues = [0, 5]\niface =");
    assert_fails(&lab, &config, &["dut0: there is no queue 5: it has 2"]);
}

#[test]
fn a_taken_tun_name_is_named_with_the_remedy() {
    let lab = Lab::new().unwrap();
    lab.dut.ip("tuntap add dev other0 mode tun").unwrap();
    let config = format!("{CONFIG}\n[host]\ntun = \"other0\"\n");
    let parts = ["the data plane did not start", "an interface named other0 exists already"];
    assert_fails(&lab, &config, &parts);
}

#[test]
fn zero_copy_that_cannot_be_had_is_refused_where_it_is_demanded() {
    let lab = Lab::new().unwrap();
    let config = CONFIG.replace("iface =", "zero_copy = \"always\"\niface =");
    assert_fails(&lab, &config, &["dut0 queue 0: no zero-copy here", "zero_copy = \"auto\""]);
}

#[test]
fn cores_that_are_not_enough_are_counted() {
    let lab = Lab::new().unwrap();
    let config = format!("{CONFIG}\n[worker]\ncores = [0]\n");
    assert_fails(&lab, &config, &["cores lists 1 and there are 2 workers"]);
}

#[test]
fn without_root_it_says_so() {
    let lab = Lab::new().unwrap();
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let file = folder.path().join("sluice.toml");
    fs::write(&file, CONFIG).unwrap();
    let program = folder.path().join("sluice");
    fs::copy(PROGRAM, &program).unwrap();
    // As nobody, in the namespace of the test: the program is where nobody may read it.
    let mut command = std::process::Command::new(program);
    command.args(["run", "--config"]).arg(&file).uid(65_534).gid(65_534);
    let output = lab.dut.run(move || command.output()).unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("must be started as root"), "{message}");
    assert!(message.contains("user 65534"), "{message}");
}

#[test]
fn an_interface_taken_away_and_made_anew_is_served_again() {
    let lab = Lab::new().unwrap();
    let mut sluice = start(&lab).unwrap();
    let first = program(&lab.dut).unwrap();
    lab.dut.ip(&format!("link del {DUT}")).unwrap();
    wait_until("the data plane has ended", LIMIT, || {
        sluice.stats().ok().filter(|stats| stats.0["state"] == "waiting").map(drop)
    })
    .unwrap();
    assert_eq!(program(&lab.dut).ok(), None);
    lab.dut
        .ip(&format!("link add {DUT} numrxqueues 2 numtxqueues 2 type veth peer wire1"))
        .unwrap();
    lab.dut.ip(&format!("addr add 192.0.2.2/24 dev {DUT}")).unwrap();
    lab.dut.ip(&format!("link set {DUT} up")).unwrap();
    wait_until("it carries traffic", LIMIT, || {
        sluice.stats().ok().filter(sluice_lab::Stats::running).map(drop)
    })
    .unwrap();
    assert_eq!(program(&lab.dut).unwrap(), first, "the same program on the new interface");
    sluice.stop().unwrap();
    assert_nothing_left(&lab.dut, sluice.folder());
}

#[test]
fn an_interface_down_and_up_is_served_on() {
    let lab = Lab::new().unwrap();
    let mut sluice = start(&lab).unwrap();
    lab.dut.ip(&format!("link set {DUT} down")).unwrap();
    // The kernel has taken the IPv6 address away, and with it the source of a policy route.
    lab.dut.ip(&format!("link set {DUT} up")).unwrap();
    kill(sluice.data_plane().unwrap(), Signal::SIGSTOP).unwrap();
    wait_until("routes withdrawn", LIMIT, || {
        rules(&lab.dut).ok().filter(|rules| !rules.contains("5154")).map(drop)
    })
    .unwrap();
    kill(sluice.data_plane().unwrap(), Signal::SIGCONT).unwrap();
    wait_until("it carries traffic", LIMIT, || {
        sluice.stats().ok().filter(sluice_lab::Stats::running).map(drop)
    })
    .unwrap();
    sluice.stop().unwrap();
    assert_nothing_left(&lab.dut, sluice.folder());
}

/// Thirty times, or as often as `SLUICE_CYCLES` says.
#[test]
fn many_starts_and_stops_leave_nothing() {
    let cycles = std::env::var("SLUICE_CYCLES").map_or(30, |count| count.parse().unwrap());
    let lab = Lab::new().unwrap();
    let mut sluice = start(&lab).unwrap();
    for _ in 0..cycles {
        sluice.stop().unwrap();
        assert_nothing_left(&lab.dut, sluice.folder());
        sluice.restart(&lab.dut).unwrap();
    }
    sluice.stop().unwrap();
    assert_nothing_left(&lab.dut, sluice.folder());
}

#[test]
fn the_other_modes_are_refused_in_words() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("sluice.toml");
    fs::write(&file, "mode = \"sink\"\n[[port]]\niface = \"eth1\"\n")?;
    let output =
        std::process::Command::new(PROGRAM).args(["run", "--config"]).arg(file).output()?;
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{message}");
    ensure!(
        message.contains("mode = \"sink\": this version runs \"host\" and \"wire\""),
        "{message}"
    );
    Ok(())
}
