//! The layout of what the XDP program and user space share: maps, their sizes, and how keys and
//! values are put together.
//!
//! Keys and values are arrays of bytes or of 64-bit words in the machine's own order, packed and
//! unpacked here, so that neither side relies on how the compiler lays out a structure.
//!
//! | map | kind | key | value |
//! |---|---|---|---|
//! | [`SETTINGS`] | array of arrays | 0 | [`Settings`]; empty until rules are set |
//! | [`PREFIXES`] | LPM trie | [`prefix_key`] | bitmap |
//! | [`PORTS`] | array | [`port_page`] | page of [`PORTS_PER_PAGE`] bitmaps |
//! | [`VLANS`] | array | [`vlan_page`] | page of [`VLANS_PER_PAGE`] bitmaps |
//! | [`RULE_COUNTERS`] | per-CPU array | [`rule_counter`] | [`PACKETS`], [`BYTES`] |
//! | [`REASON_COUNTERS`] | per-CPU array | index of the `VerdictReason` | packets |
//! | [`XSKS`] | XSKMAP | queue | AF_XDP socket |
//! | [`PEER`] | DEVMAP | 0 | the interface of the other port; empty but in wire mode |
//! | [`HEARTBEAT`] | array, can be mapped | queue | `CLOCK_MONOTONIC` in ns; 0: never |
//!
//! Rule tables are there twice, once for each [`Generation`]. The program reads the generation from
//! [`SETTINGS`] once per packet and keeps to it; user space writes the other half and then replaces
//! the settings. That is one pointer in the kernel, so a packet sees the old rules or the new.

use core::num::NonZeroU32;

use crate::classify::{Actions, Bitmap, Field, MAX_RULES};
use crate::wire::{Addresses, Protocol};

/// The number of this layout. It goes up by one with every change to this file that an older program
/// or binary would misread.
pub const ABI: u32 = 2;
/// The section of the object file that holds [`ABI`], four bytes in the object's byte order.
pub const ABI_SECTION: &str = "sluice_abi";

/// Name of the XDP program.
pub const PROGRAM: &str = "sluice";
/// Name of the same program for packets that span several buffers (`BPF_F_XDP_HAS_FRAGS`).
pub const PROGRAM_FRAGS: &str = "sluice_frags";
/// Map of [`Settings`].
pub const SETTINGS: &str = "SETTINGS";
/// Map of address prefixes.
pub const PREFIXES: &str = "PREFIXES";
/// Map of ports.
pub const PORTS: &str = "PORTS";
/// Map of VLAN IDs.
pub const VLANS: &str = "VLANS";
/// Map of what each rule matched.
pub const RULE_COUNTERS: &str = "RULE_COUNTERS";
/// Map of what was decided, and why.
pub const REASON_COUNTERS: &str = "REASON_COUNTERS";
/// Map of sockets.
pub const XSKS: &str = "XSKS";
/// Map of the other port.
pub const PEER: &str = "PEER";
/// Map of signs of life.
pub const HEARTBEAT: &str = "HEARTBEAT";

/// The most receive queues of one interface that can be served. A packet from a queue beyond passes.
pub const MAX_QUEUES: u32 = 64;

/// Which of the two halves of the rule tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Generation {
    /// The first half.
    Even = 0,
    /// The second half.
    Odd = 1,
}

/// How many generations there are.
pub const GENERATIONS: usize = 2;

impl Generation {
    /// The other half.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Even => Self::Odd,
            Self::Odd => Self::Even,
        }
    }

    #[inline(always)]
    const fn from_word(word: u64) -> Self {
        if word & 1 == 0 { Self::Even } else { Self::Odd }
    }
}

/// How many 64-bit words [`Settings`] have.
pub const SETTINGS_WORDS: usize = 7;

/// What the program needs to know before it looks at a rule table. Written once, never changed; new
/// settings are a new map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Which half of the rule tables to read.
    pub generation: Generation,
    /// How old a worker's sign of life may be, in nanoseconds, before its packets pass to the kernel.
    pub fail_open_ns: u64,
    /// Which rules steer and drop.
    pub actions: Actions,
    /// Rules that accept TCP.
    pub tcp: Bitmap,
    /// Rules that accept UDP.
    pub udp: Bitmap,
    /// Wire mode: the MTU of the other port, the largest IP packet in bytes that it sends. `None`: what is
    /// not steered is the kernel's.
    pub peer_mtu: Option<NonZeroU32>,
}

