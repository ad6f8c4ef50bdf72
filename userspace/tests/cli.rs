//! The command line as a user meets it: help, JSON, messages, exit codes.

use std::process::Output;

use assert_cmd::Command;
use sluice_lab::{DUT, Lab};

fn sluice(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_sluice")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[track_caller]
fn assert_refused(arguments: &[&str], code: i32, parts: &[&str]) {
    let output = sluice(arguments);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{message}");
    assert!(output.stdout.is_empty(), "data where there is none");
    for part in parts {
        assert!(message.contains(part), "no {part:?} in {message}");
    }
}

#[test]
fn every_command_has_help_with_examples() {
    for command in ["run", "check", "features", "reload", "stats", "explain"] {
        let output = sluice(&[command, "--help"]);
        assert_eq!(output.status.code(), Some(0));
        let help = text(&output.stdout);
        assert!(
            help.contains("Examples:") && help.contains(&format!("sluice {command}")),
            "{help}"
        );
    }
    let help = text(&sluice(&["--help"]).stdout);
    assert!(help.contains("Exit codes"), "{help}");
    assert!(!help.contains("data-plane"), "an inner command is shown: {help}");
}

#[test]
fn wrong_usage_is_exit_code_2() {
    assert_refused(&[], 2, &["Usage: sluice"]);
    assert_refused(&["run"], 2, &["--config"]);
    assert_refused(&["stat"], 2, &["unrecognized subcommand", "'stats'"]);
    assert_refused(&["check"], 2, &["<FILE>"]);
    assert_refused(&["features", "eth1", "eth2"], 2, &["unexpected argument"]);
    assert_refused(
        &["run", "--config", "/nonexistent.toml"],
        2,
        &["/nonexistent.toml: cannot read"],
    );
}

#[test]
fn the_inner_command_refuses_to_be_typed() {
    assert_refused(&["data-plane"], 2, &["started by `sluice run` alone"]);
}

#[test]
fn nobody_to_ask_is_exit_code_1() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("control.sock");
    let socket = socket.to_str().unwrap();
    for command in ["stats", "reload"] {
        assert_refused(&[command, "--socket", socket], 1, &[socket, "is `sluice run` running"]);
    }
}

#[test]
fn who_answers_in_another_language_is_exit_code_1() {
    use std::io::{Read, Write};
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("control.sock");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let answer = std::thread::spawn(move || {
        let mut asker = listener.accept().unwrap().0;
        asker.read_to_end(&mut Vec::new()).unwrap();
        asker.write_all(b"{}").unwrap();
    });
    assert_refused(&["stats", "--socket", socket.to_str().unwrap()], 1, &["another version"]);
    answer.join().unwrap();
}

#[test]
fn an_interface_that_is_not_there_is_exit_code_1() {
    assert_refused(&["features", "eth77"], 1, &["eth77: no such interface", "`ip link`"]);
}

#[test]
fn features_are_those_of_the_interface() {
    let lab = Lab::new().unwrap();
    let features = |arguments: &[&str]| {
        let mut command = lab.dut.command(env!("CARGO_BIN_EXE_sluice"));
        let output = command.arg("features").args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let report =
        || -> serde_json::Value { serde_json::from_str(&features(&["--json", DUT])).unwrap() };
    let before = report();
    assert_eq!((&before["queues"], &before["mtu"]), (&2.into(), &1500.into()));
    assert_eq!(before["xdp"]["native"], true);
    assert_eq!(before["xdp"]["program"], 0);
    let fixed_off = serde_json::json!({ "on": false, "requested": false, "fixed": true });
    assert_eq!(before["hardware"]["large-receive-offload"], false);
    assert_eq!(before["features"]["large-receive-offload"], fixed_off);
    assert_eq!(before["sluice"]["generic-receive-offload"]["on"], true);
    // TSO stays wanted when scatter-gather goes, which it needs.
    lab.dut.exec("ethtool", &format!("-K {DUT} tx on tso on sg off")).unwrap();
    let wanting = report();
    let missing = serde_json::json!({
        "on": false, "requested": true, "fixed": false, "reason": "it needs scatter-gather",
    });
    assert_eq!(wanting["features"]["tcp-segmentation-offload"], missing);
    assert_eq!(wanting["reasons"]["tcp-segmentation-offload"], "it needs scatter-gather");
    lab.dut.exec("ethtool", &format!("-K {DUT} sg on")).unwrap();
    for (word, on) in [("on", true), ("off", false)] {
        lab.dut.exec("ethtool", &format!("-K {DUT} gso {word}")).unwrap();
        let feature = &report()["features"]["generic-segmentation-offload"];
        assert_eq!(feature["on"], on, "{feature}");
        let table = features(&[DUT]);
        let line = table.lines().find(|line| line.contains("generic-segmentation-offload"));
        let said: Vec<_> = line.unwrap().split_whitespace().collect();
        assert_eq!(said[1..3], ["yes", word], "{table}");
    }
}
