//! Trains: coalescing (GRO) and segmentation (GSO).
//!
//! | item | what it is |
//! |---|---|
//! | [`Coalescer`] | merges consecutive packets of a flow into trains |
//! | [`Train`] | packets in their own buffers, and the header of the super-packet they make |
//! | [`Cut`] | cuts a train to segments of another size |
//! | [`Segmenter`] | cuts a super-packet from a TUN device into wire packets |
//! | [`Piece`] | what it gives a port that cuts packets itself, but not the tunnels around them |
//! | [`Limits`] | what bounds the wire packets |
//! | [`without_jumbo_option`] | takes from a super-packet what it must not have |
//! | [`VnetHeader`], [`GsoType`] | how a super-packet is described to a TUN device, and by one |
//! | [`Buffer`] | what a packet's bytes stand in |
//! | [`features`] | what can be switched, and what goes with what |
//! | [`GroConfig`], [`Profile`], [`RxChecksum`], [`Hold`], [`Reorder`] | which rules apply |

#[cfg(feature = "alloc")]
mod buffer;
#[cfg(feature = "alloc")]
mod checksums;
#[cfg(feature = "alloc")]
mod config;
#[cfg(feature = "alloc")]
mod derive;
pub mod features;
#[cfg(feature = "alloc")]
mod gro;
mod gso;
#[cfg(feature = "alloc")]
mod outer;
#[cfg(feature = "alloc")]
mod packet;
mod profile;
#[cfg(feature = "alloc")]
mod rules;
mod template;
#[cfg(feature = "alloc")]
mod train;
mod vnet;

#[cfg(feature = "alloc")]
pub use buffer::Buffer;
#[cfg(feature = "alloc")]
pub use config::{GroConfig, Hold, Reorder};
#[cfg(feature = "alloc")]
pub use gro::{Coalescer, Sink};
#[cfg(feature = "alloc")]
pub use gso::Cut;
pub use gso::{Limits, Piece, Segmenter, without_jumbo_option};
pub use profile::{Profile, RxChecksum};
#[cfg(feature = "alloc")]
pub use train::{Checksum, Train};
pub use vnet::{ChecksumMode, GsoType, VnetHeader};

use crate::wire::{Bytes, ipv6};

/// Length of the IP packet at `network` as its header has it, `None` where the header is cut short.
#[inline]
pub(crate) fn ip_len(packet: &[u8], network: usize) -> Option<usize> {
    match packet.byte(network)? >> 4 {
        6 => Some(usize::from(packet.be16(network + 4)?) + ipv6::HEADER_LEN),
        _ => packet.be16(network + 2).map(usize::from),
    }
}