impl Settings {
    /// The map's value.
    #[must_use]
    pub const fn to_words(&self) -> [u64; SETTINGS_WORDS] {
        let Self { generation, fail_open_ns, actions: Actions { steer, drop }, tcp, udp, peer_mtu } =
            *self;
        let peer_mtu = match peer_mtu {
            Some(mtu) => mtu.get() as u64,
            None => 0,
        };
        [generation as u64, fail_open_ns, steer, drop, tcp, udp, peer_mtu]
    }

    /// The settings in a map's value.
    #[inline(always)]
    #[must_use]
    pub const fn from_words(words: &[u64; SETTINGS_WORDS]) -> Self {
        let [generation, fail_open_ns, steer, drop, tcp, udp, peer_mtu] = *words;
        let generation = Generation::from_word(generation);
        let peer_mtu = NonZeroU32::new(peer_mtu as u32);
        Self { generation, fail_open_ns, actions: Actions { steer, drop }, tcp, udp, peer_mtu }
    }

    /// The rules that accept a protocol.
    #[inline(always)]
    #[must_use]
    pub const fn protocol(&self, protocol: Protocol) -> Bitmap {
        match protocol {
            Protocol::TCP => self.tcp,
            Protocol::UDP => self.udp,
            _ => 0,
        }
    }
}

/// Whether a worker is alive: its last sign of life, `beat`, is not older at `now` than `fail_open_ns`.
/// A beat later than `now` was written while the packet was looked at.
#[inline(always)]
#[must_use]
pub const fn is_alive(beat: u64, now: u64, fail_open_ns: u64) -> bool {
    beat != 0 && now.saturating_sub(beat) <= fail_open_ns
}

/// Bytes of a [`PREFIXES`] key, without the length that goes before it: eight that select the trie,
/// sixteen of address. (The kernel puts the value behind the key, so this is a multiple of eight.)
pub const PREFIX_KEY_LEN: usize = 24;
/// Bits of a [`PREFIXES`] key that must always match.
pub const PREFIX_SELECTOR_BITS: u32 = 64;
/// Room for the prefixes of both generations: each rule names at most two, and each of both ends has
/// two roots.
pub const MAX_PREFIXES: usize = GENERATIONS * (2 * MAX_RULES + 4);

/// The address family in a [`PREFIXES`] key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Family {
    /// IPv4: the address stands in the first four of its sixteen bytes.
    V4 = 4,
    /// IPv6.
    V6 = 6,
}

/// A [`PREFIXES`] key. `address` is in network byte order, padded with zeros.
#[inline(always)]
#[must_use]
pub const fn prefix_key(
    generation: Generation,
    field: Field,
    family: Family,
    address: [u8; 16],
) -> [u8; PREFIX_KEY_LEN] {
    let [a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15] = address;
    let (generation, field, family) = (generation as u8, field as u8, family as u8);
    #[rustfmt::skip]
    let key = [
        generation, field, family, 0, 0, 0, 0, 0,
        a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15,
    ];
    key
}

