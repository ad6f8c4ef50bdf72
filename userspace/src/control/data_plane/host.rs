//! Host mode: a socket, a TUN queue and next hops for each worker.

use std::os::fd::AsFd;
use std::sync::Arc;

use super::super::netlink;
use super::super::next_hops::{self, Client};
use super::super::protocol::{Opened, OpenedQueue, PortSetup, Setup};
use super::DataPlaneError;
use super::job::{Job, Line};
use super::open::{Maps, Ready, mtu_of, opened, queue_config, random_keys};
use super::switches::{self, Switches};
use crate::config::{Config, MAX_QUEUES, Port};
use crate::pipeline::{Worker, WorkerConfig};
use crate::steer::insert_socket;
use crate::tun;
use crate::xsk::{Heartbeat, Pool, Umem, XskPort, open_queue};

/// A worker of host mode.
type HostWorker<'u> = Worker<'u, XskPort<'u>, tun::Queue, Client>;

/// Sockets, TUN device, next hops, workers.
pub(super) async fn open<'u>(
    config: &Config,
    setup: &Setup,
    memory: &'u [Umem],
    maps: &Maps,
) -> Result<Ready<'u>, DataPlaneError> {
    let (port, port_setup) = (&config.ports[0], &setup.ports[0]);
    let handle = netlink::connect()?;
    let (link, mtu) = mtu_of(&handle, port, port_setup).await?;
    let sockets = sockets(port, port_setup, memory, maps)?;
    let settings = tun::Settings {
        name: &config.host.tun,
        queues: sockets.len(),
        mtu,
        offloads: switches::tun_offloads(setup.features),
    };
    let (_, tun_control, tun_queues) = tun::Device::open(&settings)?;
    let (resolver, clients) = next_hops::open(&link, sockets.len())?;
    let heartbeat = Arc::new(Heartbeat::map(maps.heartbeat.as_fd(), MAX_QUEUES)?);
    let switches = Switches::new(config.offload.clone(), Some(tun_control));
    let gro = switches.offload(setup.features).coalescing(random_keys()?);
    let (mut jobs, mut queues) = (Vec::new(), Vec::new());
    for ((socket, host), hops) in sockets.into_iter().zip(tun_queues).zip(clients) {
        let Socket { pool, port, opened } = socket;
        let config = WorkerConfig {
            queue: opened.queue,
            gro,
            mtu: mtu.into(),
            idle: config.worker.idle,
            fail_open: config.worker.fail_open,
        };
        let beat = heartbeat.beat(opened.queue);
        let (worker, handle): (HostWorker<'u>, _) =
            Worker::new(config, pool, port, host, hops, beat)?;
        jobs.push(Job { run: Box::new(|| worker.run()), line: Line::Host(handle), core: None });
        queues.push(opened);
    }
    let opened = Opened { udp_super_packets: switches.knows_udp(), ports: vec![queues] };
    Ok(Ready { jobs, resolver: Some(resolver), switches, opened })
}

struct Socket<'u> {
    pool: Pool<'u>,
    port: XskPort<'u>,
    opened: OpenedQueue,
}

/// One socket a queue: bound, its fill ring filled, and then in the map.
fn sockets<'u>(
    port: &Port,
    setup: &PortSetup,
    memory: &'u [Umem],
    maps: &Maps,
) -> Result<Vec<Socket<'u>>, DataPlaneError> {
    let mut sockets = Vec::with_capacity(memory.len());
    for (umem, &queue) in memory.iter().zip(&setup.queues) {
        let wanted = queue_config(port, queue, setup.multi_buffer)?;
        let mut pool = umem.pool();
        let (port, binding) = open_queue(umem, &mut pool, &wanted)?;
        insert_socket(maps.xsks.as_fd(), queue, port.as_fd())?;
        sockets.push(Socket { pool, port, opened: opened(queue, binding, umem) });
    }
    Ok(sockets)
}
