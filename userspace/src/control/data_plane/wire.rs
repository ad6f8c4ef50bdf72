//! Wire mode: two sockets over one packet memory for each worker, and helpers.

use std::os::fd::AsFd;
use std::sync::Arc;

use sluice_common::stage::AnyStage;

use super::super::netlink;
use super::super::protocol::{Opened, OpenedQueue, Setup};
use super::DataPlaneError;
use super::job::{Job, Line};
use super::open::{Maps, Ready, mtu_of, opened, queue_config, random_keys};
use super::switches::Switches;
use crate::config::{self, Config, MAX_QUEUES, Port, ZeroCopy};
use crate::pipeline::{Answers, NoHost, WireConfig, WireWorker};
use crate::steer::insert_socket;
use crate::xsk::{
    Beat, Binding, Heartbeat, OpenError, Pool, QueueConfig, Umem, XskPort, open_pair,
};

/// A worker of wire mode.
type Worker<'u> = WireWorker<'u, XskPort<'u>, NoHost, AnyStage>;

/// Sockets and workers. `copy` is why zero-copy cannot be had for both ports, once that is known.
pub(super) async fn open<'u>(
    config: &Config,
    setup: &Setup,
    memory: &'u [Umem],
    maps: [&Maps; 2],
    copy: Option<&str>,
) -> Result<Ready<'u>, DataPlaneError> {
    let handle = netlink::connect()?;
    let mut mtus = [0; 2];
    for (mtu, (port, port_setup)) in mtus.iter_mut().zip(config.ports.iter().zip(&setup.ports)) {
        (_, *mtu) = mtu_of(&handle, port, port_setup).await?;
    }
    let switches = Switches::new(config.offload.clone(), None);
    let common = WireConfig {
        queue: 0,
        gro: switches.offload(setup.features).coalescing(random_keys()?),
        mtus,
        translate: config.wire.translate,
        flows: config.wire.flows as usize,
        answers: answers(config),
        idle: config.worker.idle,
        fail_open: config.worker.fail_open,
    };
    let mut heartbeats = Vec::with_capacity(maps.len());
    for maps in maps {
        heartbeats.push(Arc::new(Heartbeat::map(maps.heartbeat.as_fd(), MAX_QUEUES)?));
    }
    let pairs = pairs(config, setup, memory, maps, copy)?;
    let stage = stage(config);
    let mut helpers = Helpers::for_workers(config, pairs.len());
    let (mut jobs, mut opened) = (Vec::new(), vec![Vec::new(), Vec::new()]);
    for Pair { pool, ports, queues } in pairs {
        let beat = |side: usize| -> Beat { heartbeats[side].beat(queues[side].queue) };
        let own = WireConfig { queue: queues[0].queue, ..common };
        let (mut worker, handle): (Worker<'u>, _) =
            WireWorker::new(own, pool, ports, NoHost, stage.clone(), [beat(0), beat(1)])?;
        helpers.hire(&mut worker, own.queue, &stage)?;
        jobs.push(Job { run: Box::new(|| worker.run()), line: Line::Wire(handle), core: None });
        opened.iter_mut().zip(queues).for_each(|(opened, queue)| opened.push(queue));
    }
    jobs.append(&mut helpers.jobs);
    let opened = Opened { udp_super_packets: switches.knows_udp(), ports: opened };
    Ok(Ready { jobs, resolver: None, switches, opened })
}

/// The stage that the configuration names.
pub(super) fn stage(_config: &Config) -> AnyStage {
    AnyStage::default()
}

/// How the configuration has senders answered.
pub(super) fn answers(config: &Config) -> Answers {
    let config::Wire { icmp_from, icmp_rate, .. } = config.wire;
    Answers { from: icmp_from, per_second: icmp_rate }
}

/// Workers without a queue, where there are to be more than queues.
struct Helpers<'u> {
    /// How many each of the first workers has, and how many workers have one more.
    each: usize,
    more: usize,
    jobs: Vec<Job<'u>>,
}

impl<'u> Helpers<'u> {
    fn for_workers(config: &Config, queues: usize) -> Self {
        let workers = config.worker.count.map_or(queues, |count| count as usize);
        let helpers = workers.saturating_sub(queues);
        Self { each: helpers / queues.max(1), more: helpers % queues.max(1), jobs: Vec::new() }
    }

    /// Gives the next worker its share.
    fn hire(
        &mut self,
        worker: &mut Worker<'u>,
        queue: u32,
        stage: &AnyStage,
    ) -> Result<(), DataPlaneError> {
        let one_more = usize::from(self.more > 0);
        self.more -= one_more;
        for _ in 0..self.each + one_more {
            let (helper, handle) = worker.helper(queue, stage.clone())?;
            let (run, line) = (Box::new(|| helper.run()), Line::Helper(handle));
            self.jobs.push(Job { run, line, core: None });
        }
        Ok(())
    }
}

/// The sockets of a worker.
struct Pair<'u> {
    pool: Pool<'u>,
    ports: [XskPort<'u>; 2],
    queues: [OpenedQueue; 2],
}

