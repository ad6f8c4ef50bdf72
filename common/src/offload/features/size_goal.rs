//! F3: the largest super-packet.

/// The longest IPv4 packet; an IPv6 payload may be as long, but Linux counts its header in (G18).
const LONGEST: u32 = 65_535;

/// F3: how many payload bytes the largest super-packet carries whose headers, from the IP header on, have
/// `header_len` bytes and whose segments carry `mss`: 65,535 less the headers, rounded down to a multiple
/// of the segment size, so that no segment but the last of a flow is short. 0 where not even one fits.
///
/// ```
/// use sluice_common::offload::features::size_goal;
///
/// // IPv4 and TCP without options on Ethernet: 44 full segments.
/// assert_eq!(size_goal(40, 1460), 44 * 1460);
/// ```
#[must_use]
pub const fn size_goal(header_len: u32, mss: u32) -> u32 {
    let room = LONGEST.saturating_sub(header_len);
    match room.checked_div(mss) {
        Some(segments) => segments * mss,
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f3_the_size_goal_is_the_largest_whole_number_of_segments() {
        for header_len in [20, 28, 40, 60, 80, 120, 65_534, 65_535, u32::MAX] {
            for mss in [1, 7, 536, 1440, 1448, 1460, 8948, 65_495, 65_535, u32::MAX] {
                let goal = size_goal(header_len, mss);
                assert_eq!(goal % mss, 0);
                assert!(goal == 0 || header_len + goal <= LONGEST, "{header_len} {mss}: {goal}");
                let more = u64::from(header_len) + u64::from(goal) + u64::from(mss);
                assert!(more > u64::from(LONGEST), "{header_len} {mss}: one more fits {goal}");
            }
        }
    }

    #[test]
    fn f3_without_a_segment_size_there_is_no_goal() {
        assert_eq!(size_goal(40, 0), 0);
    }
}
