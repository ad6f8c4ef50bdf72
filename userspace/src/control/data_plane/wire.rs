//! Opening what wire mode takes: the same queue of both ports over one UMEM, for each worker.

use std::os::fd::AsFd;
use std::sync::Arc;

use sluice_common::Side;

use super::super::link::Link;
use super::super::netlink;
use super::super::nic::{Nic, xdp_capabilities};
use super::super::protocol::{Opened, OpenedQueue, Setup};
use super::open::{Maps, Ready, checked_mtu, queue_config, random_keys};
use super::settle::answers;
use super::switches::Switches;
use super::workers::{AnyWorker, PairWorker};
use super::{DataPlaneError, cores};
use crate::config::{Config, MAX_QUEUES, Port, ZeroCopy};
use crate::pipeline::{Handle, NoHost, WireConfig, WireWorker};
use crate::port::FramePort;
use crate::steer::insert_socket;
use crate::xsk::{
    FrameCount, Heartbeat, OpenError, Pages, Pool, RingSize, Umem, XskPort, open_pair,
};

/// The packet memory of every worker: as many frames as both ports are to have.
pub(super) fn memory(config: &Config, setup: &Setup) -> Result<Vec<Umem>, DataPlaneError> {
    let most = |of: fn(&Port) -> u32| config.ports.iter().map(of).max().unwrap_or(0);
    let (frames, ring) = (most(|port| port.frames), most(|port| port.ring));
    let (frames, ring) = (FrameCount::new(2 * frames)?, RingSize::new(ring)?);
    Ok(Umem::map(frames, ring, setup.ports[0].queues.len())?)
}

/// Sockets of both ports, workers, and their helpers. `copy` is why zero-copy cannot be had for both ports, once
/// binding has found that out.
pub(super) async fn everything<'u>(
    config: &Config,
    setup: &Setup,
    memory: &'u [Umem],
    maps: &[Maps],
    copy: Option<String>,
) -> Result<Ready<'u>, DataPlaneError> {
    let queues = setup.ports[0].queues.len();
    let workers = config.worker.count.map_or(queues, |count| queues.max(count as usize));
    let switches = Switches::new(config.offload.clone(), None);
    let template = WireConfig {
        queue: 0,
        gro: switches.offload(setup.features).coalescing(random_keys()?),
        mtus: mtus(config, setup).await?,
        translate: config.wire.translate,
        flows: config.wire.flows as usize,
        answers: answers(config),
        idle: config.worker.idle,
        fail_open: config.worker.fail_open,
    };
    let copy = match copy {
        None => without_zero_copy(&config.ports).await?,
        known => known,
    };
    let zero_copy = agreed(&config.ports, copy);
    let beats = heartbeats(maps)?;
    let mut ready = Ready {
        workers: Vec::with_capacity(workers),
        handles: Vec::with_capacity(workers),
        settlers: Vec::with_capacity(workers),
        cores: cores::assign(&config.worker.cores, workers)?,
        resolver: None,
        switches,
        opened: Opened { udp_super_packets: true, ports: vec![Vec::new(), Vec::new()] },
    };
    let mut pairs = Vec::with_capacity(queues);
    for (index, umem) in memory.iter().enumerate() {
        let served = Side::BOTH.map(|side| setup.ports[side.index()].queues[index]);
        let Pair { pool, ports, opened } = pair(config, setup, umem, served, &zero_copy)?;
        for (side, (port, opened)) in Side::BOTH.into_iter().zip(ports.iter().zip(opened)) {
            insert_socket(maps[side.index()].xsks.as_fd(), opened.queue, port.as_fd())?;
            ready.opened.ports[side.index()].push(opened);
        }
        let beats = Side::BOTH.map(|side| beats[side.index()].beat(served[side.index()]));
        let settings = WireConfig { queue: served[0], ..template };
        let (worker, handle) =
            WireWorker::new(settings, pool, ports, NoHost, config.stage.clone(), beats)?;
        let (handle, settler) = handle.into_parts();
        ready.handles.push(handle);
        ready.settlers.push(settler);
        pairs.push(worker);
    }
    add_helpers(config, &mut ready, &mut pairs, workers)?;
    let pairs = pairs.into_iter().map(|worker| AnyWorker::Wire(Box::new(worker)));
    ready.workers.splice(0..0, pairs);
    Ok(ready)
}

/// Workers beyond the queues help those that have one, in turn. Reports number them on from the highest queue.
fn add_helpers<'u>(
    config: &Config,
    ready: &mut Ready<'u>,
    pairs: &mut [PairWorker<'u>],
    workers: usize,
) -> Result<(), DataPlaneError> {
    let highest = ready.handles.iter().map(Handle::queue).max().unwrap_or(0);
    let owners = pairs.len();
    for (number, index) in (highest + 1..).zip(owners..workers) {
        let owner = &mut pairs[index % owners];
        let (helper, handle) = owner.helper(number, config.stage.clone())?;
        let (handle, settler) = handle.into_parts();
        ready.workers.push(AnyWorker::Helper(Box::new(helper)));
        ready.handles.push(handle);
        ready.settlers.push(settler);
    }
    Ok(())
}

/// The MTUs of both ports.
async fn mtus(config: &Config, setup: &Setup) -> Result<[u16; 2], DataPlaneError> {
    let handle = netlink::connect()?;
    let mut mtus = [0; 2];
    for side in Side::BOTH {
        let link = Link::find(&handle, &config.ports[side.index()].iface).await?;
        mtus[side.index()] = checked_mtu(&link, setup.ports[side.index()].multi_buffer)?;
    }
    Ok(mtus)
}

