//! Packets asked for before their turn.

use std::iter;

use crate::xsk::{Frame, Packet};

/// How many packets ahead of the one whose turn it is. With one, memory that no cache holds would still be waited for. More
/// would push each other out again: all frames begin at the same place in their page, and a first-level cache has room
/// for eight such.
const AHEAD: usize = 2;

/// Takes the packets of a burst in their order, and asks the CPU for each some packets before.
pub(super) fn ahead<'b, 'u>(
    burst: &'b mut Vec<Frame<'u, Packet>>,
) -> impl Iterator<Item = Frame<'u, Packet>> + use<'b, 'u> {
    let mut packets = burst.drain(..);
    packets.as_slice().iter().take(AHEAD).for_each(Frame::prefetch);
    iter::from_fn(move || {
        let packet = packets.next()?;
        if let Some(later) = packets.as_slice().get(AHEAD - 1) {
            later.prefetch();
        }
        Some(packet)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xsk::{FrameCount, Umem};

    #[test]
    fn all_come_in_their_order() {
        let umem = Umem::heap(FrameCount::new(16).unwrap());
        let mut pool = umem.pool();
        for count in 0..=10_u8 {
            let mut burst: Vec<_> =
                (0..count).map(|n| pool.take().unwrap().copy_from(&[n; 60])).collect();
            for (n, packet) in (0..count).zip(ahead(&mut burst)) {
                assert_eq!(packet.as_ref(), [n; 60]);
                pool.extend(packet.release());
            }
            assert!(burst.is_empty());
        }
        assert_eq!((pool.len(), umem.lost()), (16, 0));
    }
}
