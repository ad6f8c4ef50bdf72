//! Rules into maps, one half at a time.
//!
//! A packet is to see the old rules or the new, never a mixture, and there are thousands of values to
//! write. So the tables are there twice. [`RuleMaps::write`] writes the half that no packet reads, and
//! [`RuleMaps::publish`] replaces the settings, which say which half counts. Settings are a map inside a map:
//! replacing them is one pointer in the kernel.
//!
//! A run of the program that began with the old settings may still be reading the old half, which must
//! not be written until it has ended. The kernel sees to that: an update of a map of maps returns only
//! after `synchronize_rcu()`, "so that userspace, when we return to it, knows that all non-sleepable
//! programs that could be running use the new map value" (`maybe_wait_bpf_programs` in
//! kernel/bpf/syscall.c, since Linux 4.20), and XDP programs run inside an RCU read section. So when
//! `publish` returns, the other half is free.

use std::net::IpAddr;

use aya::maps::lpm_trie::{Key, LpmTrie};
use aya::maps::{Array, ArrayOfMaps, MapData, MapError};
use sluice_common::abi::{
    self, Family, Generation, PORTS_PER_PAGE, PREFIX_KEY_LEN, PREFIX_SELECTOR_BITS, SETTINGS_WORDS,
    VLANS_PER_PAGE,
};
use sluice_common::classify::{Bitmap, Compiled, Field, PrefixEntry};

use super::SteerError;

type PrefixKey = Key<[u8; PREFIX_KEY_LEN]>;
type SettingsMap = Array<MapData, [u64; SETTINGS_WORDS]>;

/// The maps that hold the rules.
pub(super) struct RuleMaps {
    pub(super) settings: ArrayOfMaps<MapData, SettingsMap>,
    pub(super) prefixes: LpmTrie<MapData, [u8; PREFIX_KEY_LEN], Bitmap>,
    pub(super) ports: Array<MapData, [Bitmap; PORTS_PER_PAGE]>,
    pub(super) vlans: Array<MapData, [Bitmap; VLANS_PER_PAGE]>,
}

impl RuleMaps {
    /// Writes `rules` into the half `generation`, which no packet reads.
    pub(super) fn write(
        &mut self,
        generation: Generation,
        rules: &Compiled,
    ) -> Result<(), SteerError> {
        self.write_prefixes(generation, rules)
            .map_err(|source| SteerError::Map { map: abi::PREFIXES, source })?;
        self.write_ports(generation, rules)
            .map_err(|source| SteerError::Map { map: abi::PORTS, source })?;
        self.write_vlans(generation, rules)
            .map_err(|source| SteerError::Map { map: abi::VLANS, source })
    }

    /// Makes packets go by `settings`. When this returns, none goes by those before, nor reads the half of the
    /// tables that these do not name.
    pub(super) fn publish(&mut self, settings: &abi::Settings) -> Result<(), SteerError> {
        SettingsMap::create(1, 0)
            .and_then(|mut map| {
                map.set(0, settings.to_words(), 0)?;
                // Holds the map from now on, and lets go of the one before.
                self.settings.set(0, &map, 0)
            })
            .map_err(|source| SteerError::Map { map: abi::SETTINGS, source })
    }

    fn write_prefixes(&mut self, generation: Generation, rules: &Compiled) -> Result<(), MapError> {
        let stale: Vec<PrefixKey> = self
            .prefixes
            .keys()
            .filter(|key| key.as_ref().map_or(true, |key| key.data()[0] == generation as u8))
            .collect::<Result<_, _>>()?;
        for key in stale {
            self.prefixes.remove(&key)?;
        }
        for entry in rules.prefixes() {
            self.prefixes.insert(&prefix_key(generation, entry), entry.rules, 0)?;
        }
        Ok(())
    }

    fn write_ports(&mut self, generation: Generation, rules: &Compiled) -> Result<(), MapError> {
        for field in Field::BOTH {
            let pages = rules.ports(field).as_chunks::<PORTS_PER_PAGE>().0;
            for (number, page) in (0..=u8::MAX).zip(pages) {
                self.ports.set(abi::port_page(generation, field, number), page, 0)?;
            }
        }
        Ok(())
    }

    fn write_vlans(&mut self, generation: Generation, rules: &Compiled) -> Result<(), MapError> {
        let pages = rules.vlans().as_chunks::<VLANS_PER_PAGE>().0;
        for (first, page) in (0..).step_by(VLANS_PER_PAGE).zip(pages) {
            self.vlans.set(abi::vlan_page(generation, first), page, 0)?;
        }
        Ok(())
    }
}

fn prefix_key(generation: Generation, entry: &PrefixEntry) -> PrefixKey {
    let mut address = [0; 16];
    let family = match entry.prefix.address() {
        IpAddr::V4(v4) => {
            address[..4].copy_from_slice(&v4.octets());
            Family::V4
        }
        IpAddr::V6(v6) => {
            address = v6.octets();
            Family::V6
        }
    };
    let bits = PREFIX_SELECTOR_BITS + u32::from(entry.prefix.prefix_len());
    Key::new(bits, abi::prefix_key(generation, entry.field, family, address))
}
