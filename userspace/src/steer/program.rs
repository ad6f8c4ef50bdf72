//! The loaded program and its maps.

use std::fmt;
use std::num::NonZeroU32;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use aya::maps::{Array, DevMap, Map, MapData, MapError};
use aya::programs::{ProgramError, TestRun, TestRunAttrs, TestRunOptions, TestRunResult, Xdp};
use aya::{Ebpf, EbpfLoader};
use nix::errno::Errno;
use sluice_common::abi::{self, Generation, Settings};
use sluice_common::classify::{Compiled, Rule, Tables};
use sluice_common::wire::Protocol;

use super::attach::{Attached, Attachment};
use super::counters::{CounterMaps, SteerCounters};
use super::error::errno;
use super::tables::RuleMaps;
use super::{OBJECT, Peer, SteerError, object, peer};
use crate::config::XdpMode;

/// How often the verifier is asked. libbpf asks five times (`PROG_LOAD_ATTEMPTS`, libbpf_internal.h); on a busy machine a
/// process with many children that end meanwhile, a signal each, has been refused as often. An attempt takes
/// milliseconds.
const VERIFIED_AT_MOST: usize = 50;

/// Packets that the kernel handles before it flushes what was redirected, when it repeats one. As many as a
/// driver's poll has.
const LIVE_BATCH: u32 = 64;

/// Which of the two programs: they differ in nothing but what packets they are given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Buffers {
    /// Each packet is in one buffer.
    #[default]
    One,
    /// A packet may span several, and all sockets are able to take it so. Only where the MTU needs it:
    /// drivers go by it, some set their queues up in another way, some refuse.
    Several,
}

impl Buffers {
    const fn program(self) -> &'static str {
        match self {
            Self::One => abi::PROGRAM,
            Self::Several => abi::PROGRAM_FRAGS,
        }
    }
}

/// The XDP program in the kernel: its rules, its counters and its attachment. What it holds goes with it,
/// however this process ends: program, maps and attachment live as long as somebody has them open.
pub struct Steering {
    // Before the program: the attachment goes first.
    attachment: Option<Attachment>,
    /// Where it was attached last, and how that was asked for.
    target: Option<(String, XdpMode)>,
    ebpf: Ebpf,
    buffers: Buffers,
    rules: RuleMaps,
    counters: CounterMaps,
    xsk_map: OwnedFd,
    heartbeat_map: OwnedFd,
    heartbeat: Array<MapData, u64>,
    peer_map: DevMap<MapData>,
    peer: Option<Peer>,
    /// What packets go by; `None` until rules are set.
    settings: Option<Settings>,
    /// How many rules there are in the half of the tables that packets read.
    rule_count: usize,
}

impl fmt::Debug for Steering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { attachment, peer, settings, .. } = self;
        f.debug_struct("Steering")
            .field("attachment", attachment)
            .field("peer", peer)
            .field("settings", settings)
            .finish_non_exhaustive()
    }
}

impl Steering {
    /// Loads the embedded program. It passes everything until it has rules, and sees nothing until it
    /// is attached.
    ///
    /// # Errors
    /// [`SteerError::Abi`] where the program has another layout than this binary; else what the kernel
    /// said, the verifier included.
    pub fn load() -> Result<Self, SteerError> {
        Self::load_for(Buffers::One)
    }

