//! What TCP headers have in common under the profile `lro`: what may move forward within a train does not
//! count (G11–G13).

use super::side::Side;
use crate::reason::FlushReason;
use crate::wire::tcp;

/// Kind and length of a timestamps option (RFC 7323).
const TIMESTAMPS: [u8; 2] = [8, 10];
/// Kind of the option that fills a byte (RFC 9293).
const NO_OPERATION: u8 = 1;

/// Why the packet `next` does not go on where the train's `last` packet ended.
pub(super) fn lro_mismatch(last: &Side<'_>, next: &Side<'_>) -> Option<FlushReason> {
    let ignored = tcp::Flags::CLOSING.with(tcp::Flags::CWR);
    first_broken! {
        /// G12
        last.header_len() != next.header_len() => HeaderLength,
        /// G15
        next.flags().intersects(tcp::Flags::CWR) => Cwr,
        /// G12
        last.reserved() != next.reserved()
            || last.flags().without(ignored) != next.flags().without(ignored) => Flags,
        /// G11
        !moves_on(last.acknowledgement(), next.acknowledgement()) => Acknowledgement,
        /// G13
        !options_move_on(last.options().unwrap_or_default(), next.options().unwrap_or_default())
            => Options,
    }
}

/// Whether a number is the same or later: half of them are.
fn moves_on(last: Option<[u8; 4]>, next: Option<[u8; 4]>) -> bool {
    let step = |(last, next)| u32::from_be_bytes(next).wrapping_sub(u32::from_be_bytes(last));
    last.zip(next).is_some_and(|pair| step(pair) < 1 << 31)
}

/// Whether all options are the same, but that timestamps may be later.
fn options_move_on(mut last: &[u8], mut next: &[u8]) -> bool {
    while last != next {
        let len = match (last, next) {
            ([NO_OPERATION, ..], [NO_OPERATION, ..]) => 1,
            ([kind, len, ..], [other, other_len, ..]) if (kind, len) == (other, other_len) => {
                usize::from(*len).max(2)
            }
            _ => return false,
        };
        let Some(((one, last_rest), (other, next_rest))) =
            last.split_at_checked(len).zip(next.split_at_checked(len))
        else {
            return false;
        };
        if one != other && !timestamps_move_on(one, other) {
            return false;
        }
        (last, next) = (last_rest, next_rest);
    }
    true
}

fn timestamps_move_on(last: &[u8], next: &[u8]) -> bool {
    let number = |option: &[u8], at| option.get(at..at + 4).and_then(|four| four.try_into().ok());
    last.starts_with(&TIMESTAMPS)
        && moves_on(number(last, 2), number(next, 2))
        && moves_on(number(last, 6), number(next, 6))
}
