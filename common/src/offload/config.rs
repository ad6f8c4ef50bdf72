//! What the coalescer is told when it is made.

use super::{Profile, RxChecksum};
use crate::wire::{Link, TunnelPorts};

/// How long an open train may be held (G25). Times are in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hold {
    /// To the end of the burst.
    EndOfBurst,
    /// No longer than this after its first packet.
    AtMost(u64),
    /// As long as the recent spacing of the flow's packets makes another one likely, and no longer than
    /// `ceiling` after its first packet. A flow that is new, that pauses after every few packets, or whose
    /// packets come further apart than `ceiling` is not held beyond the burst.
    Adaptive {
        /// The longest a train is held.
        ceiling: u64,
    },
}

/// How far packets that come early are waited for under [`Profile::Reorder`].
///
/// They and the train they are to join wait for what is missing. When it comes in time they go in the order of
/// the sequence, else all of them in the order in which they came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reorder {
    /// Most packets of a flow that are held aside, and most segments that may be missing before them. What
    /// lies further ahead is not early, but another part of the stream.
    pub packets: usize,
    /// How long the first of them is held, in nanoseconds, whatever [`GroConfig::hold`] says.
    pub time: u64,
}

impl Default for Reorder {
    /// 16 packets and 100 µs: paths of one network that differ in length do so by tens of microseconds, and a
    /// sender that does not hear of three packets beyond a gap for longer learns of a loss too late.
    fn default() -> Self {
        Self { packets: 16, time: 100_000 }
    }
}

/// How to coalesce.
///
/// Fields are added in minor versions: end with `..GroConfig::default()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroConfig {
    /// Whether packets are merged at all; if not, each goes on as a train of one.
    pub enabled: bool,
    /// Whether UDP datagrams are merged too (G19); if not, each goes on as it came.
    pub udp: bool,
    /// Which rules.
    pub profile: Profile,
    /// What is thought of a received transport checksum (G7).
    pub rx_checksum: RxChecksum,
    /// How long an open train may be held.
    pub hold: Hold,
    /// How far packets that come early are waited for, under [`Profile::Reorder`].
    pub reorder: Reorder,
    /// How many trains are held at most (G24), 1..=65,536.
    pub flows: usize,
    /// Largest super-packet in bytes, IP header included (G18); what is above 65,535 counts as 65,535.
    pub max_size: u32,
    /// Most pieces in one train, which are packets but for those that span buffers: a port takes so many,
    /// less those it needs for headers.
    pub max_segments: usize,
    /// How many trains the sink keeps before it [recycles](super::Coalescer::recycle) their storage.
    /// Storage for that many, and for `flows` more, is made in advance.
    pub spare_trains: usize,
    /// What a packet begins with.
    pub link: Link,
    /// Which UDP datagrams are a tunnel's. Such a datagram never merges as plain UDP (G33).
    pub tunnel_ports: TunnelPorts,
    /// Key of the flow hash, from a random source (G24): who knows it can choose collisions.
    pub hash_keys: [u64; 4],
}

impl Default for GroConfig {
    /// Linux' rules for Ethernet, 256 flows, released at the end of each burst. The hash keys are no
    /// secret: set them.
    fn default() -> Self {
        Self {
            enabled: true,
            udp: true,
            profile: Profile::Linux,
            rx_checksum: RxChecksum::Verify,
            hold: Hold::EndOfBurst,
            reorder: Reorder::default(),
            flows: 256,
            max_size: 65_535,
            max_segments: 128,
            spare_trains: 256,
            link: Link::Ethernet,
            tunnel_ports: TunnelPorts::default(),
            hash_keys: [0x5107_1ce0, 0x0ff1_0ad5, 0x7ea1_0001, 0xc0a1_e5ce],
        }
    }
}
