//! The tables there is at most one of: `[worker]`, `[host]`, `[offload]`, `[control]`.

use std::path::PathBuf;
use std::time::Duration;

use sluice_common::offload::Profile;
use sluice_common::wire::{TunnelPorts, geneve, vxlan};

use super::port::{interface, numbers};
use super::table::{Entry, Table};
use super::{
    Control, Cores, Flush, Host, Idle, MAX_QUEUES, Mode, Offload, Port, Routes, Rss, RxChecksum,
    Worker,
};

/// Routing table and priority of the policy rules where the file names none: unlikely to be anyone
/// else's, and in front of the main table's rule at 32766.
const DEFAULT_TABLE: u32 = 5154;
/// Two families, two protocols and up to 64 rules take up to 256 priorities in a row, all of which must
/// come before the main table's 32766.
const HIGHEST_PRIORITY: u64 = 32_000;
/// A `sockaddr_un` holds 107 bytes and a zero.
const LONGEST_SOCKET_PATH: usize = 107;
/// Highest CPU number any Linux kernel is built for (`NR_CPUS`).
const HIGHEST_CPU: u64 = 8191;

pub(super) fn worker(table: Table<'_>, mode: Mode, ports: &[Port]) -> Worker {
    let idle = [("spin", Idle::Spin), ("adaptive", Idle::Adaptive), ("interrupt", Idle::Interrupt)];
    let worker = Worker {
        count: count(&table),
        cores: cores(&table),
        idle: table.choice("idle", Idle::Adaptive, &idle),
        // Below 10 ms a worker that is only scheduled out for a moment would lose its flows; above 10 s
        // a dead one would keep them too long for TCP.
        fail_open: Duration::from_millis(table.integer("fail_open_ms", 100, 10..=10_000)),
    };
    // Without, a worker more than there are queues has nothing to do, and one less leaves a queue alone.
    let makes_queues = ports.iter().any(|port| port.rss == Rss::Manage);
    if worker.count.is_some() && mode != Mode::Wire && !makes_queues {
        let message = format!(
            "one worker serves one queue in mode {:?}: \"auto\" is wanted, or rss = \"manage\" in [[port]] to \
             have as many queues",
            mode.word()
        );
        table.problem("count", message);
    }
    table.finish();
    worker
}

fn count(table: &Table<'_>) -> Option<u32> {
    let most = u64::from(MAX_QUEUES);
    let entry = table.get("count")?;
    match entry.value.as_str() {
        Some("auto") => return None,
        None if entry.value.is_integer() => {}
        _ => {
            let wanted = format!("\"auto\" or a whole number from 1 to {most}");
            table.not_wanted("count", &entry, &wanted);
            return None;
        }
    }
    table.integer_in("count", &entry, &(1..=most)).map(|count| count as u32)
}

fn cores(table: &Table<'_>) -> Cores {
    let wanted = "\"auto\" or a list of CPU numbers";
    let Some(entry) = table.get("cores") else { return Cores::Auto };
    if entry.value.as_str() == Some("auto") {
        return Cores::Auto;
    }
    let Some(items) = Table::list(&entry) else {
        table.not_wanted("cores", &entry, wanted);
        return Cores::Auto;
    };
    let list: Vec<u64> = numbers(table, "cores", &entry, items, HIGHEST_CPU);
    Cores::List(list.into_iter().map(|core| core as usize).collect())
}

pub(super) fn host(table: Table<'_>, ports: &[Port]) -> Host {
    let routes = [("mirror", Routes::Mirror), ("none", Routes::None)];
    let host = Host {
        tun: interface(&table, "tun", Some("sluice0")),
        routes: table.choice("routes", Routes::Mirror, &routes),
        table: table.integer("table", DEFAULT_TABLE.into(), 1..=u64::from(u32::MAX - 1)) as u32,
        priority: table.integer("priority", DEFAULT_TABLE.into(), 1..=HIGHEST_PRIORITY) as u32,
    };
    if ports.iter().any(|port| port.iface == host.tun) {
        table.problem("tun", "the name of a [[port]]; the TUN device needs one of its own");
    }
    if matches!(host.table, 253..=255) {
        table.problem("table", "the kernel's own (253 default, 254 main, 255 local); take another");
    }
    table.finish();
    host
}

