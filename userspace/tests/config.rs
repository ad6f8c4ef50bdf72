//! The configuration file as a user meets it: `sluice check`, its messages and its exit codes.

use std::path::Path;

use assert_cmd::Command;
use sluice::config::Config;
use sluice_common::Side;
use sluice_common::classify::{Field, PortRange, Prefix};
use sluice_common::stage::{AnyStage, Forward, Leaving, NatRule, NatTarget, Rewrite, VlanMap};
use sluice_common::wire::Protocol;

/// A small configuration that is right.
const RIGHT: &str = r#"
[[port]]
iface = "eth1"

[[rule]]
dst = "10.0.0.2"
proto = "tcp"
dst_port = "5000-6000"
action = "steer"
"#;

/// A small configuration with two ports that is right.
const WIRE: &str = r#"
mode = "wire"

[[port]]
iface = "eth1"

[[port]]
iface = "eth2"
"#;

/// [`WIRE`] with a stage that rewrites.
const REWRITE: &str = r#"
[stage]
kind = "rewrite"

[[stage.rewrite]]
out = "eth2"
src_mac = "02:00:00:00:00:01"
dst_mac = "02:00:00:00:00:02"
vlan = { 10 = 20 }
"#;

/// [`WIRE`] with a stage that translates addresses.
const NAT: &str = r#"
[stage]
kind = "nat"

[[stage.nat]]
from = "eth1"
proto = "tcp"
dst = "203.0.113.10/32"
dst_port = 80
to = ["10.0.0.1", "10.0.0.2"]
to_port = 8080
"#;

/// Standard error and exit code of `sluice check` on `text`; the file is called `sluice.toml`.
fn check(text: &str) -> (String, i32) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("sluice.toml"), text).unwrap();
    check_in(dir.path(), &["sluice.toml"])
}

fn check_in(dir: &Path, arguments: &[&str]) -> (String, i32) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    let output = command.current_dir(dir).arg("check").args(arguments).output().unwrap();
    (String::from_utf8(output.stderr).unwrap(), output.status.code().unwrap())
}

/// Asserts that `text` is refused with exit code 2, and that one line of the message has all `parts`.
#[track_caller]
fn refused(text: &str, parts: &[&str]) {
    let (message, code) = check(text);
    assert_eq!(code, 2, "exit code for\n{text}\n{message}");
    let found = message.lines().any(|line| parts.iter().all(|part| line.contains(part)));
    assert!(found, "no line with {parts:?} in\n{message}");
    assert!(message.lines().all(|line| line.starts_with("sluice.toml:")), "{message}");
}

/// `RIGHT` with `line` in `section`.
fn with(section: &str, line: &str) -> String {
    match section {
        "" => format!("{line}\n{RIGHT}"),
        "port" => RIGHT.replace("iface =", &format!("{line}\niface =")),
        "rule" => replaced(RIGHT, line),
        "stage" => WIRE.to_owned() + "[stage]\n" + line,
        "stage.rewrite" => WIRE.to_owned() + &replaced(REWRITE, line),
        "stage.nat" => WIRE.to_owned() + &replaced(NAT, line),
        section => format!("{RIGHT}\n[{section}]\n{line}"),
    }
}

/// `text` with `line` in its last table, instead of the one with the same key.
fn replaced(text: &str, line: &str) -> String {
    let key = line.split('=').next().unwrap().trim();
    let kept = text.lines().filter(|old| !old.starts_with(&format!("{key} =")));
    kept.collect::<Vec<_>>().join("\n") + "\n" + line
}

/// How messages call `key` of `section`.
fn name(section: &str, key: &str) -> String {
    match section {
        "" => key.to_owned(),
        "port" | "rule" | "stage.rewrite" | "stage.nat" => format!("{section}[0].{key}"),
        section => format!("{section}.{key}"),
    }
}

