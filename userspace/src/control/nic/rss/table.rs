//! The indirection table and the hash.

use std::collections::BTreeMap;
use std::fmt;

use netlink_packet_core::{DefaultNla, Nla};
use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use super::super::NicError;
use super::super::ethtool::{RSS_GET, RSS_SET, ask, exchange};
use super::super::generic::{bytes, find, number};
use super::{RssError, refused};

/// `ETHTOOL_A_RSS_HFUNC`
const FUNCTION: u16 = 3;
/// `ETHTOOL_A_RSS_INDIR`
const INDIRECTION: u16 = 4;
/// `ETHTOOL_A_RSS_HKEY`
const KEY: u16 = 5;
/// The bits of `ETHTOOL_A_RSS_HFUNC`, lowest first (`ETH_RSS_HASH_*`, include/linux/ethtool.h).
const FUNCTIONS: [&str; 3] = ["toeplitz", "xor", "crc32"];

/// How an interface spreads its packets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rss {
    /// The queue of each value of the hash's lowest bits; empty where the driver has no table.
    pub table: Vec<u32>,
    /// The hash function by its name in `ethtool -x`, if the driver says it.
    pub function: Option<String>,
    /// Length of the hash's key in bytes; 0 where there is none.
    pub key_len: usize,
}

impl Rss {
    fn of(attributes: &[DefaultNla]) -> Self {
        let table = find(attributes, INDIRECTION).map(bytes).unwrap_or_default();
        let entries = table.as_chunks().0.iter().map(|entry| u32::from_ne_bytes(*entry));
        Self {
            table: entries.collect(),
            function: find(attributes, FUNCTION).and_then(number).map(function),
            key_len: find(attributes, KEY).map_or(0, Nla::value_len),
        }
    }
}

/// The name of the function; one that is not known goes by its bit.
fn function(bits: u64) -> String {
    let bit = bits.trailing_zeros();
    FUNCTIONS.get(bit as usize).map_or_else(|| format!("function {bit}"), ToString::to_string)
}

/// How `iface` spreads its packets; `None` where the driver does not (or the kernel, before 6.3, does not
/// say).
///
/// # Errors
/// [`RssError`] when there is no such interface or the kernel does not answer.
pub async fn read(iface: &str) -> Result<Option<Rss>, RssError> {
    let answer = ask(RSS_GET, iface).await;
    let answer = answer.map_err(|error| refused("ask for the indirection table", iface, error))?;
    Ok(answer.as_deref().map(Rss::of))
}

/// What a table amounts to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    /// How many entries it has.
    pub entries: usize,
    /// The queues it names, ascending.
    pub queues: Vec<u32>,
    /// Whether each of them is named as often as the others, give or take one.
    pub equal: bool,
}

impl Spread {
    /// What `table` amounts to.
    #[must_use]
    pub fn of(table: &[u32]) -> Self {
        let mut times = BTreeMap::new();
        for queue in table {
            *times.entry(*queue).or_insert(0_usize) += 1;
        }
        let least = times.values().min().unwrap_or(&0);
        let most = times.values().max().unwrap_or(&0);
        let equal = most - least <= 1;
        Self { entries: table.len(), equal, queues: times.into_keys().collect() }
    }

    /// Whether the queues from 0 to `count` share equally, and no others.
    pub(super) fn is_over(&self, count: u32) -> bool {
        self.equal && self.queues.iter().copied().eq(0..count)
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} entries over queues ", self.entries)?;
        for (place, run) in self.queues.chunk_by(|queue, next| queue + 1 == *next).enumerate() {
            let comma = if place > 0 { ", " } else { "" };
            match *run {
                [first, .., last] => write!(f, "{comma}{first}-{last}")?,
                [only] => write!(f, "{comma}{only}")?,
                [] => {}
            }
        }
        f.write_str(if self.equal { ", equal" } else { ", unequal" })
    }
}

/// A table that names the queues from 0 to `queues` in turn, as `ethtool -X IFACE equal N` makes it.
pub(super) fn equal(entries: usize, queues: u32) -> Vec<u32> {
    (0..queues.max(1)).cycle().take(entries).collect()
}

/// A change of the indirection table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndirectionChange {
    /// The interface.
    pub iface: String,
    /// The table it had.
    pub old: Vec<u32>,
    /// The table it gets.
    pub new: Vec<u32>,
}

impl IndirectionChange {
    /// Gives the interface its new table.
    ///
    /// # Errors
    /// [`RssError::NoTableSet`] before Linux 6.17, and where the driver refuses.
    pub async fn apply(&self) -> Result<(), RssError> {
        self.set(&self.new).await
    }

    /// Gives it its old one, unless it is gone or the table is another since: somebody has changed it, or a
    /// driver has made it anew with its queues.
    ///
    /// # Errors
    /// Where the driver refuses.
    pub async fn undo(&self) -> Result<(), RssError> {
        match read(&self.iface).await {
            Ok(Some(rss)) if rss.table == self.new => self.set(&self.old).await,
            Ok(_) | Err(RssError::Nic(NicError::Missing { .. })) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn set(&self, table: &[u32]) -> Result<(), RssError> {
        let bytes = table.iter().flat_map(|queue| queue.to_ne_bytes()).collect();
        let result = exchange(RSS_SET, &self.iface, [DefaultNla::new(INDIRECTION, bytes)]).await;
        result.map(drop).map_err(|error| match error.errno() {
            Some(Errno::EOPNOTSUPP) => RssError::NoTableSet {
                iface: self.iface.clone(),
                queues: Spread::of(table).queues.len(),
            },
            _ => refused("set the indirection table", &self.iface, error),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::ethtool::recorded;
    use super::*;

    #[test]
    fn the_table_that_igb_tells_of_is_read() {
        let rss = Rss::of(&recorded::attributes(recorded::RSS));
        let blocks: Vec<_> = (0..128).map(|entry| entry / 32).collect();
        assert_eq!(rss.table, blocks);
        assert_eq!(rss.function.as_deref(), Some("toeplitz"));
        assert_eq!(rss.key_len, 40);
        assert_eq!(Rss::of(&[]), Rss::default(), "what is not told is not made up");
    }

    #[test]
    fn a_hash_function_without_a_name_is_told_all_the_same() {
        assert_eq!(function(1 << 1), "xor");
        assert_eq!(function(1 << 7), "function 7");
    }

    #[test]
    fn a_table_is_told_by_its_queues_and_their_shares() {
        let told = |table: &[u32]| Spread::of(table).to_string();
        assert_eq!(told(&equal(128, 4)), "128 entries over queues 0-3, equal");
        assert_eq!(told(&equal(128, 3)), "128 entries over queues 0-2, equal", "give or take one");
        assert_eq!(told(&[0, 0, 0, 1]), "4 entries over queues 0-1, unequal");
        assert_eq!(told(&[5, 0, 1, 3]), "4 entries over queues 0-1, 3, 5, equal");
        assert_eq!(told(&[0; 128]), "128 entries over queues 0, equal");
    }

    #[test]
    fn a_table_is_over_the_first_queues_only_if_it_names_all_of_them_and_no_other() {
        let is_over = |table: &[u32], count| Spread::of(table).is_over(count);
        assert!(is_over(&[0, 0, 1, 1], 2) && is_over(&[0, 1, 0, 1], 2));
        assert!(!is_over(&[0, 1, 2, 3], 2), "another");
        assert!(!is_over(&[0, 1, 0, 1], 3), "not all");
        assert!(!is_over(&[1, 1, 2, 2], 2), "not from the first");
        assert!(!is_over(&[0, 0, 0, 1], 2), "not equally");
    }
}