pub(super) fn offload(table: Table<'_>, mode: Mode) -> Offload {
    let profiles = [
        ("linux", Profile::Linux),
        ("linux-6.12", Profile::Linux612),
        ("accecn", Profile::AccEcn),
        ("lro", Profile::Lro),
        ("reorder", Profile::Reorder),
    ];
    let checksums = [
        ("verify", RxChecksum::Verify),
        ("trust", RxChecksum::Trust),
        ("partial", RxChecksum::Partial),
    ];
    let offload = Offload {
        gro: table.boolean("gro", true),
        udp_gro: table.boolean("udp_gro", true),
        tso: table.boolean("tso", true),
        uso: table.boolean("uso", true),
        profile: table.choice("profile", Profile::Linux, &profiles),
        flush: flush(&table),
        // The smallest size every IPv4 host must take (RFC 791) to the largest IPv4 can say.
        max_size: table.integer("max_size", 65_535, 576..=65_535) as u32,
        rx_checksum: table.choice("rx_checksum", RxChecksum::Verify, &checksums),
        tunnel_ports: tunnel_ports(&table),
    };
    if mode == Mode::Wire && !offload.profile.is_reversible() {
        let reason = "not for mode \"wire\": what it merges cannot be given back as it came, and packets \
                      that are forwarded have to be; take another";
        table.problem("profile", reason);
    }
    table.finish();
    offload
}

fn tunnel_ports(table: &Table<'_>) -> TunnelPorts {
    let vxlan = udp_ports(table, "vxlan_ports", vxlan::PORT);
    let geneve = udp_ports(table, "geneve_ports", geneve::PORT);
    if let Some(port) = geneve.iter().find(|port| vxlan.contains(port)) {
        table.problem(
            "geneve_ports",
            format!("{port} is in vxlan_ports too; a port carries one of them"),
        );
    }
    TunnelPorts::new(&vxlan, &geneve).unwrap_or_default()
}

/// An empty list says that there are no such tunnels.
fn udp_ports(table: &Table<'_>, key: &'static str, default: u16) -> Vec<u16> {
    let Some(entry) = table.get(key) else { return vec![default] };
    let Some(items) = Table::list(&entry) else {
        table.wrong_type(key, &entry, "a list of UDP ports");
        return Vec::new();
    };
    if items.len() > TunnelPorts::MAX {
        let message = format!("{} ports; no more than {}", items.len(), TunnelPorts::MAX);
        table.problem_at(key, entry.span.clone(), message);
    }
    let range = 1..=u16::MAX.into();
    let port = |item: &Entry<'_>| table.integer_in(key, item, &range);
    items.iter().filter_map(port).map(|port| port as u16).collect()
}

fn flush(table: &Table<'_>) -> Flush {
    // A second is longer than any retransmission timer waits for its acknowledgement.
    const LONGEST: u64 = 1_000_000;
    let wanted = "\"adaptive\" or microseconds from 0 (end of every burst) to 1000000";
    let Some(entry) = table.get("flush_timeout_us") else { return Flush::Adaptive };
    match entry.value.as_str() {
        Some("adaptive") => return Flush::Adaptive,
        None if entry.value.is_integer() => {}
        _ => {
            table.not_wanted("flush_timeout_us", &entry, wanted);
            return Flush::Adaptive;
        }
    }
    match table.integer_in("flush_timeout_us", &entry, &(0..=LONGEST)) {
        Some(0) => Flush::EndOfBurst,
        Some(micros) => Flush::After(Duration::from_micros(micros)),
        None => Flush::Adaptive,
    }
}

pub(super) fn control(table: Table<'_>) -> Control {
    let control = Control {
        socket: path(&table, "socket", "/run/sluice/control.sock"),
        state_dir: path(&table, "state_dir", "/run/sluice"),
    };
    if control.socket.as_os_str().len() > LONGEST_SOCKET_PATH {
        table.problem("socket", "longer than the 107 bytes a unix socket's path may have");
    }
    table.finish();
    control
}

fn path(table: &Table<'_>, key: &'static str, default: &str) -> PathBuf {
    let path = PathBuf::from(table.text(key, "an absolute path").unwrap_or(default));
    if !path.is_absolute() {
        table.problem(key, "not an absolute path, one that begins with '/'");
    }
    path
}