/// Every key: its section, a value of the wrong type, one out of range, and what the message says of
/// the range. Empty: the type has no range.
const KEYS: &[(&str, &str, &str, &str, &str)] = &[
    ("", "mode", "1", "\"hots\"", "not \"host\", \"wire\", \"reflect\" or \"sink\""),
    ("port", "queues", "true", "[64]", "from 0 to 63"),
    ("port", "xdp", "1", "\"driver\"", "not \"auto\", \"native\" or \"generic\""),
    ("port", "zero_copy", "true", "\"yes\"", "not \"auto\", \"always\" or \"never\""),
    ("port", "transmit", "false", "\"both\"", "not \"auto\", \"ring\" or \"socket\""),
    ("port", "frames", "\"many\"", "2097152", "from 128 to 1048576"),
    ("port", "ring", "1.5", "32", "from 64 to 32768"),
    ("port", "busy_poll", "\"on\"", "", ""),
    ("port", "busy_poll_budget", "\"64\"", "65536", "from 1 to 65535"),
    ("port", "rss", "true", "\"auto\"", "not \"leave\" or \"manage\""),
    ("worker", "count", "[2]", "65", "from 1 to 64"),
    ("worker", "cores", "4", "[8192]", "from 0 to 8191"),
    ("worker", "idle", "0", "\"sleep\"", "not \"spin\", \"adaptive\" or \"interrupt\""),
    ("worker", "fail_open_ms", "\"100\"", "9", "from 10 to 10000"),
    ("host", "tun", "0", "\"sixteen-bytes-xx\"", "1 to 15 bytes"),
    ("host", "routes", "true", "\"all\"", "not \"mirror\" or \"none\""),
    ("host", "table", "\"main\"", "0", "from 1 to 4294967294"),
    ("host", "priority", "[1]", "32001", "from 1 to 32000"),
    ("wire", "translate", "1", "", ""),
    ("wire", "flows", "\"many\"", "63", "from 64 to 4194304"),
    ("wire", "icmp_from", "\"192.0.2.1\"", "[\"224.0.0.1\"]", "the IPv4 or IPv6 address of a host"),
    ("wire", "icmp_rate", "true", "100001", "from 0 to 100000"),
    ("wire", "link", "true", "\"miror\"", "not \"report\" or \"mirror\""),
    ("wire", "addressed", "\"yes\"", "", ""),
    ("rule", "src", "10", "\"10.0.0.0/33\"", "0 to 32 or 0 to 128"),
    ("rule", "dst", "10", "\"10.0.0\"", "0 to 32 or 0 to 128"),
    ("rule", "proto", "6", "\"icmp\"", "not \"tcp\" or \"udp\""),
    ("rule", "src_port", "true", "65536", "from 0 to 65535"),
    ("rule", "dst_port", "[80]", "\"6000-5000\"", "0 to 65535"),
    ("rule", "vlan", "\"blue\"", "4095", "from 0 to 4094"),
    ("rule", "action", "false", "\"reject\"", "not \"steer\", \"pass\" or \"drop\""),
    ("offload", "gro", "1", "", ""),
    ("offload", "tso", "\"on\"", "", ""),
    (
        "offload",
        "profile",
        "6",
        "\"windows\"",
        "not \"linux\", \"linux-6.12\", \"accecn\", \"lro\" or \"reorder\"",
    ),
    ("offload", "flush_timeout_us", "1.5", "1000001", "from 0 to 1000000"),
    ("offload", "max_size", "\"64k\"", "65536", "from 576 to 65535"),
    ("offload", "rx_checksum", "true", "\"ignore\"", "not \"verify\", \"trust\" or \"partial\""),
    ("offload", "vxlan_ports", "4789", "[0]", "from 1 to 65535"),
    ("offload", "geneve_ports", "\"6081\"", "[65536]", "from 1 to 65535"),
    ("control", "socket", "1", "\"control.sock\"", "begins with '/'"),
    ("control", "state_dir", "1", "\"run\"", "begins with '/'"),
    ("stage", "kind", "1", "\"foward\"", "not \"forward\", \"rewrite\" or \"nat\""),
    ("stage.rewrite", "out", "2", "\"eth3\"", "not \"eth1\" or \"eth2\""),
    ("stage.rewrite", "src_mac", "2", "\"02:00:00:00:00\"", "six bytes of two hexadecimal digits"),
    ("stage.rewrite", "dst_mac", "2", "\"2:0:0:0:0:1\"", "six bytes of two hexadecimal digits"),
    ("stage.rewrite", "vlan", "20", "", ""),
    ("stage.nat", "from", "1", "\"eth3\"", "not \"eth1\" or \"eth2\""),
    ("stage.nat", "proto", "6", "\"icmp\"", "not \"tcp\" or \"udp\""),
    ("stage.nat", "dst", "10", "\"203.0.113.10/33\"", "0 to 32 or 0 to 128"),
    ("stage.nat", "dst_port", "true", "65536", "from 0 to 65535"),
    ("stage.nat", "to", "10", "\"10.0.0\"", "0 to 32 or 0 to 128"),
    ("stage.nat", "to_port", "\"80\"", "0", "from 1 to 65535"),
];