/// Two sockets a worker: bound, their fill rings filled, and then in the maps.
fn pairs<'u>(
    config: &Config,
    setup: &Setup,
    memory: &'u [Umem],
    maps: [&Maps; 2],
    copy: Option<&str>,
) -> Result<Vec<Pair<'u>>, DataPlaneError> {
    let [a, b] = &*config.ports else { unreachable!("a wire has two ports") };
    let (zero_copy, reason) = agreed(a, b, copy);
    // Those of one port come in several pieces, and leave so through the other.
    let multi_buffer = setup.ports.iter().any(|port| port.multi_buffer);
    let wanted = |port: &Port, queue| -> Result<QueueConfig, DataPlaneError> {
        Ok(QueueConfig { zero_copy, ..queue_config(port, queue, multi_buffer)? })
    };
    let mut pairs = Vec::with_capacity(memory.len());
    for (index, umem) in memory.iter().enumerate() {
        let queues = [setup.ports[0].queues[index], setup.ports[1].queues[index]];
        let (first, second) = (wanted(a, queues[0])?, wanted(b, queues[1])?);
        let mut pool = umem.pool();
        let (ports, binding) = open_pair(umem, &mut pool, [&first, &second])
            .map_err(|error| because(error, zero_copy))?;
        for ((maps, queue), port) in maps.iter().zip(queues).zip(&ports) {
            insert_socket(maps.xsks.as_fd(), queue, port.as_fd())?;
        }
        let bindings = bindings(binding, &a.iface, reason.as_deref());
        let [first, second] = bindings;
        let queues = [opened(queues[0], first, umem), opened(queues[1], second, umem)];
        pairs.push(Pair { pool, ports, queues });
    }
    Ok(pairs)
}

/// What the second port's driver lacks is no failure where copy mode would do.
fn because(error: OpenError, wanted: ZeroCopy) -> DataPlaneError {
    match error {
        OpenError::NoSharedZeroCopy { iface, errno, .. } if wanted == ZeroCopy::Auto => {
            DataPlaneError::NoSharedZeroCopy { iface, errno }
        }
        error => error.into(),
    }
}

/// Both ports are in zero-copy mode or neither is: which it is to be, and why not, where that is known.
fn agreed(a: &Port, b: &Port, copy: Option<&str>) -> (ZeroCopy, Option<String>) {
    let both = [a, b];
    if let Some(reason) = copy {
        return (ZeroCopy::Never, Some(reason.to_owned()));
    }
    if let Some(port) = both.iter().find(|port| port.zero_copy == ZeroCopy::Never) {
        return (ZeroCopy::Never, Some(format!("zero_copy = \"never\" for {}", port.iface)));
    }
    let always = both.iter().any(|port| port.zero_copy == ZeroCopy::Always);
    (if always { ZeroCopy::Always } else { ZeroCopy::Auto }, None)
}

/// What to say of both sockets, of which the first has `binding`.
fn bindings(binding: Binding, first: &str, agreed: Option<&str>) -> [Binding; 2] {
    let Binding { zero_copy, reason } = binding;
    let reasons = match (agreed, reason) {
        (Some(agreed), _) => [Some(agreed.to_owned()), Some(agreed.to_owned())],
        (None, Some(own)) => [Some(own.clone()), Some(format!("{first} shares its frames: {own}"))],
        (None, None) => [None, None],
    };
    reasons.map(|reason| Binding { zero_copy, reason })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn ports(zero_copy: [&str; 2]) -> Vec<Port> {
        let port = |number: usize, zero_copy: &str| {
            format!("[[port]]\niface = \"eth{number}\"\nzero_copy = \"{zero_copy}\"\n")
        };
        let text = format!("mode = \"wire\"\n{}{}", port(1, zero_copy[0]), port(2, zero_copy[1]));
        Config::parse(&text, Path::new("test.toml")).unwrap().ports
    }

    #[test]
    fn both_ports_are_in_the_mode_that_either_demands() {
        let agreed = |one, two, copy| {
            let ports = ports([one, two]);
            super::agreed(&ports[0], &ports[1], copy)
        };
        assert_eq!(agreed("auto", "auto", None), (ZeroCopy::Auto, None));
        assert_eq!(agreed("auto", "always", None), (ZeroCopy::Always, None));
        let (mode, reason) = agreed("auto", "never", None);
        assert_eq!((mode, &*reason.unwrap()), (ZeroCopy::Never, "zero_copy = \"never\" for eth2"));
        let (mode, reason) = agreed("auto", "auto", Some("eth2 has none"));
        assert_eq!((mode, &*reason.unwrap()), (ZeroCopy::Never, "eth2 has none"));
    }

    #[test]
    fn the_second_port_says_whose_driver_it_is_that_cannot() {
        let own = || Binding { zero_copy: false, reason: Some("the driver has none".into()) };
        let [first, second] = bindings(own(), "eth1", None);
        assert_eq!(first, own());
        let reason = second.reason.unwrap();
        assert_eq!(reason, "eth1 shares its frames: the driver has none");
        let zero_copy = Binding { zero_copy: true, reason: None };
        assert_eq!(bindings(zero_copy.clone(), "eth1", None), [zero_copy.clone(), zero_copy]);
    }

    #[test]
    fn helpers_are_shared_out_evenly() {
        let shares = |workers: u32, queues| {
            let text =
                format!("[[port]]\niface = \"a\"\nrss = \"manage\"\n[worker]\ncount = {workers}\n");
            let config = Config::parse(&text, Path::new("test.toml")).unwrap();
            let Helpers { each, more, .. } = Helpers::for_workers(&config, queues);
            (each, more)
        };
        assert_eq!(shares(2, 2), (0, 0));
        assert_eq!(shares(3, 2), (0, 1));
        assert_eq!(shares(7, 2), (2, 1));
    }
}
