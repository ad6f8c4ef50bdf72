//! AF_XDP sockets on an interface, with or without steering.

use std::net::IpAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use core_affinity::CoreId;
use nix::ifaddrs::getifaddrs;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::LinkAddr;
use sluice::config::{Transmit, XdpMode, ZeroCopy};
use sluice::control::nic::rss;
use sluice::steer::{Attached, Steering, insert_socket};
use sluice::xsk::{Beat, FrameCount, Heartbeat, QueueConfig, RingSize, Umem};
use sluice_common::classify::{Action, PortRange, Rule};
use sluice_common::wire::ethernet::Mac;

/// Frames of a queue: with rings of [`RING`], full ones of either direction and as many in hand.
pub const FRAMES: u32 = 8192;
/// Slots of every ring. A burst of the fastest generator here fills 2,048 in half a millisecond.
pub const RING: u32 = 2048;
/// How long a socket keeps getting packets without a sign of life. Whoever is stopped in a debugger, or starved of
/// its core for longer, gives them to the kernel.
const FAIL_OPEN: Duration = Duration::from_secs(1);

/// Which interface, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its name.
    pub iface: String,
    /// Where the XDP program is to run.
    pub xdp: XdpMode,
    /// Whether the frames are shared with the NIC.
    pub zero_copy: ZeroCopy,
}

impl Wanted {
    /// The configuration of one of its queues.
    #[must_use]
    pub fn queue(&self, queue: u32) -> QueueConfig {
        QueueConfig {
            iface: self.iface.clone(),
            queue,
            ring: ring(),
            zero_copy: self.zero_copy,
            transmit: Transmit::Ring,
            multi_buffer: false,
            busy_poll: None,
        }
    }

    /// Its number in this network namespace.
    ///
    /// # Errors
    /// Where there is none.
    pub fn index(&self) -> Result<u32> {
        let name = self.iface.as_str();
        if_nametoindex(name)
            .with_context(|| format!("no interface {name} in this network namespace"))
    }
}

/// The size of every ring.
///
/// # Panics
/// Never.
#[must_use]
pub fn ring() -> RingSize {
    RingSize::new(RING).expect("a power of two")
}

/// Packet memory for each of `queues` queues.
///
/// # Errors
/// Where the kernel does not give it.
///
/// # Panics
/// Never.
pub fn memory(queues: usize) -> Result<Vec<Umem>> {
    let frames = FrameCount::new(FRAMES).expect("a power of two");
    Ok(Umem::map(frames, ring(), queues)?)
}

/// How many receive queues `iface` serves.
///
/// # Errors
/// Where there is no such interface.
pub fn queues(iface: &str) -> Result<u32> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let queues = runtime.block_on(rss::queues(iface));
    Ok(queues?.now.receiving())
}

/// The link address of `iface`.
///
/// # Errors
/// Where there is no such interface, or it has none.
pub fn mac(iface: &str) -> Result<Mac> {
    let address = link_address(iface)?;
    address.addr().with_context(|| format!("{iface} has no link address"))
}

/// What a packet socket on `iface` is bound to.
///
/// # Errors
/// Where there is no such interface.
pub fn link_address(iface: &str) -> Result<LinkAddr> {
    let mut all = getifaddrs().context("cannot list the interfaces")?;
    let found = all.find_map(|entry| {
        let address = entry.address.filter(|_| entry.interface_name == iface)?;
        address.as_link_addr().copied()
    });
    found.with_context(|| format!("no interface {iface} in this network namespace"))
}

/// Keeps this thread on `core`.
///
/// # Errors
/// Where there is no such core for this process.
pub fn pin(core: usize) -> Result<()> {
    let usable = core_affinity::get_core_ids().unwrap_or_default();
    let usable: Vec<_> = usable.into_iter().map(|core| core.id).collect();
    ensure!(usable.contains(&core), "core {core} is not there: there are {usable:?}");
    ensure!(core_affinity::set_for_current(CoreId { id: core }), "cannot stay on core {core}");
    Ok(())
}

/// What is to be steered to the sockets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// TCP and UDP to this port.
    Port(u16),
    /// All there is but what never is steered, such as ARP.
    Everything,
}

impl Taken {
    fn rule(self) -> Rule {
        let dst_port = match self {
            Self::Port(port) => PortRange::new(port, port),
            Self::Everything => None,
        };
        Rule { dst_port, ..Rule::any(Action::Steer) }
    }
}

/// The XDP program with one rule, and its workers' signs of life.
#[derive(Debug)]
pub struct Steered {
    /// The program.
    pub steering: Steering,
    heartbeat: Arc<Heartbeat>,
}

impl Steered {
    /// Loads the program for `queues` queues. It is to be attached when the sockets are in.
    ///
    /// # Errors
    /// Where the kernel refuses.
    pub fn load(taken: Taken, queues: u32) -> Result<Self> {
        let mut steering = Steering::load()?;
        steering.set_rules(&[taken.rule()], FAIL_OPEN)?;
        let heartbeat = Arc::new(Heartbeat::map(steering.heartbeat_fd(), queues)?);
        Ok(Self { steering, heartbeat })
    }

    /// Gives what comes by `queue` to `socket`, and the sign of life that this takes.
    ///
    /// # Errors
    /// Where the kernel refuses.
    pub fn serve(&self, queue: u32, socket: &impl AsFd) -> Result<Beat> {
        insert_socket(self.steering.xsk_map_fd(), queue, socket.as_fd())?;
        Ok(self.heartbeat.beat(queue))
    }

    /// Attaches the program; it goes with this value.
    ///
    /// # Errors
    /// Where the kernel refuses, or another program is there.
    pub fn attach(&mut self, wanted: &Wanted) -> Result<Attached> {
        Ok(self.steering.attach(&wanted.iface, wanted.xdp)?)
    }
}

/// A link address as it is written.
///
/// # Errors
/// Where it is not written like that.
pub fn parse_mac(text: &str) -> Result<Mac> {
    let parts: Vec<_> = text.split(':').map(|part| u8::from_str_radix(part, 16)).collect();
    match parts[..] {
        [Ok(a), Ok(b), Ok(c), Ok(d), Ok(e), Ok(f)] => Ok([a, b, c, d, e, f]),
        _ => bail!("six bytes in hexadecimal: 02:00:00:00:00:01"),
    }
}

/// The addresses of a load where none are given: those for benchmarks (RFC 2544, RFC 5180), which no network uses.
#[must_use]
pub fn benchmark_addresses(is_ipv6: bool) -> [IpAddr; 2] {
    let v6 = |network| IpAddr::from([0x2001, 2, 0, network, 0, 0, 0, 1]);
    if is_ipv6 { [v6(0), v6(1)] } else { [[198, 18, 0, 1], [198, 19, 0, 1]].map(IpAddr::from) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_address_has_six_bytes() {
        assert_eq!(parse_mac("02:00:00:00:00:fF").unwrap(), [2, 0, 0, 0, 0, 255]);
        for bad in ["", "02:00:00:00:00", "02:00:00:00:00:00:00", "02:00:00:00:00:1ff", "a-b"] {
            assert!(parse_mac(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_core_that_is_not_there_is_named() {
        assert!(pin(100_000).unwrap_err().to_string().contains("core 100000"));
    }
}