#[test]
fn the_right_one_is_accepted() {
    let (message, code) = check(RIGHT);
    assert_eq!(code, 0, "{message}");
}

#[test]
fn every_key_refuses_a_value_of_another_type() {
    for (section, key, wrong, _, _) in KEYS {
        let text = with(section, &format!("{key} = {wrong}"));
        let said = format!("{} = {wrong}: ", name(section, key));
        refused(&text, &[&said, " where ", " wanted"]);
    }
}

#[test]
fn every_key_refuses_a_value_out_of_range_and_names_the_range() {
    for (section, key, _, beyond, range) in KEYS.iter().filter(|entry| !entry.3.is_empty()) {
        let text = with(section, &format!("{key} = {beyond}"));
        refused(&text, &[&name(section, key), beyond.trim_matches(['[', ']']), range]);
    }
}

#[test]
fn every_key_with_a_letter_missing_is_unknown_and_suggested() {
    for (section, key, ..) in KEYS {
        let slip = format!("{}{}", &key[..1], &key[2..]);
        let suggestion = format!("did you mean \"{key}\"?");
        let text = with(section, &format!("{slip} = 1"));
        refused(&text, &[&name(section, &slip), "unknown key", &suggestion]);
    }
}

#[test]
fn a_tunnels_port_is_one_of_a_few_and_of_one_kind() {
    let both = with("offload", "vxlan_ports = [4789, 6081]");
    refused(&both, &["offload.geneve_ports", "6081 is in vxlan_ports too"]);
    let many = with("offload", "vxlan_ports = [1, 2, 3, 4, 5]");
    refused(&many, &["offload.vxlan_ports", "5 ports; no more than 4"]);
    for right in ["vxlan_ports = []\ngeneve_ports = []", "vxlan_ports = [4789, 8472]"] {
        assert_eq!(check(&with("offload", right)).1, 0, "{right}");
    }
}

#[test]
fn an_unknown_table_is_suggested_too() {
    refused(&format!("{RIGHT}\n[ofload]\ngro = true"), &["ofload", "did you mean \"offload\"?"]);
}

#[test]
fn a_key_that_resembles_nothing_names_those_there_are() {
    let text = with("offload", "colour = 1");
    refused(&text, &["offload.colour: unknown key; known here: gro, udp_gro, tso"]);
}

#[test]
fn the_line_is_that_of_the_value() {
    let text = "mode = \"host\"\n\n[[port]]\niface = \"eth1\"\nring = 3000\n";
    refused(text, &["sluice.toml:5: port[0].ring = 3000"]);
}

#[test]
fn every_mistake_is_named_in_one_go() {
    let (message, _) = check("mode = \"hots\"\n[[port]]\niface = 1\nring = 3000\n");
    let lines: Vec<_> = message.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(lines, ["sluice.toml:1:", "sluice.toml:3:", "sluice.toml:4:"], "{message}");
}

