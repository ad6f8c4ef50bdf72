//! The maps, and the rule tables in them. [`sluice_common::abi`] has their layout.
//!
//! The kernel ties a DEVMAP to the kind of the first program that uses it, packets in several buffers or in one
//! (`map_type_contains_progs` in include/linux/bpf.h), as it might hold programs itself. So each program is
//! loaded with maps of its own, never both with the same.

use core::num::NonZeroU32;

use aya_ebpf::bindings::BPF_F_MMAPABLE;
use aya_ebpf::btf_maps::lpm_trie::Key;
use aya_ebpf::btf_maps::{Array, ArrayOfMaps, DevMap, LpmTrie, PerCpuArray, XskMap};
use aya_ebpf::macros::btf_map;
use sluice_common::abi;
use sluice_common::classify::{Actions, Bitmap, Field, Tables};
use sluice_common::reason::VerdictReason;
use sluice_common::wire::{Addresses, Protocol};

#[btf_map]
static SETTINGS: ArrayOfMaps<Array<[u64; abi::SETTINGS_WORDS], 1>, 1> = ArrayOfMaps::new();

#[btf_map]
static PREFIXES: LpmTrie<[u8; abi::PREFIX_KEY_LEN], Bitmap, { abi::MAX_PREFIXES }> = LpmTrie::new();

#[btf_map]
static PORTS: Array<[Bitmap; abi::PORTS_PER_PAGE], { abi::PORT_ENTRIES }> = Array::new();

#[btf_map]
static VLANS: Array<[Bitmap; abi::VLANS_PER_PAGE], { abi::VLAN_ENTRIES }> = Array::new();

#[btf_map]
static RULE_COUNTERS: PerCpuArray<[u64; 2], { abi::RULE_COUNTER_ENTRIES }> = PerCpuArray::new();

#[btf_map]
static REASON_COUNTERS: PerCpuArray<u64, { VerdictReason::COUNT }> = PerCpuArray::new();

#[btf_map]
pub static XSKS: XskMap<{ abi::MAX_QUEUES as usize }> = XskMap::new();

#[btf_map]
pub static PEER: DevMap<1> = DevMap::new();

#[btf_map]
static HEARTBEAT: Array<u64, { abi::MAX_QUEUES as usize }, { BPF_F_MMAPABLE as usize }> =
    Array::new();

/// The rules in force when the packet came.
pub struct Rules {
    settings: abi::Settings,
}

impl Rules {
    /// `None` before any were set.
    #[inline(always)]
    pub fn current() -> Option<Self> {
        let words = SETTINGS.get_value(0, &0)?;
        Some(Self { settings: abi::Settings::from_words(words) })
    }

    /// How old a sign of life may be, in nanoseconds.
    #[inline(always)]
    pub fn fail_open_ns(&self) -> u64 {
        self.settings.fail_open_ns
    }

    /// In wire mode the MTU of the other port, in bytes.
    #[inline(always)]
    pub fn peer_mtu(&self) -> Option<u32> {
        self.settings.peer_mtu.map(NonZeroU32::get)
    }

    /// Counts a packet that rule number `rule` matched.
    #[inline(always)]
    pub fn count(&self, rule: u8, bytes: u64) {
        let index = abi::rule_counter(self.settings.generation, rule);
        if let Some(counter) = RULE_COUNTERS.get_ptr_mut(index) {
            // SAFETY: the kernel keeps the value while the program runs. It is this CPU's own, and a
            // program on this CPU is not interrupted by another run of itself.
            let counter = unsafe { &mut *counter };
            counter[abi::PACKETS] += 1;
            counter[abi::BYTES] += bytes;
        }
    }
}

impl Tables for Rules {
    #[inline(always)]
    fn prefix(&self, field: Field, addresses: &Addresses) -> Bitmap {
        let (bits, key) = abi::address_key(self.settings.generation, field, addresses);
        PREFIXES.get(&Key::new(bits, key)).copied().unwrap_or(0)
    }

    #[inline(always)]
    fn port(&self, field: Field, port: u16) -> Bitmap {
        let [page, slot] = port.to_be_bytes();
        PORTS
            .get(abi::port_page(self.settings.generation, field, page))
            .map_or(0, |page| page[usize::from(slot)])
    }

    #[inline(always)]
    fn protocol(&self, protocol: Protocol) -> Bitmap {
        self.settings.protocol(protocol)
    }

    #[inline(always)]
    fn vlan(&self, id: u16) -> Bitmap {
        let [_, slot] = id.to_be_bytes();
        VLANS
            .get(abi::vlan_page(self.settings.generation, id))
            .map_or(0, |page| page[usize::from(slot)])
    }

    #[inline(always)]
    fn actions(&self) -> Actions {
        self.settings.actions
    }
}

/// When the worker of `queue` last gave a sign of life: `CLOCK_MONOTONIC` in nanoseconds, 0 for never.
#[inline(always)]
pub fn heartbeat(queue: u32) -> u64 {
    // SAFETY: the kernel keeps the value while the program runs; it is aligned, and user space, which
    // has it mapped, writes it with one store.
    HEARTBEAT.get_ptr(queue).map_or(0, |beat| unsafe { beat.read_volatile() })
}

/// Counts a packet.
#[inline(always)]
pub fn count(reason: VerdictReason) {
    if let Some(counter) = REASON_COUNTERS.get_ptr_mut(reason.index() as u32) {
        // SAFETY: as in `Rules::count`.
        unsafe { *counter += 1 };
    }
}
