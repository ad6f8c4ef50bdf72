//! An interface of a capture: what its packets begin with, and how its clock ticks.

use pcap_parser::{InterfaceDescriptionBlock, OptionCode, PcapHeader};
use sluice_common::wire::{Bytes, EtherType, Link};

const NS_PER_S: i128 = 1_000_000_000;
/// Times are held in 63 bits, so that nobody who adds a hold to one has to think of the end of time, which
/// is in the year 2262.
const LAST_TIME: i128 = (u64::MAX >> 1) as i128;

/// What a packet of a capture begins with, of the link types that are understood
/// (<https://www.tcpdump.org/linktypes.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinkType {
    /// 1.
    Ethernet,
    /// 101, 228, 229: an IP header.
    Raw,
    /// 113: 16 bytes, the last two of them the protocol.
    Cooked,
    /// 276: 20 bytes, the first two of them the protocol.
    Cooked2,
}

impl LinkType {
    fn of(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::Ethernet),
            101 | 228 | 229 => Some(Self::Raw),
            113 => Some(Self::Cooked),
            276 => Some(Self::Cooked2),
            _ => None,
        }
    }

    /// What the engine sees a packet begin with.
    pub(super) const fn link(self) -> Link {
        match self {
            Self::Ethernet => Link::Ethernet,
            Self::Raw | Self::Cooked | Self::Cooked2 => Link::None,
        }
    }

    /// Bytes that the engine does not see: a header of the capture, not of the wire.
    pub(super) const fn hidden(self) -> usize {
        match self {
            Self::Ethernet | Self::Raw => 0,
            Self::Cooked => 16,
            Self::Cooked2 => 20,
        }
    }

    /// Whether such a packet is IP, as far as the link type says.
    pub(super) fn may_be_ip(self, packet: &[u8]) -> bool {
        let protocol = match self {
            Self::Ethernet | Self::Raw => return true,
            Self::Cooked => packet.be16(14),
            Self::Cooked2 => packet.be16(0),
        };
        protocol.is_some_and(|it| matches!(EtherType(it), EtherType::IPV4 | EtherType::IPV6))
    }
}

/// How a clock ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Clock {
    /// Ticks in a second; none stands for more than can be told apart.
    ticks: Option<u64>,
    /// Seconds to be added.
    offset: i64,
}

/// An interface of a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Interface {
    /// The number of its link type.
    pub(super) link_number: u32,
    /// What that is, if it is understood.
    pub(super) link: Option<LinkType>,
    /// Most bytes of a packet; 0: all.
    pub(super) snaplen: u32,
    /// Bytes of Ethernet's checksum at the end of each packet.
    pub(super) trailer: usize,
    clock: Clock,
}

impl Interface {
    /// The only one of a pcap file.
    pub(super) fn of_pcap(header: &PcapHeader) -> Self {
        let network = header.network.0 as u32;
        // Bit 26 says that the upper four bits count the 16-bit words of a frame check sequence.
        let trailer = if network & 1 << 26 != 0 { 2 * (network >> 28) as usize } else { 0 };
        let ticks = if header.is_nanosecond_precision() { 1_000_000_000 } else { 1_000_000 };
        let link_number = network & 0xffff;
        Self {
            link_number,
            link: LinkType::of(link_number),
            snaplen: header.snaplen,
            trailer,
            clock: Clock { ticks: Some(ticks), offset: 0 },
        }
    }

    /// One of a pcapng file.
    pub(super) fn of_pcapng(block: &InterfaceDescriptionBlock<'_>) -> Self {
        let is_big_endian = block.block_type != pcap_parser::IDB_MAGIC;
        let option = |code| block.options.iter().find(|option| option.code == code);
        let resolution = option(OptionCode::IfTsresol).and_then(|it| it.value().first().copied());
        let offset = option(OptionCode::IfTsoffset)
            .and_then(|it| it.value().first_chunk::<8>().copied())
            .map_or(0, if is_big_endian { i64::from_be_bytes } else { i64::from_le_bytes });
        let link_number = block.linktype.0 as u32;
        Self {
            link_number,
            link: LinkType::of(link_number),
            snaplen: block.snaplen,
            trailer: 0,
            clock: Clock { ticks: ticks(resolution.unwrap_or(6)), offset },
        }
    }

    /// A time of its clock, in nanoseconds since 1970.
    pub(super) fn time(&self, ticks: u64) -> u64 {
        let Some(per_second) = self.clock.ticks else { return 0 };
        let since = i128::from(ticks) * NS_PER_S / i128::from(per_second);
        (since + i128::from(self.clock.offset) * NS_PER_S).clamp(0, LAST_TIME) as u64
    }

    /// A time in seconds and ticks of its clock, in nanoseconds since 1970.
    pub(super) fn time_in_seconds(&self, seconds: u32, ticks: u32) -> u64 {
        self.time(u64::from(seconds) * self.clock.ticks.unwrap_or(0) + u64::from(ticks))
    }
}

/// `if_tsresol`: a power of ten, or with the highest bit set of two.
fn ticks(resolution: u8) -> Option<u64> {
    let exponent = u32::from(resolution & 0x7f);
    let base: u64 = if resolution & 0x80 == 0 { 10 } else { 2 };
    base.checked_pow(exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interface(resolution: u8, offset: i64) -> Interface {
        Interface {
            link_number: 1,
            link: LinkType::of(1),
            snaplen: 0,
            trailer: 0,
            clock: Clock { ticks: ticks(resolution), offset },
        }
    }

    #[test]
    fn clocks_tick_in_powers_of_ten_and_of_two() {
        assert_eq!(interface(6, 0).time(5), 5_000);
        assert_eq!(interface(9, 0).time(5), 5);
        assert_eq!(interface(0, 0).time(5), 5_000_000_000);
        assert_eq!(interface(0x80 | 10, 0).time(512), 500_000_000);
        assert_eq!(interface(9, 3).time(5), 3_000_000_005);
    }

    #[test]
    fn no_clock_of_a_hostile_file_overflows() {
        for resolution in 0..=u8::MAX {
            for offset in [i64::MIN, -1, 0, i64::MAX] {
                assert!(interface(resolution, offset).time(u64::MAX) <= u64::MAX >> 1);
            }
        }
    }
}