#[test]
fn sizes_are_powers_of_two() {
    let frames = "port[0].frames = 3000: not a power of two from 128 to 1048576; 2048 or 4096";
    refused(&with("port", "frames = 3000"), &[frames]);
    let ring = "port[0].ring = 1000: not a power of two from 64 to 32768; 512 or 1024";
    refused(&with("port", "ring = 1000"), &[ring]);
}

#[test]
fn frames_are_twice_the_ring_at_least() {
    let equal = with("port", "frames = 2048\nring = 2048");
    refused(&equal, &["port[0].frames = 2048", "rings of 2048", "4096 to 1048576"]);
    let ring = with("port", "ring = 8192");
    refused(&ring, &["port[0].ring = 8192", "at least twice the ring, 16384"]);
    let (message, code) = check(&with("port", "frames = 4096\nring = 2048"));
    assert_eq!(code, 0, "{message}");
}

#[test]
fn an_interface_is_named_and_named_once() {
    refused("[[port]]\nring = 64\n", &["sluice.toml:1: port[0].iface: missing"]);
    let twice = "mode = \"wire\"\n[[port]]\niface = \"a\"\n[[port]]\niface = \"a\"\n";
    refused(twice, &["sluice.toml:5: port[1].iface = \"a\": named by an earlier"]);
}

#[test]
fn an_interface_has_a_name_the_kernel_takes() {
    let named = |value: &str| format!("[[port]]\niface = {value}\n");
    refused(&named("7"), &["port[0].iface = 7: a whole number where the name of an interface"]);
    for name in ["\"\"", "\"sixteen-bytes-xx\"", "\"a/b\"", "\"a b\"", "\"..\""] {
        refused(&named(name), &[&format!("port[0].iface = {name}: "), "1 to 15 bytes"]);
    }
    assert_eq!(check(&named("\"fifteen-bytes-x\"")).1, 0);
    let slip = "[[port]]\nifcae = \"eth1\"\n";
    refused(slip, &["port[0].ifcae: unknown key; did you mean \"iface\"?"]);
}

#[test]
fn the_number_of_ports_is_that_of_the_mode() {
    refused("", &["port: 0 of them", "exactly 1"]);
    let two = "[[port]]\niface = \"a\"\n[[port]]\niface = \"b\"\n";
    refused(two, &["port: 2 of them; mode \"host\" serves exactly 1"]);
    let one = format!("mode = \"wire\"\n{RIGHT}");
    refused(&one, &["port: 1 of them; mode \"wire\" serves exactly 2"]);
    assert_eq!(check(&format!("mode = \"wire\"\n{two}")).1, 0);
}

/// A wire between two ports, each with a line of its own.
fn wire(ports: [&str; 2], rest: &str) -> String {
    let [a, b] = ports;
    format!(
        "mode = \"wire\"\n[[port]]\niface = \"eth1\"\n{a}\n[[port]]\niface = \"eth2\"\n{b}\n{rest}\n"
    )
}

#[test]
fn what_is_only_for_a_wire_is_refused_elsewhere() {
    refused(&with("wire", "translate = true"), &["wire: only for mode \"wire\""]);
    let (message, code) = check(&wire(
        ["", ""],
        "[wire]\ntranslate = false\nflows = 64\nicmp_from = [\"192.0.2.254\", \"2001:db8::fe\"]\n\
         icmp_rate = 0\nlink = \"mirror\"\naddressed = true",
    ));
    assert_eq!(code, 0, "{message}");
}

#[test]
fn answers_come_from_one_address_of_each_family() {
    let from = |list: &str| wire(["", ""], &format!("[wire]\nicmp_from = {list}"));
    let twice = from("[\"192.0.2.1\", \"192.0.2.2\"]");
    refused(&twice, &["wire.icmp_from = \"192.0.2.2\": the second of its family"]);
    for none in
        ["\"::\"", "\"255.255.255.255\"", "\"127.0.0.1\"", "\"ff02::1\"", "\"192.0.2.0/24\""]
    {
        refused(&from(&format!("[{none}]")), &["wire.icmp_from", none, "address of a host"]);
    }
    assert_eq!(check(&from("[]")).1, 0);
}