/// The key that looks up the address at one end of a packet, and its length in bits.
#[inline(always)]
#[must_use]
pub const fn address_key(
    generation: Generation,
    field: Field,
    addresses: &Addresses,
) -> (u32, [u8; PREFIX_KEY_LEN]) {
    match *addresses {
        Addresses::V4 { src, dst } => {
            let [a, b, c, d] = match field {
                Field::Source => src,
                Field::Destination => dst,
            };
            let address = [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            (PREFIX_SELECTOR_BITS + 32, prefix_key(generation, field, Family::V4, address))
        }
        Addresses::V6 { src, dst } => {
            let address = match field {
                Field::Source => src,
                Field::Destination => dst,
            };
            (PREFIX_SELECTOR_BITS + 128, prefix_key(generation, field, Family::V6, address))
        }
    }
}

/// Ports whose bitmaps share one map value. Fewer would take more system calls to write a set of rules
/// (two per page and end); more would outgrow what the kernel copies cheaply in one.
pub const PORTS_PER_PAGE: usize = 256;
/// Pages of one end in one generation.
pub const PORT_PAGES: usize = 65_536 / PORTS_PER_PAGE;
/// Entries of [`PORTS`].
pub const PORT_ENTRIES: usize = GENERATIONS * 2 * PORT_PAGES;

/// The [`PORTS`] index of a page; the port's bitmap is at `port % PORTS_PER_PAGE` in it.
#[inline(always)]
#[must_use]
pub const fn port_page(generation: Generation, field: Field, page: u8) -> u32 {
    (generation as u32) << 9 | (field as u32) << 8 | page as u32
}

/// VLAN IDs whose bitmaps share one map value.
pub const VLANS_PER_PAGE: usize = 256;
/// Pages of one generation.
pub const VLAN_PAGES: usize = 4096 / VLANS_PER_PAGE;
/// Entries of [`VLANS`].
pub const VLAN_ENTRIES: usize = GENERATIONS * VLAN_PAGES;

/// The [`VLANS`] index of the page `id` is on; its bitmap is at `id % VLANS_PER_PAGE` in it.
#[inline(always)]
#[must_use]
pub const fn vlan_page(generation: Generation, id: u16) -> u32 {
    (generation as u32) << 4 | (id as u32 & 0x0fff) >> 8
}

/// Word of a [`RULE_COUNTERS`] value that counts packets.
pub const PACKETS: usize = 0;
/// Word of a [`RULE_COUNTERS`] value that counts the bytes of whole frames, link header included.
pub const BYTES: usize = 1;
/// Entries of [`RULE_COUNTERS`].
pub const RULE_COUNTER_ENTRIES: usize = GENERATIONS * MAX_RULES;

/// The [`RULE_COUNTERS`] index of a rule.
#[inline(always)]
#[must_use]
pub const fn rule_counter(generation: Generation, rule: u8) -> u32 {
    (generation as u32) << 6 | rule as u32 & 63
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_survive_the_map() {
        let settings = Settings {
            generation: Generation::Odd,
            fail_open_ns: 100_000_000,
            actions: Actions { steer: 1, drop: 2 },
            tcp: 3,
            udp: 4,
            peer_mtu: NonZeroU32::new(1500),
        };
        for settings in [settings, Settings { peer_mtu: None, ..settings }] {
            assert_eq!(Settings::from_words(&settings.to_words()), settings);
        }
    }

    #[test]
    fn a_worker_is_alive_up_to_the_fail_open_time_and_never_before_its_first_beat() {
        assert!(!is_alive(0, 50, 100));
        assert!(is_alive(1, 101, 100));
        assert!(!is_alive(1, 102, 100));
        assert!(is_alive(200, 100, 10), "a beat from the future is a race, not a death");
    }

    #[test]
    fn indices_fill_their_maps_without_overlap() {
        use Generation::{Even, Odd};
        let mut pages = std::vec![];
        for generation in [Even, Odd] {
            for field in Field::BOTH {
                pages.extend((0..=255).map(|page| port_page(generation, field, page)));
            }
        }
        assert!(pages.into_iter().eq(0..PORT_ENTRIES as u32));
        let vlans = [Even, Odd]
            .into_iter()
            .flat_map(|generation| (0..4096).step_by(256).map(move |id| vlan_page(generation, id)));
        assert!(vlans.eq(0..VLAN_ENTRIES as u32));
        let rules = [Even, Odd]
            .into_iter()
            .flat_map(|generation| (0..64).map(move |rule| rule_counter(generation, rule)));
        assert!(rules.eq(0..RULE_COUNTER_ENTRIES as u32));
    }

    #[test]
    fn a_key_tells_generation_end_and_family_apart() {
        let v4 = Addresses::V4 { src: [10, 0, 0, 1], dst: [10, 0, 0, 1] };
        let v6 = Addresses::V6 { src: [0; 16], dst: [0; 16] };
        let mut keys = std::vec![];
        for generation in [Generation::Even, Generation::Odd] {
            for field in Field::BOTH {
                keys.push(address_key(generation, field, &v4).1);
                keys.push(address_key(generation, field, &v6).1);
            }
        }
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), 8);
        assert_eq!(address_key(Generation::Even, Field::Source, &v4).0, 96);
        assert_eq!(address_key(Generation::Even, Field::Source, &v6).0, 192);
    }
}