/// Why frames that both ports share are not to be shared with the NICs too, if one of their drivers cannot: it is
/// both or none. What a kernel does not tell, binding finds out.
async fn without_zero_copy(ports: &[Port]) -> Result<Option<String>, DataPlaneError> {
    for Port { iface, .. } in ports {
        let nic = Nic::find(iface).await?;
        let can = xdp_capabilities(&nic).await?;
        if can.reported && !can.zero_copy {
            return Ok(Some(format!(
                "the driver of {iface} has no zero-copy, and both ports share"
            )));
        }
        if !nic.sends_shared() {
            return handed_on_to(ports, iface).map(Some);
        }
    }
    Ok(None)
}

/// Why there is no zero-copy where the driver of `iface` drops what is handed on to it out of shared frames.
fn handed_on_to(ports: &[Port], iface: &str) -> Result<String, DataPlaneError> {
    if ports.iter().any(|port| port.zero_copy == ZeroCopy::Always) {
        return Err(DataPlaneError::DropsShared { iface: iface.to_owned() });
    }
    Ok(format!("the driver of {iface} drops what is handed on to it out of shared frames"))
}

fn heartbeats(maps: &[Maps]) -> Result<Vec<Arc<Heartbeat>>, DataPlaneError> {
    let heartbeat = |maps: &Maps| Heartbeat::map(maps.heartbeat.as_fd(), MAX_QUEUES).map(Arc::new);
    Ok(maps.iter().map(heartbeat).collect::<Result<_, _>>()?)
}

/// The sockets of a worker.
struct Pair<'u> {
    pool: Pool<'u>,
    ports: [XskPort<'u>; 2],
    opened: [OpenedQueue; 2],
}

/// Opens the queues `served` of both ports.
fn pair<'u>(
    config: &Config,
    setup: &Setup,
    umem: &'u Umem,
    served: [u32; 2],
    (zero_copy, why_not): &(ZeroCopy, Option<String>),
) -> Result<Pair<'u>, DataPlaneError> {
    // Sockets that share their frames take packets of several frames both, or none does.
    let multi_buffer = setup.ports.iter().any(|port| port.multi_buffer);
    let [mut a, mut b] = [
        queue_config(&config.ports[0], served[0], multi_buffer)?,
        queue_config(&config.ports[1], served[1], multi_buffer)?,
    ];
    (a.zero_copy, b.zero_copy) = (*zero_copy, *zero_copy);
    let mut pool = umem.pool();
    let (mut ports, binding) =
        open_pair(umem, &mut pool, [&a, &b]).map_err(|error| because(error, *zero_copy))?;
    let reason = why_not.clone().or(binding.reason);
    let huge_pages = *umem.pages() == Pages::Huge;
    let opened = Side::BOTH.map(|side| OpenedQueue {
        queue: served[side.index()],
        by_socket: ports[side.index()].socket().is_some(),
        zero_copy: binding.zero_copy,
        reason: reason.clone(),
        huge_pages,
    });
    Ok(Pair { pool, ports, opened })
}

/// Both ports are in zero-copy mode or none is: which it is to be, and why not, where that is known. `copy` is what
/// keeps one of them from it.
fn agreed(ports: &[Port], copy: Option<String>) -> (ZeroCopy, Option<String>) {
    let wants = |wanted| ports.iter().find(|port| port.zero_copy == wanted);
    if let Some(port) = wants(ZeroCopy::Never) {
        return (ZeroCopy::Never, Some(format!("zero_copy = \"never\" for {}", port.iface)));
    }
    match copy {
        _ if wants(ZeroCopy::Always).is_some() => (ZeroCopy::Always, None),
        Some(copy) => (ZeroCopy::Never, Some(copy)),
        None => (ZeroCopy::Auto, None),
    }
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use nix::errno::Errno;

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
        let copy = || Some("eth2 has none".to_owned());
        let mode = |wanted, copy| agreed(&ports(wanted), copy);
        assert_eq!(mode(["auto", "auto"], None), (ZeroCopy::Auto, None));
        assert_eq!(mode(["auto", "auto"], copy()), (ZeroCopy::Never, copy()));
        assert_eq!(mode(["auto", "always"], copy()), (ZeroCopy::Always, None), "which is refused");
        let (never, reason) = mode(["auto", "never"], None);
        assert_eq!((never, &*reason.unwrap()), (ZeroCopy::Never, "zero_copy = \"never\" for eth2"));
    }

    #[test]
    fn a_wire_that_could_hand_nothing_on_has_no_zero_copy_and_none_may_be_demanded() {
        let reason = handed_on_to(&ports(["auto", "never"]), "eth1").unwrap();
        assert!(reason.contains("eth1 drops what is handed on"), "{reason}");
        let refused = handed_on_to(&ports(["auto", "always"]), "eth1").unwrap_err();
        assert!(refused.to_string().contains("set `zero_copy = \"auto\"`"), "{refused}");
    }

    #[test]
    fn a_second_port_without_zero_copy_is_a_failure_where_it_is_demanded() {
        let [iface, other] = ["eth2", "eth1"].map(str::to_owned);
        let lack = || OpenError::NoSharedZeroCopy {
            iface: iface.clone(),
            other: other.clone(),
            errno: Errno::EINVAL,
        };
        let auto = because(lack(), ZeroCopy::Auto);
        assert!(matches!(auto, DataPlaneError::NoSharedZeroCopy { .. }), "{auto}");
        assert!(auto.to_string().starts_with("eth2 has no zero-copy (EINVAL"), "{auto}");
        let always = because(lack(), ZeroCopy::Always);
        assert!(matches!(always, DataPlaneError::Open(_)), "{always}");
    }
}
