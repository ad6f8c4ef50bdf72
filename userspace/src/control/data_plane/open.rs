//! Opening everything that takes a privilege.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;

use core_affinity::CoreId;
use sluice_common::stage::AnyStage;

use super::super::descriptors::MAPS;
use super::super::link::Link;
use super::super::next_hops::Resolver;
use super::super::protocol::{Opened, Setup};
use super::switches::Switches;
use super::workers::AnyWorker;
use super::{DataPlaneError, host, wire};
use crate::config::{Config, Mode, Port};
use crate::pipeline::{Handle, Settler};
use crate::xsk::{FRAME_MTU, MAX_MTU, QueueConfig, RingSize, Umem};

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
    pub(super) workers: Vec<AnyWorker<'u>>,
    pub(super) handles: Vec<Handle>,
    /// How the workers of wire mode are given another stage.
    pub(super) settlers: Vec<Settler<AnyStage>>,
    pub(super) cores: Vec<Option<CoreId>>,
    /// Keeps next hops current, in host mode.
    pub(super) resolver: Option<Resolver>,
    pub(super) switches: Switches,
    /// What the supervisor is to know.
    pub(super) opened: Opened,
}

/// The packet memory of every worker.
pub(super) fn memory(config: &Config, setup: &Setup) -> Result<Vec<Umem>, DataPlaneError> {
    match config.mode {
        Mode::Wire => wire::memory(config, setup),
        Mode::Host | Mode::Reflect | Mode::Sink => host::memory(config, setup),
    }
}

/// Sockets, devices, workers. `copy` is why zero-copy cannot be had for both ports of a wire, once that is known.
pub(super) async fn everything<'u>(
    config: &Config,
    setup: &Setup,
    memory: &'u [Umem],
    maps: &[Maps],
    copy: Option<String>,
) -> Result<Ready<'u>, DataPlaneError> {
    match config.mode {
        Mode::Wire => wire::everything(config, setup, memory, maps, copy).await,
        Mode::Host | Mode::Reflect | Mode::Sink => {
            host::everything(config, setup, memory, maps).await
        }
    }
}

/// The interface's MTU, which has to be one that the XDP program was loaded for.
pub(super) fn checked_mtu(link: &Link, multi_buffer: bool) -> Result<u16, DataPlaneError> {
    let most = if multi_buffer { MAX_MTU } else { FRAME_MTU };
    match u16::try_from(link.mtu) {
        Ok(mtu) if usize::from(mtu) <= most => Ok(mtu),
        _ => Err(DataPlaneError::Mtu { iface: link.name.clone(), mtu: link.mtu, most }),
    }
}

/// How a queue of `port` is to be opened.
pub(super) fn queue_config(
    port: &Port,
    queue: u32,
    multi_buffer: bool,
) -> Result<QueueConfig, DataPlaneError> {
    Ok(QueueConfig {
        iface: port.iface.clone(),
        queue,
        ring: RingSize::new(port.ring)?,
        zero_copy: port.zero_copy,
        transmit: port.transmit,
        multi_buffer,
        busy_poll: port.busy_poll.then_some(port.busy_poll_budget),
    })
}

/// Keys nobody outside can know (G24).
pub(super) fn random_keys() -> io::Result<[u64; 4]> {
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