#[test]
fn both_ports_of_a_wire_have_to_be_served_alike() {
    let modes = ["zero_copy = \"always\"", "zero_copy = \"never\""];
    refused(
        &wire(modes, ""),
        &["port[1].zero_copy = \"never\": \"always\" for one port", "share their frames"],
    );
    assert_eq!(check(&wire([modes[0]; 2], "")).1, 0);
    assert_eq!(check(&wire([modes[1], ""], "")).1, 0);
    let many = wire(["frames = 524288", ""], "");
    refused(&many, &["port[0].frames = 524288: 524288 frames: at most 262144 in mode \"wire\""]);
}

#[test]
fn the_number_of_workers_is_that_of_the_queues_where_nothing_else_can_be() {
    let two = "[worker]\ncount = 2";
    refused(&with("worker", "count = 2"), &["worker.count = 2: one worker serves one queue"]);
    assert_eq!(check(&with("worker", "count = \"auto\"")).1, 0);
    assert_eq!(check(&format!("{}\n{two}", with("port", "rss = \"manage\""))).1, 0);
    assert_eq!(check(&wire(["", ""], two)).1, 0);
    let listed = with("port", "rss = \"manage\"\nqueues = [0]");
    refused(&listed, &["port[0].rss = \"manage\": not with a list of queues", "queues = \"all\""]);
}

#[test]
fn queues_and_cores_are_named_once_and_at_least_one() {
    let queues = |list| with("port", &format!("queues = {list}"));
    refused(&queues("[0, 1, 0]"), &["port[0].queues = 0: in the list already"]);
    refused(&queues("[]"), &["port[0].queues = []: an empty list", "from 0 to 63"]);
    refused(&queues("[0, \"1\"]"), &["port[0].queues = \"1\": a string where a whole number"]);
    refused(&queues("\"some\""), &["port[0].queues = \"some\": not \"all\" or a list"]);
    let cores = with("worker", "cores = [3, 3]");
    refused(&cores, &["worker.cores = 3: in the list already"]);
}

#[test]
fn at_most_64_rules() {
    let rule = "[[rule]]\naction = \"pass\"\n";
    let text = |count| format!("[[port]]\niface = \"eth1\"\n{}", rule.repeat(count));
    assert_eq!(check(&text(64)).1, 0);
    refused(&text(65), &["rule: 65 of them; at most 64"]);
}

#[test]
fn a_rule_that_no_packet_can_match_is_refused() {
    let families = with("rule", "src = \"2001:db8::/32\"");
    refused(&families, &["rule[0].dst = \"10.0.0.2\": IPv4 while src = 2001:db8::/32 is IPv6"]);
    let bits = with("rule", "src = \"10.0.0.1/24\"");
    refused(&bits, &["rule[0].src", "bits set beyond its length; 10.0.0.0/24 or 10.0.0.1"]);
}

#[test]
fn a_rule_says_what_it_does() {
    let text = "[[port]]\niface = \"eth1\"\n[[rule]]\nproto = \"udp\"\n";
    refused(text, &["sluice.toml:3: rule[0].action: missing"]);
}

#[test]
fn the_tun_device_and_the_table_are_not_someone_elses() {
    let port = with("host", "tun = \"eth1\"");
    refused(&port, &["host.tun = \"eth1\": the name of a [[port]]"]);
    refused(&with("host", "table = 254"), &["host.table = 254: the kernel's own"]);
}

#[test]
fn a_socket_path_fits_a_unix_address() {
    let long = format!("socket = \"/{}\"", "x".repeat(107));
    refused(&with("control", &long), &["control.socket", "longer than the 107 bytes"]);
}

#[test]
fn what_is_no_toml_is_said_with_its_line() {
    refused("mode = \"host\"\n[[port]\n", &["sluice.toml:2: not TOML: "]);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (message, code) = check_in(dir.path(), &["absent.toml"]);
    assert_eq!(code, 2);
    let said = "absent.toml: cannot read the configuration: No such file";
    assert!(message.starts_with(said), "{message}");
}

