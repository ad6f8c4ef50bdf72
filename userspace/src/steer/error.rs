//! What can go wrong in steering, and what to do about it.

use std::error::Error;
use std::io;

use aya::EbpfError;
use aya::maps::MapError;
use aya::maps::xdp::XdpMapError;
use aya::programs::ProgramError;
use sluice_common::{abi, classify};

use super::Foreign;

/// Why the program could not be loaded, fed or attached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SteerError {
    /// The object file is not one.
    #[error("the XDP program cannot be read: {reason}")]
    Object {
        /// What is wrong with it.
        reason: String,
    },
    /// Program and binary disagree about the layout of the maps.
    #[error(
        "the XDP program has layout {found}, this binary needs {expected}: build both from the same \
         source"
    )]
    Abi {
        /// The program's number.
        found: u32,
        /// The binary's number.
        expected: u32,
    },
    /// The kernel did not take the program or its maps.
    #[error("the kernel does not load the XDP program: {source}{}", hint(source))]
    Load {
        /// What it said.
        source: Box<EbpfError>,
    },
    /// A map the program should have is not there, or of another kind.
    #[error("the XDP program's map {map} cannot be used: {source}")]
    Map {
        /// Name of the map.
        map: &'static str,
        /// What is wrong with it.
        source: MapError,
    },
    /// A map the program should have is not there.
    #[error("the XDP program has no map {map}: build it and this binary from the same source")]
    NoMap {
        /// Name of the map.
        map: &'static str,
    },
    /// The rules cannot be compiled.
    #[error("steering rules: {0}")]
    Rules(#[from] classify::Invalid),
    /// There is no such interface.
    #[error("there is no interface {iface}: `ip link` lists those there are")]
    NoInterface {
        /// Its name.
        iface: String,
    },
    /// Somebody else's XDP program is attached. Only its owner can know whether it may go.
    #[error(
        "{iface} already has an XDP program: {foreign}; stop whoever put it there, or remove it with \
         `ip link set dev {iface} {} off`", foreign.mode.ip_link_keyword()
    )]
    Foreign {
        /// The interface.
        iface: String,
        /// Whose.
        foreign: Foreign,
    },
    /// The program cannot be attached.
    #[error("cannot attach the XDP program to {iface} ({mode}): {reason}")]
    Attach {
        /// The interface.
        iface: String,
        /// How it was to be attached.
        mode: super::AttachMode,
        /// What the kernel said, in words.
        reason: String,
        /// The error number, where there is one.
        errno: Option<i32>,
    },
    /// The kernel cannot tie an attachment to a file descriptor.
    #[error(
        "the kernel attached the XDP program to {iface} without a link (older than Linux 5.9?): it \
         would outlive this process, so it was taken off again"
    )]
    NoLink {
        /// The interface.
        iface: String,
    },
    /// What is attached cannot be asked.
    #[error("cannot ask what is attached to {iface}: {source}")]
    Query {
        /// The interface.
        iface: String,
        /// What the kernel said.
        source: libbpf_rs::Error,
    },
    /// Nothing was attached yet.
    #[error("the XDP program was not attached yet: attach it first")]
    NeverAttached,
    /// A queue beyond what the XSKMAP holds.
    #[error("queue {queue} cannot be served: there is room for queues below {}", abi::MAX_QUEUES)]
    Queue {
        /// Its number.
        queue: u32,
    },
    /// The socket was not put into the XSKMAP.
    #[error("queue {queue}: the socket cannot be put into the XSKMAP: {source}")]
    Socket {
        /// The queue.
        queue: u32,
        /// What the kernel said.
        source: MapError,
    },
    /// The other port was not put into the DEVMAP.
    #[error(
        "packets cannot be handed to interface number {index}: {source}; is it gone, or in another network \
         namespace? `ip link` lists those there are"
    )]
    Peer {
        /// Its number.
        index: u32,
        /// What the kernel said.
        source: XdpMapError,
    },
    /// A file descriptor could not be duplicated.
    #[error("cannot duplicate a file descriptor: {0}; `ulimit -n` may be too low")]
    Descriptor(#[from] io::Error),
    /// The program could not be run on a packet.
    #[error("BPF_PROG_TEST_RUN refuses a packet of {len} bytes: {source}")]
    TestRun {
        /// Its length.
        len: usize,
        /// What the kernel said.
        source: Box<ProgramError>,
    },
}

/// What to do about an error of loading.
fn hint(error: &EbpfError) -> &'static str {
    match errno(error) {
        Some(libc_errno::EPERM | libc_errno::EACCES) => {
            ". It takes root, or CAP_BPF and CAP_NET_ADMIN"
        }
        Some(libc_errno::ENOSYS) => ". The kernel was built without BPF",
        _ => "",
    }
}

mod libc_errno {
    //! The numbers that matter here, from asm-generic/errno.h.
    pub(super) const EPERM: i32 = 1;
    pub(super) const EACCES: i32 = 13;
    pub(super) const ENOSYS: i32 = 38;
}

/// The error number at the bottom of `error`.
pub(super) fn errno(error: &(dyn Error + 'static)) -> Option<i32> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(number) = error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) {
            return Some(number);
        }
        next = error.source();
    }
    None
}
