//! The TUN network device.

use std::io;
use std::path::Path;

use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use tun_rs::{DeviceBuilder, Layer, SyncDevice};

use super::{Control, Offloads, Queue, TunError, ioctl};

/// The most queues a TUN device has (`MAX_TAP_QUEUES`, linux/if_tap.h; tun.c uses the same).
pub const MAX_QUEUES: usize = 256;

/// Packets that wait in each queue for its worker, as many as the NIC whose traffic this is keeps by
/// default (`DEFAULT_TX_QUEUE_LEN`). The driver drops what does not fit: a shorter queue loses more in
/// one busy turn, a much longer one hides a stalled worker behind latency.
const QUEUE_LEN: u32 = 1000;

/// How a device is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings<'a> {
    /// Name of the device; there must be none of this name yet.
    pub name: &'a str,
    /// Number of queues, one for each worker, 1 to [`MAX_QUEUES`].
    pub queues: usize,
    /// Largest IP packet in bytes: the NIC's, so that local sockets choose the segment size they
    /// would choose for it.
    pub mtu: u16,
    /// What is taken from the kernel unfinished.
    pub offloads: Offloads,
}

/// A TUN device that is open and down. It lives as long as one of its queues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// Its interface index.
    pub index: u32,
    /// Its MTU in bytes.
    pub mtu: u16,
}

impl Device {
    /// Makes the device in the calling thread's network namespace, opens its queues, and keeps a hold on its
    /// offloads.
    ///
    /// # Errors
    /// [`TunError`] says what is missing and how to get it.
    pub fn open(settings: &Settings<'_>) -> Result<(Self, Control, Vec<Queue>), TunError> {
        check(settings)?;
        let first = create(settings)?;
        let index = first.if_index().map_err(|source| open_error(settings, 0, source))?;
        let mut queues = Vec::with_capacity(settings.queues);
        for queue in 1..settings.queues {
            queues.push(first.try_clone().map_err(|source| open_error(settings, queue, source))?);
        }
        queues.insert(0, first);
        let control = configure(settings, &queues)?;
        let device = Self { name: settings.name.to_owned(), index, mtu: settings.mtu };
        let takes_udp = control.knows_udp();
        let queues = queues.into_iter().map(|queue| Queue::new(queue, takes_udp)).collect();
        Ok((device, control, queues))
    }
}

/// Finds what can be said without asking the driver, which would answer with a bare `EINVAL`, or, for
/// another program's multi-queue TUN device of this name, with a queue of that.
fn check(settings: &Settings<'_>) -> Result<(), TunError> {
    let name = settings.name;
    if !is_interface_name(name) {
        return Err(TunError::BadName { name: name.to_owned() });
    }
    if !(1..=MAX_QUEUES).contains(&settings.queues) {
        return Err(TunError::QueueCount { queues: settings.queues });
    }
    if if_nametoindex(name).is_ok() {
        return Err(TunError::NameTaken { name: name.to_owned() });
    }
    if !Path::new("/dev/net/tun").exists() {
        return Err(TunError::NoDriver);
    }
    Ok(())
}

/// The kernel's own test (`dev_valid_name`), and no `%`, which asks it to number the device.
fn is_interface_name(name: &str) -> bool {
    (1..=15).contains(&name.len())
        && name != "."
        && name != ".."
        && !name.contains(|c: char| matches!(c, '/' | ':' | '%') || c.is_ascii_whitespace())
}

fn create(settings: &Settings<'_>) -> Result<SyncDevice, TunError> {
    DeviceBuilder::new()
        .name(settings.name)
        .layer(Layer::L3)
        .multi_queue(true)
        // Stands for IFF_VNET_HDR; which offloads are taken is said again in `configure`.
        .offload(true)
        .mtu(settings.mtu)
        .tx_queue_len(QUEUE_LEN)
        // Down: the supervisor sets it up when its sysctls are set.
        .inherit_enable_state()
        .build_sync()
        .map_err(|source| open_error(settings, 0, source))
}

fn configure(settings: &Settings<'_>, queues: &[SyncDevice]) -> Result<Control, TunError> {
    let error = |what: &str, source| TunError::Configure {
        name: settings.name.to_owned(),
        what: what.to_owned(),
        source,
    };
    for queue in queues {
        queue.set_nonblocking(true).map_err(|source| error("non-blocking mode", source))?;
    }
    // The header size and the offloads belong to the device, not to a queue; opening each queue has
    // set tun-rs's choice of offloads, so ours comes last.
    let any = &queues[0];
    ioctl::set_vnet_header_size(any).map_err(|source| error("vnet header size 10", source))?;
    Control::open(any, settings.offloads).map_err(|source| error("offloads", source))
}

fn open_error(settings: &Settings<'_>, queue: usize, source: io::Error) -> TunError {
    let name = settings.name.to_owned();
    match source.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EPERM | Errno::EACCES) => TunError::Permission { name },
        Some(Errno::ENODEV | Errno::ENXIO | Errno::ENOENT) => TunError::NoDriver,
        // Someone was faster than `check`.
        Some(Errno::EBUSY | Errno::EEXIST) if queue == 0 => TunError::NameTaken { name },
        _ => TunError::Open { name, queue, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(name: &str, queues: usize) -> Settings<'_> {
        Settings { name, queues, mtu: 1500, offloads: Offloads::ALL }
    }

    #[test]
    fn a_name_the_kernel_would_refuse_or_number_is_refused_by_name() {
        for name in ["", "sixteen-bytes-xx", "a/b", "a:b", "a b", "tun%d", ".", ".."] {
            let refused = Device::open(&settings(name, 1)).unwrap_err();
            assert!(matches!(refused, TunError::BadName { .. }), "{name:?}: {refused}");
        }
        assert!(is_interface_name("fifteen-bytes-x"));
    }

    #[test]
    fn a_queue_count_out_of_range_is_refused_with_the_range() {
        for queues in [0, MAX_QUEUES + 1] {
            let refused = Device::open(&settings("sluice-none", queues)).unwrap_err();
            assert!(refused.to_string().contains("1 to 256"), "{refused}");
        }
    }

    #[test]
    fn an_existing_interface_is_not_joined() {
        let refused = Device::open(&settings("lo", 1)).unwrap_err();
        assert!(matches!(refused, TunError::NameTaken { .. }), "{refused}");
        assert!(refused.to_string().contains("ip link delete lo"));
    }

    #[test]
    fn a_missing_permission_or_driver_says_the_remedy() {
        let settings = settings("sluice0", 1);
        let permission = open_error(&settings, 0, Errno::EPERM.into());
        assert!(permission.to_string().contains("CAP_NET_ADMIN"), "{permission}");
        let driver = open_error(&settings, 0, Errno::ENODEV.into());
        assert!(driver.to_string().contains("modprobe tun"), "{driver}");
    }
}
