//! Would a rule take the connections of the SSH server that this machine is administered through?

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::path::Path;

use sluice_common::classify::Action;

use crate::config::{PortRange, Proto, Rule};

/// Where SSH servers listen by convention; watched even when none is seen, because a socket-activated
/// server is no process yet and others' sockets are not shown to everyone.
const CONVENTION: u16 = 22;
/// `TCP_LISTEN` in `include/net/tcp_states.h`, as `/proc/net/tcp` writes it.
const LISTEN: &str = "0A";

/// One sentence for each rule that takes packets of an SSH server on this machine.
pub(super) fn warnings(rules: &[Rule]) -> Vec<String> {
    let ports = listening_ports(Path::new("/proc"));
    ports.into_iter().filter_map(|port| warning(rules, port)).collect()
}

/// The first rule that takes packets to TCP `port`, unless an earlier one lets all of them pass.
fn warning(rules: &[Rule], port: u16) -> Option<String> {
    for (index, rule) in rules.iter().enumerate().filter(|(_, rule)| matches_port(rule, port)) {
        let verb = match rule.action {
            Action::Pass if passes_everyone(rule) => return None,
            Action::Pass => continue,
            Action::Steer => "steers",
            Action::Drop => "drops",
        };
        return Some(format!(
            "rule[{index}] {verb} TCP port {port}, where an SSH server listens: administration may be \
             cut off; put a rule with proto = \"tcp\", dst_port = {port}, action = \"pass\" before it"
        ));
    }
    None
}

fn matches_port(rule: &Rule, port: u16) -> bool {
    let within = |range: PortRange| (range.first..=range.last).contains(&port);
    rule.proto != Some(Proto::Udp) && rule.dst_port.is_none_or(within)
}

/// Whether a rule asks for nothing but protocol and destination port.
fn passes_everyone(rule: &Rule) -> bool {
    rule.src.is_none() && rule.dst.is_none() && rule.src_port.is_none() && rule.vlan.is_none()
}

/// The TCP ports on which processes called `sshd` listen, and the conventional one.
fn listening_ports(proc: &Path) -> BTreeSet<u16> {
    let sockets = sshd_sockets(proc);
    let tables = ["net/tcp", "net/tcp6"].map(|table| fs::read_to_string(proc.join(table)));
    let lines = tables.iter().flatten().flat_map(|table| table.lines().skip(1));
    let listening = lines.filter_map(listener).filter(|(_, inode)| sockets.contains(inode));
    listening.map(|(port, _)| port).chain([CONVENTION]).collect()
}

/// Local port and inode of a listening socket, from its line in `/proc/net/tcp`.
fn listener(line: &str) -> Option<(u16, u64)> {
    let fields: Vec<_> = line.split_ascii_whitespace().collect();
    let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
    let port = u16::from_str_radix(local.rsplit(':').next()?, 16).ok()?;
    (*state == LISTEN).then_some(())?;
    Some((port, inode.parse().ok()?))
}

/// The inodes of the sockets that SSH servers hold, as far as this user may see them.
fn sshd_sockets(proc: &Path) -> HashSet<u64> {
    let processes = fs::read_dir(proc).into_iter().flatten().flatten().map(|entry| entry.path());
    let named_sshd = |process: &std::path::PathBuf| {
        fs::read_to_string(process.join("comm")).is_ok_and(|name| is_ssh_server(name.trim_end()))
    };
    let descriptors = processes.filter(named_sshd).filter_map(|p| fs::read_dir(p.join("fd")).ok());
    let links = descriptors.flatten().flatten().filter_map(|fd| fs::read_link(fd.path()).ok());
    links.filter_map(|link| socket_inode(link.to_str()?)).collect()
}

fn is_ssh_server(name: &str) -> bool {
    matches!(name, "sshd" | "dropbear" | "tinysshd")
}

/// `socket:[4711]` → 4711.
fn socket_inode(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(action: Action, dst_port: Option<(u16, u16)>) -> Rule {
        Rule {
            src: None,
            dst: None,
            proto: Some(Proto::Tcp),
            src_port: None,
            dst_port: dst_port.map(|(first, last)| PortRange { first, last }),
            vlan: None,
            action,
        }
    }

    #[test]
    fn a_range_that_holds_the_port_is_named() {
        let warned = warning(&[rule(Action::Steer, Some((1, 1023)))], 22).unwrap();
        assert!(warned.starts_with("rule[0] steers TCP port 22"), "{warned}");
    }

    #[test]
    fn a_rule_without_ports_takes_every_port() {
        assert!(warning(&[rule(Action::Drop, None)], 2222).unwrap().contains("drops"));
    }

    #[test]
    fn an_earlier_rule_that_passes_all_of_the_port_is_enough() {
        let rules = [rule(Action::Pass, Some((22, 22))), rule(Action::Steer, None)];
        assert_eq!(warning(&rules, 22), None);
    }

    #[test]
    fn an_earlier_rule_that_passes_some_of_the_port_is_not() {
        let mut partial = rule(Action::Pass, Some((22, 22)));
        partial.src = Some("10.0.0.0/8".parse().unwrap());
        let rules = [partial, rule(Action::Steer, None)];
        assert!(warning(&rules, 22).unwrap().starts_with("rule[1]"));
    }

    #[test]
    fn udp_and_other_ports_are_no_danger() {
        let mut udp = rule(Action::Steer, None);
        udp.proto = Some(Proto::Udp);
        assert_eq!(warning(&[udp, rule(Action::Steer, Some((5000, 6000)))], 22), None);
    }

    /// A `/proc` with one SSH server on port 2222 and one other server on port 80.
    #[test]
    fn the_server_is_found_by_its_name_and_its_socket() {
        let proc = tempfile::tempdir().unwrap();
        let at = |path: &str| proc.path().join(path);
        fs::create_dir_all(at("net")).unwrap();
        fs::create_dir_all(at("7/fd")).unwrap();
        fs::write(at("7/comm"), "sshd\n").unwrap();
        std::os::unix::fs::symlink("socket:[111]", at("7/fd/3")).unwrap();
        let line = |port: &str, state, inode| {
            format!(
                " 0: 00000000:{port} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000 0 0 {inode} 1\n"
            )
        };
        let table = format!(
            "header\n{}{}{}",
            line("08AE", "0A", 111),
            line("0050", "0A", 222),
            line("08AF", "01", 111)
        );
        fs::write(at("net/tcp"), table).unwrap();
        assert_eq!(listening_ports(proc.path()), BTreeSet::from([22, 2222]));
    }
}
