//! Opening what host mode takes: one socket a queue, the TUN device, next hops.

use std::os::fd::AsFd;
use std::sync::Arc;

use super::super::link::Link;
use super::super::netlink;
use super::super::next_hops;
use super::super::protocol::{Opened, OpenedQueue, PortSetup, Setup};
use super::open::{Maps, Ready, checked_mtu, queue_config, random_keys};
use super::switches::{self, Switches};
use super::workers::AnyWorker;
use super::{DataPlaneError, cores};
use crate::config::{Config, MAX_QUEUES};
use crate::pipeline::{Worker, WorkerConfig};
use crate::port::FramePort;
use crate::steer::insert_socket;
use crate::tun;
use crate::xsk::{FrameCount, Heartbeat, Pages, Pool, RingSize, Umem, XskPort, open_queue};

/// The packet memory of every queue.
pub(super) fn memory(config: &Config, setup: &Setup) -> Result<Vec<Umem>, DataPlaneError> {
    let port = &config.ports[0];
    let (frames, ring) = (FrameCount::new(port.frames)?, RingSize::new(port.ring)?);
    Ok(Umem::map(frames, ring, setup.ports[0].queues.len())?)
}

/// Sockets, TUN device, next hops, workers.
pub(super) async fn everything<'u>(
    config: &Config,
    setup: &Setup,
    memory: &'u [Umem],
    maps: &[Maps],
) -> Result<Ready<'u>, DataPlaneError> {
    let (port, maps) = (&setup.ports[0], &maps[0]);
    let handle = netlink::connect()?;
    let link = Link::find(&handle, &config.ports[0].iface).await?;
    let mtu = checked_mtu(&link, port.multi_buffer)?;
    let cores = cores::assign(&config.worker.cores, port.queues.len())?;
    let sockets = sockets(config, port, memory, maps)?;
    let settings = tun::Settings {
        name: &config.host.tun,
        queues: port.queues.len(),
        mtu,
        offloads: switches::tun_offloads(setup.features),
    };
    let (_, tun_control, tun_queues) = tun::Device::open(&settings)?;
    let (resolver, clients) = next_hops::open(&link, port.queues.len())?;
    let heartbeat = Arc::new(Heartbeat::map(maps.heartbeat.as_fd(), MAX_QUEUES)?);
    let switches = Switches::new(config.offload.clone(), Some(tun_control));
    let gro = switches.offload(setup.features).coalescing(random_keys()?);
    let (mut workers, mut handles, mut queues) = (Vec::new(), Vec::new(), Vec::new());
    for (((socket, host), hops), &queue) in
        sockets.into_iter().zip(tun_queues).zip(clients).zip(&port.queues)
    {
        let config = WorkerConfig {
            queue,
            gro,
            mtu: mtu.into(),
            idle: config.worker.idle,
            fail_open: config.worker.fail_open,
        };
        let Socket { pool, port, opened } = socket;
        let (worker, handle) = Worker::new(config, pool, port, host, hops, heartbeat.beat(queue))?;
        workers.push(AnyWorker::Host(Box::new(worker)));
        handles.push(handle);
        queues.push(opened);
    }
    let udp_super_packets = switches.knows_udp();
    let opened = Opened { udp_super_packets, ports: vec![queues] };
    let resolver = Some(resolver);
    Ok(Ready { workers, handles, settlers: Vec::new(), cores, resolver, switches, opened })
}

struct Socket<'u> {
    pool: Pool<'u>,
    port: XskPort<'u>,
    opened: OpenedQueue,
}

/// One socket a queue: bound, its fill ring filled, and then in the map.
fn sockets<'u>(
    config: &Config,
    setup: &PortSetup,
    memory: &'u [Umem],
    maps: &Maps,
) -> Result<Vec<Socket<'u>>, DataPlaneError> {
    let mut sockets = Vec::with_capacity(memory.len());
    for (umem, &queue) in memory.iter().zip(&setup.queues) {
        let wanted = queue_config(&config.ports[0], queue, setup.multi_buffer)?;
        let mut pool = umem.pool();
        let (mut port, binding) = open_queue(umem, &mut pool, &wanted)?;
        insert_socket(maps.xsks.as_fd(), queue, port.as_fd())?;
        let huge_pages = *umem.pages() == Pages::Huge;
        let by_socket = port.socket().is_some();
        let (zero_copy, reason) = (binding.zero_copy, binding.reason);
        let opened = OpenedQueue { queue, zero_copy, reason, by_socket, huge_pages };
        sockets.push(Socket { pool, port, opened });
    }
    Ok(sockets)
}
