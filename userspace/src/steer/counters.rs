//! What was decided, and why: the program's per-CPU counters, summed.

use aya::maps::{MapData, MapError, PerCpuArray, PerCpuValues};
use aya::util::nr_cpus;
use sluice_common::abi::{self, Generation};
use sluice_common::reason::VerdictReason;

use super::SteerError;

/// What one rule matched since it was set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RuleCount {
    /// Packets.
    pub packets: u64,
    /// Their bytes, link headers included.
    pub bytes: u64,
}

/// What the program decided.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SteerCounters {
    /// Per rule, in their order, since the rules were set. A packet counts for the rule that matched it
    /// even where it then passed for want of a socket or a sign of life.
    pub rules: Vec<RuleCount>,
    /// Packets per [`VerdictReason`], by its index, since the program was loaded.
    pub reasons: [u64; VerdictReason::COUNT],
}

impl SteerCounters {
    /// Packets of one reason.
    #[must_use]
    pub fn of(&self, reason: VerdictReason) -> u64 {
        self.reasons[reason.index()]
    }
}

/// The program's counter maps.
pub(super) struct CounterMaps {
    pub(super) rules: PerCpuArray<MapData, [u64; 2]>,
    pub(super) reasons: PerCpuArray<MapData, u64>,
}

impl CounterMaps {
    pub(super) fn read(
        &self,
        generation: Generation,
        rule_count: usize,
    ) -> Result<SteerCounters, SteerError> {
        let rules = (0..rule_count as u8)
            .map(|rule| self.rule(abi::rule_counter(generation, rule)))
            .collect::<Result<_, _>>()
            .map_err(|source| SteerError::Map { map: abi::RULE_COUNTERS, source })?;
        let mut reasons = [0; VerdictReason::COUNT];
        for (index, total) in reasons.iter_mut().enumerate() {
            let per_cpu = self
                .reasons
                .get(&(index as u32), 0)
                .map_err(|source| SteerError::Map { map: abi::REASON_COUNTERS, source })?;
            *total = per_cpu.iter().sum();
        }
        Ok(SteerCounters { rules, reasons })
    }

    fn rule(&self, index: u32) -> Result<RuleCount, MapError> {
        let per_cpu = self.rules.get(&index, 0)?;
        Ok(per_cpu.iter().fold(RuleCount::default(), |sum, value| RuleCount {
            packets: sum.packets + value[abi::PACKETS],
            bytes: sum.bytes + value[abi::BYTES],
        }))
    }

    /// Sets the rule counters of a half that is not in use to zero.
    pub(super) fn clear(
        &mut self,
        generation: Generation,
        rule_count: usize,
    ) -> Result<(), SteerError> {
        let cpus = nr_cpus().map_err(|(_, error)| error)?;
        for rule in 0..rule_count as u8 {
            let zero = PerCpuValues::try_from(vec![[0; 2]; cpus])?;
            self.rules
                .set(abi::rule_counter(generation, rule), zero, 0)
                .map_err(|source| SteerError::Map { map: abi::RULE_COUNTERS, source })?;
        }
        Ok(())
    }
}