    /// As [`load`](Self::load), for packets in so many buffers.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_for(buffers: Buffers) -> Result<Self, SteerError> {
        Self::load_from(OBJECT, buffers)
    }

    /// Loads a program other than the embedded one.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_object(object: &[u8]) -> Result<Self, SteerError> {
        Self::load_from(object, Buffers::One)
    }

    fn load_from(object: &[u8], buffers: Buffers) -> Result<Self, SteerError> {
        object::check_abi(object)?;
        let mut ebpf = EbpfLoader::new()
            .load(object)
            .map_err(|source| SteerError::Load { source: Box::new(source) })?;
        verify(&mut ebpf, buffers)
            .map_err(|source| SteerError::Load { source: Box::new(source.into()) })?;
        Ok(Self {
            attachment: None,
            target: None,
            rules: RuleMaps {
                settings: take(&mut ebpf, abi::SETTINGS)?,
                prefixes: take(&mut ebpf, abi::PREFIXES)?,
                ports: take(&mut ebpf, abi::PORTS)?,
                vlans: take(&mut ebpf, abi::VLANS)?,
            },
            counters: CounterMaps {
                rules: take(&mut ebpf, abi::RULE_COUNTERS)?,
                reasons: take(&mut ebpf, abi::REASON_COUNTERS)?,
            },
            xsk_map: descriptor(&ebpf, abi::XSKS)?,
            heartbeat_map: descriptor(&ebpf, abi::HEARTBEAT)?,
            heartbeat: take(&mut ebpf, abi::HEARTBEAT)?,
            peer_map: take(&mut ebpf, abi::PEER)?,
            peer: None,
            settings: None,
            rule_count: 0,
            buffers,
            ebpf,
        })
    }

    /// Replaces all rules, atomically: each packet sees the old ones or these. `fail_open` is how old a
    /// worker's sign of life may be before packets pass to the kernel that a rule steers to it.
    ///
    /// # Errors
    /// Where it fails the old rules stay in force.
    pub fn set_rules(&mut self, rules: &[Rule], fail_open: Duration) -> Result<(), SteerError> {
        let compiled = Compiled::new(rules)?;
        let generation = self.generation().other();
        self.counters.clear(generation, rules.len())?;
        self.rules.write(generation, &compiled)?;
        self.publish(Settings {
            generation,
            fail_open_ns: u64::try_from(fail_open.as_nanos()).unwrap_or(u64::MAX),
            actions: compiled.actions(),
            tcp: compiled.protocol(Protocol::TCP),
            udp: compiled.protocol(Protocol::UDP),
            peer_mtu: peer_mtu(self.peer),
        })?;
        self.rule_count = rules.len();
        Ok(())
    }

    /// Names the other port of a wire: packets that no rule steers, and those that find no worker alive, leave
    /// through it instead of going to the kernel. `None`, as at the start: they go to the kernel.
    ///
    /// May be called before the rules are set, and later when the other port's MTU changes or another
    /// interface takes its name. One that goes away takes itself out of the map: packets then go to the kernel.
    /// Call it in the network namespace the interface is in.
    ///
    /// # Errors
    /// [`SteerError::Peer`] where there is no such interface; the old one stays. Where the settings cannot be
    /// written, the old MTU holds, and this can be tried again.
    pub fn set_peer(&mut self, peer: Option<Peer>) -> Result<(), SteerError> {
        if let Some(Peer { index, .. }) = peer {
            peer::insert(&mut self.peer_map, index)?;
        }
        if let Some(settings) = self.settings {
            self.publish(Settings { peer_mtu: peer_mtu(peer), ..settings })?;
        }
        self.peer = peer;
        Ok(())
    }

    fn publish(&mut self, settings: Settings) -> Result<(), SteerError> {
        self.rules.publish(&settings)?;
        self.settings = Some(settings);
        Ok(())
    }

    /// The half of the rule tables that packets read.
    fn generation(&self) -> Generation {
        self.settings.map_or(Generation::Even, |settings| settings.generation)
    }

    /// Attaches the program to `iface`, as a link that goes when this value or this process does. What
    /// was attached before by this value is detached.
    ///
    /// Attaching makes many drivers reset the device: wait for its carrier. Sockets must be bound and
    /// their fill rings filled before.
    ///
    /// # Errors
    /// [`SteerError::Foreign`] where another XDP program is there already; [`SteerError::Attach`] with the
    /// kernel's reason.
    pub fn attach(&mut self, iface: &str, mode: XdpMode) -> Result<Attached, SteerError> {
        self.detach();
        self.target = Some((iface.to_owned(), mode));
        let program = xdp(&mut self.ebpf, self.buffers)
            .map_err(|source| SteerError::Load { source: Box::new(source.into()) })?;
        let (attachment, attached) = Attachment::new(program, iface, mode)?;
        self.attachment = Some(attachment);
        Ok(attached)
    }

    /// Detaches the program, if it is attached. Packets go to the kernel as if it had never been there.
    pub fn detach(&mut self) {
        self.attachment = None;
    }

    /// Detaches the program and attaches it again where it was. Some drivers start to fill a zero-copy
    /// socket's queue only when a program is attached after the socket was bound.
    ///
    /// # Errors
    /// As [`Self::attach`], and this can be tried again; [`SteerError::NeverAttached`] where there is no
    /// "where it was".
    pub fn reattach(&mut self) -> Result<Attached, SteerError> {
        let (iface, mode) = self.target.clone().ok_or(SteerError::NeverAttached)?;
        self.attach(&iface, mode)
    }

    /// The XSKMAP, for [`insert_socket`](super::insert_socket).
    #[must_use]
    pub fn xsk_map_fd(&self) -> BorrowedFd<'_> {
        self.xsk_map.as_fd()
    }

    /// The map of signs of life, to be mapped and written by the workers: one `u64` for each queue,
    /// `CLOCK_MONOTONIC` in nanoseconds.
    #[must_use]
    pub fn heartbeat_fd(&self) -> BorrowedFd<'_> {
        self.heartbeat_map.as_fd()
    }

    /// When the worker of `queue` last gave a sign of life: `CLOCK_MONOTONIC` in nanoseconds, 0 for
    /// never.
    #[must_use]
    pub fn heartbeat(&self, queue: u32) -> u64 {
        self.heartbeat.get(&queue, 0).unwrap_or(0)
    }

    /// What was decided so far.
    ///
    /// # Errors
    /// Where the kernel does not let the counters be read.
    pub fn counters(&self) -> Result<SteerCounters, SteerError> {
        self.counters.read(self.generation(), self.rule_count)
    }

    /// Runs the program on one packet as if it had come from queue 0 of the loopback device
    /// (`BPF_PROG_TEST_RUN`), and returns the XDP action. Nothing is redirected or sent; the packet counts.
    ///
    /// # Errors
    /// The kernel refuses packets shorter than an Ethernet header or longer than a page.
    pub fn test_run(&self, packet: &[u8]) -> Result<u32, SteerError> {
        let options = TestRunOptions { data_in: Some(packet), ..TestRunOptions::new() };
        self.run_with(options)
            .map(|result| result.return_value)
            .map_err(|source| SteerError::TestRun { len: packet.len(), source: Box::new(source) })
    }

    /// Runs the program `repeat` times on one packet, as [`test_run`](Self::test_run) does, and returns how long a run
    /// took on average, by the kernel's clock.
    ///
    /// # Errors
    /// As [`Self::test_run`].
    pub fn time_run(&self, packet: &[u8], repeat: u32) -> Result<Duration, SteerError> {
        let options = TestRunOptions { data_in: Some(packet), repeat, ..TestRunOptions::new() };
        self.run_with(options)
            .map(|result| result.duration)
            .map_err(|source| SteerError::TestRun { len: packet.len(), source: Box::new(source) })
    }

    /// Runs the program on `repeat` copies of one packet as if they had come from queue 0 of interface
    /// `index`, and lets become of each what the program says (`BPF_F_TEST_XDP_LIVE_FRAMES`, Linux 5.18). A
    /// signal may end it early.
    ///
    /// # Errors
    /// The kernel refuses packets shorter than an Ethernet header or longer than a page, and interfaces that
    /// are not in this network namespace.
    pub fn run_live(&self, packet: &[u8], index: u32, repeat: u32) -> Result<(), SteerError> {
        // struct xdp_md (include/uapi/linux/bpf.h): data, data_end, data_meta, ingress_ifindex,
        // rx_queue_index, egress_ifindex.
        let context = [0, packet.len() as u32, 0, index, 0, 0].map(u32::to_ne_bytes);
        let options = TestRunOptions {
            data_in: Some(packet),
            ctx_in: Some(context.as_flattened()),
            repeat,
            attrs: TestRunAttrs::new().xdp_live_frames(LIVE_BATCH),
            ..TestRunOptions::new()
        };
        match self.run_with(options) {
            Err(error) if errno(&error) != Some(Errno::EINTR as i32) => {
                Err(SteerError::TestRun { len: packet.len(), source: Box::new(error) })
            }
            _ => Ok(()),
        }
    }

    fn run_with(&self, options: TestRunOptions<'_>) -> Result<TestRunResult, ProgramError> {
        let program = self.ebpf.program(self.buffers.program()).ok_or(ProgramError::NotLoaded)?;
        <&Xdp>::try_from(program)?.test_run(options)
    }
}

