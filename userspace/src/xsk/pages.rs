//! Huge pages: whether there are enough of them, and how to get them.

use std::fs;
use std::path::Path;

/// What a UMEM is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pages {
    /// Huge pages: a handful of TLB entries reach every frame.
    Huge,
    /// Ordinary pages.
    Ordinary {
        /// Why, and what to do for huge ones.
        advice: String,
    },
    /// The heap: a test.
    Heap,
}

/// The machine's pages of the default huge page size.
///
/// It is asked before they are asked for: a mapping that finds too few of them fails late, and not
/// on every kernel with an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HugePages {
    size: usize,
    total: usize,
    free: usize,
}

impl HugePages {
    /// What `/proc/meminfo` says now; nothing where it cannot be read.
    #[must_use]
    pub fn read() -> Self {
        fs::read_to_string(Path::new("/proc/meminfo"))
            .map(|text| Self::parse(&text))
            .unwrap_or_default()
    }

    fn parse(meminfo: &str) -> Self {
        let value = |key: &str| {
            let line = meminfo.lines().find_map(|line| line.strip_prefix(key));
            let number = line.and_then(|rest| rest.split_whitespace().next());
            number.and_then(|number| number.parse().ok()).unwrap_or(0)
        };
        let free: usize = value("HugePages_Free:");
        Self {
            size: value("Hugepagesize:") * 1024,
            total: value("HugePages_Total:"),
            // Reserved pages look free but are promised to somebody.
            free: free.saturating_sub(value("HugePages_Rsvd:")),
        }
    }

    /// What `regions` regions of `bytes` bytes each are to be made of.
    #[must_use]
    pub fn pages_for(self, bytes: usize, regions: usize) -> Pages {
        if self.size == 0 {
            return Pages::Ordinary { advice: "this kernel has no huge pages".into() };
        }
        if !bytes.is_multiple_of(self.size) {
            let size = self.size;
            let advice = format!(
                "{bytes} bytes a queue are no multiple of a huge page ({size}): set `frames` higher"
            );
            return Pages::Ordinary { advice };
        }
        let needed = bytes / self.size * regions;
        if self.free >= needed {
            return Pages::Huge;
        }
        let (free, total) = (self.free, self.total + needed - self.free);
        let advice = format!(
            "{needed} huge pages are wanted and {free} are free; reserve them with `sysctl vm.nr_hugepages={total}`"
        );
        Pages::Ordinary { advice }
    }
}

#[cfg(test)]
mod tests {
    use super::{HugePages, Pages};

    const MEMINFO: &str = "MemTotal:       24105000 kB\nHugePages_Total:      20\n\
        HugePages_Free:       18\nHugePages_Rsvd:        2\nHugePages_Surp:        0\n\
        Hugepagesize:       2048 kB\nHugetlb:           40960 kB\n";

    #[test]
    fn reserved_pages_are_not_free() {
        let pages = HugePages::parse(MEMINFO);
        assert_eq!(pages, HugePages { size: 2 << 20, total: 20, free: 16 });
        assert_eq!(HugePages::parse("nonsense"), HugePages::default());
    }

    #[test]
    fn enough_pages_are_used() {
        let pages = HugePages { size: 2 << 20, total: 20, free: 16 };
        assert_eq!(pages.pages_for(32 << 20, 1), Pages::Huge);
    }

    #[test]
    fn the_advice_counts_what_is_in_use_already() {
        let pages = HugePages { size: 2 << 20, total: 20, free: 16 };
        let Pages::Ordinary { advice } = pages.pages_for(32 << 20, 2) else {
            panic!("32 pages are wanted, 16 are free");
        };
        assert!(advice.contains("vm.nr_hugepages=36"), "{advice}");
    }

    #[test]
    fn a_region_smaller_than_a_page_stays_ordinary() {
        let pages = HugePages { size: 2 << 20, total: 20, free: 16 };
        assert!(matches!(pages.pages_for(64 << 10, 1), Pages::Ordinary { .. }));
        assert!(matches!(HugePages::default().pages_for(2 << 20, 1), Pages::Ordinary { .. }));
    }
}