#[test]
fn json_has_the_same_problems() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.toml"), with("port", "ring = 3000")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    let output =
        command.current_dir(dir.path()).args(["check", "--json", "a.toml"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["valid"], false);
    assert_eq!(report["problems"][0]["key"], "port[0].ring");
    assert_eq!(report["problems"][0]["value"], "3000");
    assert_eq!(report["problems"][0]["line"], 3);
}

#[test]
fn a_rule_that_takes_ssh_is_warned_of_and_still_right() {
    let (message, code) = check(&with("rule", "dst_port = \"1-1023\""));
    assert_eq!(code, 0, "{message}");
    let warning = "warning: sluice.toml: rule[0] steers TCP port 22";
    assert!(message.contains(warning), "{message}");
    let rule = "[[rule]]\nproto = \"tcp\"\naction = \"steer\"\n";
    assert_eq!(check(&format!("{WIRE}{rule}")), (String::new(), 0), "a wire leads past this host");
}

#[test]
fn what_nat_is_about_and_no_rule_steers_is_warned_of_way_by_way() {
    let rule = |conditions: &str| format!("[[rule]]\n{conditions}\naction = \"steer\"\n");
    let warned = |rules: &str| {
        let (message, code) = check(&format!("{WIRE}{rules}{NAT}"));
        assert_eq!(code, 0, "{message}");
        let ways = [
            "dst = \"203.0.113.10/32\", dst_port = 80",
            "src = \"10.0.0.1/32\", src_port = 8080",
            "src = \"10.0.0.2/32\", src_port = 8080",
        ];
        ways.map(|way| message.contains(&format!("rule with {way}, proto = \"tcp\"")))
    };
    assert_eq!(warned(""), [true; 3]);
    assert_eq!(warned(&rule("proto = \"udp\"")), [true; 3]);
    assert_eq!(warned(&rule("dst_port = 80")), [false, true, true]);
    let back = rule("src = \"10.0.0.2/31\"\nsrc_port = 8080");
    assert_eq!(warned(&back), [true, true, false]);
    assert_eq!(warned(&(back + &rule("src_port = \"8000-9000\""))), [true, false, false]);
    assert_eq!(warned(&rule("proto = \"tcp\"")), [false; 3]);
    assert_eq!(warned(&rule("").replace("steer", "pass")), [true; 3]);
}

#[test]
fn a_profile_that_cannot_be_undone_is_refused_where_packets_are_forwarded() {
    let with = |mode: &str, ports: usize| {
        let port = |n: usize| format!("[[port]]\niface = \"eth{n}\"\n");
        let ports: String = (0..ports).map(port).collect();
        format!("mode = \"{mode}\"\n{ports}[offload]\nprofile = \"lro\"\n")
    };
    refused(&with("wire", 2), &["offload.profile = \"lro\"", "given back as it came"]);
    assert_eq!(check(&with("host", 1)).1, 0);
    assert_eq!(check(&with("wire", 2).replace("lro", "reorder")).1, 0);
}