/// A port whose MTU is 0 sends nothing, as one does whose MTU is 1.
fn peer_mtu(peer: Option<Peer>) -> Option<NonZeroU32> {
    peer.map(|peer| NonZeroU32::new(peer.mtu).unwrap_or(NonZeroU32::MIN))
}

/// Gives the program to the kernel. The verifier gives up with EAGAIN when a signal is pending, be it one
/// that nobody waits for.
fn verify(ebpf: &mut Ebpf, buffers: Buffers) -> Result<(), ProgramError> {
    for _ in 1..VERIFIED_AT_MOST {
        match xdp(ebpf, buffers)?.load() {
            Err(error) if errno(&error) == Some(Errno::EAGAIN as i32) => {}
            result => return result,
        }
    }
    xdp(ebpf, buffers)?.load()
}

fn xdp(ebpf: &mut Ebpf, buffers: Buffers) -> Result<&mut Xdp, ProgramError> {
    ebpf.program_mut(buffers.program()).ok_or(ProgramError::NotLoaded)?.try_into()
}

fn take<M>(ebpf: &mut Ebpf, map: &'static str) -> Result<M, SteerError>
where
    M: TryFrom<Map, Error = MapError>,
{
    let taken = ebpf.take_map(map).ok_or(SteerError::NoMap { map })?;
    M::try_from(taken).map_err(|source| SteerError::Map { map, source })
}

fn descriptor(ebpf: &Ebpf, map: &'static str) -> Result<OwnedFd, SteerError> {
    match ebpf.map(map) {
        Some(Map::Array(data) | Map::XskMap(data)) => Ok(data.fd().as_fd().try_clone_to_owned()?),
        _ => Err(SteerError::NoMap { map }),
    }
}
