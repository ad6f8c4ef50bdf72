//! Opening everything that takes a privilege.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use core_affinity::CoreId;

use super::super::descriptors::MAPS;
use super::super::link::Link;
use super::super::netlink;
use super::super::next_hops::{self, Client, Resolver};
use super::super::protocol::{Opened, OpenedQueue, PortSetup, Setup};
use super::switches::{self, Switches};
use super::{DataPlaneError, cores};
use crate::config::{Config, MAX_QUEUES};
use crate::pipeline::{Handle, Worker, WorkerConfig};
use crate::steer::insert_socket;
use crate::tun;
use crate::xsk::{
    FRAME_MTU, FrameCount, Heartbeat, MAX_MTU, Pages, Pool, QueueConfig, RingSize, Umem, XskPort,
    open_queue,
};

/// A worker of host mode.
pub(super) type HostWorker<'u> = Worker<'u, XskPort<'u>, tun::Queue, Client>;

/// The XDP program's maps.
pub(super) struct Maps {
    pub(super) xsks: OwnedFd,
    pub(super) heartbeat: OwnedFd,
}

impl From<[OwnedFd; MAPS]> for Maps {
    fn from([xsks, heartbeat]: [OwnedFd; MAPS]) -> Self {
        Self { xsks, heartbeat }
    }
}

/// Everything open, nothing running.
pub(super) struct Ready<'u> {
    pub(super) workers: Vec<HostWorker<'u>>,
    pub(super) handles: Vec<Handle>,
    pub(super) cores: Vec<Option<CoreId>>,
    pub(super) resolver: Resolver,
    pub(super) switches: Switches,
    opened: Option<Opened>,
}

impl Ready<'_> {
    /// What the supervisor is to know.
    pub(super) fn take_opened(&mut self) -> Opened {
        let nothing = Opened { udp_super_packets: false, ports: Vec::new() };
        self.opened.take().unwrap_or(nothing)
    }
}

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
    let switches = Switches::new(config.offload.clone(), tun_control);
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
        workers.push(worker);
        handles.push(handle);
        queues.push(opened);
    }
    let udp_super_packets = switches.knows_udp();
    let opened = Some(Opened { udp_super_packets, ports: vec![queues] });
    Ok(Ready { workers, handles, cores, resolver, switches, opened })
}

/// The interface's MTU, which has to be one that the XDP program was loaded for.
fn checked_mtu(link: &Link, multi_buffer: bool) -> Result<u16, DataPlaneError> {
    let most = if multi_buffer { MAX_MTU } else { FRAME_MTU };
    match u16::try_from(link.mtu) {
        Ok(mtu) if usize::from(mtu) <= most => Ok(mtu),
        _ => Err(DataPlaneError::Mtu { iface: link.name.clone(), mtu: link.mtu, most }),
    }
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
    let settings = &config.ports[0];
    let mut sockets = Vec::with_capacity(memory.len());
    for (umem, &queue) in memory.iter().zip(&setup.queues) {
        let wanted = QueueConfig {
            iface: settings.iface.clone(),
            queue,
            ring: RingSize::new(settings.ring)?,
            zero_copy: settings.zero_copy,
            multi_buffer: setup.multi_buffer,
            busy_poll: settings.busy_poll.then_some(settings.busy_poll_budget),
        };
        let mut pool = umem.pool();
        let (port, binding) = open_queue(umem, &mut pool, &wanted)?;
        insert_socket(maps.xsks.as_fd(), queue, port.as_fd())?;
        let huge_pages = *umem.pages() == Pages::Huge;
        let (zero_copy, reason) = (binding.zero_copy, binding.reason);
        let opened = OpenedQueue { queue, zero_copy, reason, huge_pages };
        sockets.push(Socket { pool, port, opened });
    }
    Ok(sockets)
}

/// Keys nobody outside can know (G24).
fn random_keys() -> io::Result<[u64; 4]> {
    let mut keys = [0; 4];
    let mut random = File::open("/dev/urandom")?;
    for key in &mut keys {
        let mut bytes = [0; size_of::<u64>()];
        random.read_exact(&mut bytes)?;
        *key = u64::from_ne_bytes(bytes);
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g24_keys_are_drawn_anew() {
        assert_ne!(random_keys().unwrap(), random_keys().unwrap());
    }

    #[test]
    fn an_mtu_that_the_program_was_not_loaded_for_is_refused_with_the_command_that_helps() {
        let link = |mtu| Link { name: "eth1".into(), index: 2, mac: None, mtu, up: true };
        assert_eq!(checked_mtu(&link(1500), false).unwrap(), 1500);
        assert_eq!(checked_mtu(&link(9000), true).unwrap(), 9000);
        for (mtu, multi_buffer, most) in
            [(FRAME_MTU as u32 + 1, false, FRAME_MTU), (MAX_MTU as u32 + 1, true, MAX_MTU)]
        {
            let refused = checked_mtu(&link(mtu), multi_buffer).unwrap_err();
            let remedy = format!("`ip link set eth1 mtu {most}`");
            assert!(refused.to_string().contains(&remedy), "{refused}");
        }
    }
}
