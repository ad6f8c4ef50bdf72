//! Which queues are served, and whether there are as many as the workers want.

use super::super::nic::{Nic, rss};
use super::SupervisorError;
use super::served::Served;
use crate::config::{Config, MAX_QUEUES, Port, Queues, Rss};

/// The queues to serve of a port that the administrator sees to, each checked to be there.
pub(super) fn listed(port: &Port, nic: &Nic) -> Result<Vec<u32>, SupervisorError> {
    let (iface, queues) = (|| nic.iface.clone(), nic.queues);
    match &port.queues {
        Queues::All if queues > MAX_QUEUES => {
            Err(SupervisorError::TooManyQueues { iface: iface(), queues, most: MAX_QUEUES })
        }
        Queues::All => Ok((0..queues).collect()),
        Queues::List(list) => match list.iter().find(|&&queue| queue >= queues) {
            Some(&queue) => Err(SupervisorError::NoQueue { iface: iface(), queue, queues }),
            None => Ok(list.clone()),
        },
    }
}

/// What is known of a port's queues.
#[derive(Clone, Copy)]
struct Known {
    /// Whether Sluice sees to them.
    managed: bool,
    /// How many are served as things are.
    now: u32,
    /// How many there can be.
    most: u32,
}

/// How many queues each port is to have that Sluice sees to; `None` where there is no such port.
pub(super) async fn managed(config: &Config) -> Result<Option<u32>, SupervisorError> {
    if !config.ports.iter().any(|port| port.rss == Rss::Manage) {
        return Ok(None);
    }
    let mut known = Vec::with_capacity(config.ports.len());
    for port in &config.ports {
        let queues = rss::queues(&port.iface).await?;
        let now = match &port.queues {
            Queues::All => queues.now.receiving(),
            Queues::List(list) => list.len() as u32,
        };
        let managed = port.rss == Rss::Manage;
        known.push(Known { managed, now, most: queues.most_receiving().max(now) });
    }
    Ok(Some(wanted(config.worker.count, &known)))
}

/// As many as the other port has, where nobody changes that; else one for each worker, as far as both ports can.
/// What a single port cannot is for the one to say who makes its queues.
fn wanted(workers: Option<u32>, ports: &[Known]) -> u32 {
    let least = |of: fn(&Known) -> u32| ports.iter().map(of).min().unwrap_or(1).min(MAX_QUEUES);
    let (now, most) = (least(|port| port.now), least(|port| port.most));
    match ports.iter().find(|port| !port.managed) {
        Some(other) => other.now,
        None if ports.len() == 1 => workers.unwrap_or(now),
        None => workers.map_or(now, |workers| workers.min(most)),
    }
}

/// Whether workers can own these queues: one of each port, and each worker at least one.
pub(super) fn check(config: &Config, ports: &[Served]) -> Result<(), SupervisorError> {
    let counts: Vec<_> = ports.iter().map(|port| (port.iface(), port.queues.len())).collect();
    if let [a, b] = *counts
        && a.1 != b.1
    {
        let [(fewer, least), (more, most)] = if a.1 < b.1 { [a, b] } else { [b, a] };
        let (fewer, more) = (fewer.to_owned(), more.to_owned());
        return Err(SupervisorError::UnequalQueues { fewer, least, more, most });
    }
    let queues = counts.first().map_or(0, |(_, queues)| *queues);
    match config.worker.count {
        Some(workers) if (workers as usize) < queues => {
            Err(SupervisorError::TooFewWorkers { workers, queues })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn nic(queues: u32) -> Nic {
        Nic { iface: "eth1".into(), queues, ..Nic::default() }
    }

    #[test]
    fn queues_that_are_not_there_or_have_no_room_are_refused() {
        let config = |queues: &str| format!("[[port]]\niface = \"eth1\"\nqueues = {queues}\n");
        let listed = |queues: &str, nic: Nic| {
            let config = Config::parse(&config(queues), Path::new("test.toml")).unwrap();
            listed(&config.ports[0], &nic)
        };
        assert_eq!(listed("\"all\"", nic(3)).unwrap(), [0, 1, 2]);
        assert_eq!(listed("[2, 0]", nic(3)).unwrap(), [2, 0]);
        let refused = listed("[3]", nic(3)).unwrap_err();
        assert!(refused.to_string().contains("no queue 3: it has 3"), "{refused}");
        let refused = listed("\"all\"", nic(65)).unwrap_err();
        assert!(refused.to_string().contains("at most 64"), "{refused}");
    }

    #[test]
    fn as_many_queues_are_made_as_there_are_workers_and_both_ports_can_have() {
        let port = |managed, now, most| Known { managed, now, most };
        let both = [port(true, 4, 8), port(true, 2, 6)];
        assert_eq!(wanted(None, &both), 2, "as many as there are already");
        assert_eq!(wanted(Some(4), &both), 4);
        assert_eq!(wanted(Some(9), &both), 6, "the other workers help");
        let fixed = [port(true, 4, 8), port(false, 3, 6)];
        assert_eq!(wanted(Some(4), &fixed), 3, "what nobody changes");
        assert_eq!(wanted(Some(9), &[port(true, 4, 8)]), 9, "which its driver refuses");
        assert_eq!(wanted(None, &[port(true, 100, 100)]), MAX_QUEUES);
    }
}