#[test]
fn a_stage_is_read_as_it_is_written() {
    for text in [WIRE.to_owned(), with("stage", "kind = \"forward\""), with("stage", "")] {
        assert_eq!(stage(&text), AnyStage::Forward(Forward), "{text}");
    }
    let leaving = Leaving {
        src_mac: Some([2, 0, 0, 0, 0, 1]),
        dst_mac: Some([2, 0, 0, 0, 0, 2]),
        vlans: VlanMap::new([(10, 20)]).unwrap(),
    };
    let rewrite = Rewrite::new([Leaving::default(), leaving]);
    assert_eq!(stage(&(WIRE.to_owned() + REWRITE)), AnyStage::Rewrite(rewrite));
    let net = |address: [u8; 4], len| Prefix::new(address.into(), len).unwrap();
    let rule = NatRule {
        from: Side::A,
        protocol: Some(Protocol::TCP),
        field: Field::Destination,
        prefix: net([203, 0, 113, 10], 32),
        ports: PortRange::new(80, 80),
        to: NatTarget::OneOf(vec![[10, 0, 0, 1].into(), [10, 0, 0, 2].into()]),
        to_port: Some(8080),
    };
    let source = NAT.replace("dst", "src").replace("eth1", "eth2").replace("tcp", "udp");
    let mirrored = NatRule {
        from: Side::B,
        protocol: Some(Protocol::UDP),
        field: Field::Source,
        ..rule.clone()
    };
    let whole = "[stage]\nkind = \"nat\"\n[[stage.nat]]\nfrom = \"eth1\"\ndst = \"203.0.113.0/24\"\n\
                 to = \"10.0.0.0/24\"\n";
    let prefixes = NatRule {
        protocol: None,
        prefix: net([203, 0, 113, 0], 24),
        ports: None,
        to: NatTarget::Prefix(net([10, 0, 0, 0], 24)),
        to_port: None,
        ..rule.clone()
    };
    for (text, rule) in [(NAT, rule), (&source, mirrored), (whole, prefixes)] {
        assert_eq!(nat_rules(text), [rule]);
    }
}

/// The stage of a configuration that is right.
fn stage(text: &str) -> AnyStage {
    Config::parse(text, Path::new("sluice.toml")).unwrap_or_else(|error| panic!("{error}")).stage
}

/// The rules of a `[stage]` that translates addresses.
fn nat_rules(text: &str) -> Vec<NatRule> {
    match stage(&(WIRE.to_owned() + text)) {
        AnyStage::Nat(nat) => nat.rules().to_vec(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_stage_is_for_wire_mode() {
    let text = with("", "") + "\n[stage]\nkind = \"forward\"\n";
    refused(&text, &["sluice.toml:12: stage: only for mode \"wire\""]);
}

#[test]
fn the_tables_of_a_stage_are_those_of_its_kind() {
    let nat = WIRE.to_owned() + &NAT.replace("\"nat\"", "\"rewrite\"");
    refused(&nat, &["stage.nat: of no effect; kind = \"nat\" is wanted"]);
    refused(&nat, &["stage.kind = \"rewrite\": says nothing without", "[[stage.rewrite]]"]);
    let unsaid = WIRE.to_owned() + &REWRITE.replace("kind = \"rewrite\"", "");
    refused(&unsaid, &["stage.rewrite: of no effect; kind = \"rewrite\" is wanted"]);
    refused(&with("stage", "kind = \"nat\""), &["stage.kind = \"nat\"", "[[stage.nat]]"]);
}

#[test]
fn what_a_stage_needs_is_asked_for() {
    let nat = |text: &str| with("stage", "kind = \"nat\"\n[[stage.nat]]\n") + text;
    refused(&nat(""), &["stage.nat[0].from: missing; \"eth1\" or \"eth2\" is wanted"]);
    refused(&nat(""), &["stage.nat[0].dst: missing; the prefix that is mapped is wanted"]);
    refused(&nat(""), &["stage.nat[0].to: missing; a prefix such as", "or a list of addresses"]);
    let rewrite = with("stage", "kind = \"rewrite\"\n[[stage.rewrite]]\n");
    refused(&rewrite, &["stage.rewrite[0].out: missing; \"eth1\" or \"eth2\" is wanted"]);
    refused(&rewrite, &["stage.rewrite[0].out: nothing is rewritten"]);
}

#[test]
fn a_port_is_rewritten_once_and_from_an_address_there_may_be() {
    let table = REWRITE.split_once("[[").unwrap().1;
    let twice = format!("{WIRE}{REWRITE}[[{table}");
    refused(&twice, &["stage.rewrite[1].out = \"eth2\": named by an earlier [[stage.rewrite]]"]);
    let other = twice.replacen("\"eth2\"\nsrc", "\"eth1\"\nsrc", 1);
    assert_eq!(check(&other).1, 0, "{other}");
    let group = with("stage.rewrite", "src_mac = \"01:00:5e:00:00:01\"");
    refused(&group, &["stage.rewrite[0].src_mac = \"01:00:5e:00:00:01\": a group address"]);
    let group = with("stage.rewrite", "dst_mac = \"01:00:5e:00:00:01\"");
    assert_eq!(check(&group).1, 0);
}

#[test]
fn a_vlan_is_mapped_once_and_to_one_there_is() {
    for (map, says) in [
        ("{ 0 = 20 }", "vlan = 0: not a VLAN ID, a whole number from 1 to 4094"),
        ("{ 10 = 4095 }", "vlan = 4095: out of range; from 1 to 4094"),
        ("{ ten = 20 }", "vlan = ten: not a VLAN ID"),
        ("{ 10 = \"20\" }", "vlan = \"20\": a string where a whole number from 1 to 4094"),
        ("{ 10 = 20, 010 = 30 }", "VLAN 10 becomes two others"),
    ] {
        refused(&with("stage.rewrite", &format!("vlan = {map}")), &["stage.rewrite[0].", says]);
    }
}

#[test]
fn a_nat_rule_maps_one_end() {
    let both = with("stage.nat", "src = \"192.0.2.0/24\"");
    refused(&both, &["stage.nat[0].src = \"192.0.2.0/24\": dst is there already", "two rules"]);
    let foreign = with("stage.nat", "src_port = 80");
    refused(&foreign, &["stage.nat[0].src_port = 80: not of the end that the rule maps"]);
    let slip = with("stage.nat", "srcport = 80");
    refused(&slip, &["stage.nat[0].srcport: unknown key; did you mean \"src_port\"?"]);
}

#[test]
fn a_nat_rule_that_cannot_be_undone_is_refused() {
    let addresses = |count| format!("to = [{}]", vec!["\"10.0.0.1\""; count].join(", "));
    for (line, parts) in [
        ("to = \"10.0.0.0/24\"", ["to = \"10.0.0.0/24\"", "another length; use /32"]),
        ("to = \"2001:db8::/32\"", ["203.0.113.10/32 cannot become 2001:db8::", "one IP version"]),
        ("to = []", ["stage.nat[0].to = []", "0 addresses to choose from; name 1 to 16"]),
        (&addresses(17), ["stage.nat[0].to", "17 addresses to choose from; name 1 to 16"]),
        ("to = [\"10.0.0\"]", ["stage.nat[0].to = \"10.0.0\"", "not an IPv4 or IPv6 address"]),
        ("to = [1]", ["stage.nat[0].to = 1", "a whole number where an IPv4 or IPv6 address"]),
        (
            "dst = \"203.0.113.0/24\"",
            ["stage.nat[0].to", "203.0.113.0/24 is more than one address"],
        ),
        ("dst_port = \"80-81\"", ["stage.nat[0].to_port", "only a single port becomes 8080"]),
    ] {
        refused(&with("stage.nat", line), &parts);
    }
}

#[test]
fn nat_rules_whose_replies_cannot_be_told_apart_are_refused() {
    let table = NAT.split_once("[[").unwrap().1.replace("113.10/", "113.11/");
    let twice = format!("{WIRE}{NAT}[[{table}");
    refused(&twice, &["stage.nat[1].to = ", "stage.nat[0] maps to the same addresses and ports"]);
    let other = format!("{WIRE}{NAT}[[{}", table.replace("8080", "8081"));
    assert_eq!(check(&other).1, 0, "{other}");
}

#[test]
fn at_most_64_nat_rules() {
    let rule = |port| {
        format!(
            "[[stage.nat]]\nfrom = \"eth1\"\ndst = \"203.0.113.10\"\ndst_port = {port}\nto = \"10.0.0.1\"\n"
        )
    };
    let rules = |count| (0..count).map(rule).collect::<String>();
    let text = |count| with("stage", "kind = \"nat\"\n") + &rules(count);
    assert_eq!(check(&text(64)).1, 0);
    refused(&text(65), &["stage.nat: 65 of them; at most 64"]);
}
