//! Packets from their pieces, as a receive ring has them.

use super::frame::{Frame, Packet};
use super::pool::Pool;
use super::umem::MOST_PIECES;

/// What became of a piece.
#[derive(Debug)]
pub enum Gathered<'u> {
    /// It ends this packet.
    Packet(Frame<'u, Packet>),
    /// The rest of its packet is still to come; or it belongs to one that was found too long before, and
    /// its frame is free again.
    Nothing,
    /// Its packet has more than [`MOST_PIECES`]: it is dropped, and its frames are free again.
    TooLong,
}

/// Puts packets together from pieces that come in order.
///
/// A packet's pieces may come in two batches: what has begun waits here, in between.
#[derive(Debug, Default)]
pub struct Gather<'u> {
    begun: Option<Frame<'u, Packet>>,
    /// The rest of a packet that was too long is being dropped.
    skips: bool,
}

impl<'u> Gather<'u> {
    /// Takes the next piece; `continued`: another one of the same packet follows it.
    pub fn add(
        &mut self,
        piece: Frame<'u, Packet>,
        continued: bool,
        pool: &mut Pool<'u>,
    ) -> Gathered<'u> {
        if self.skips {
            self.skips = continued;
            pool.extend(piece.release());
            return Gathered::Nothing;
        }
        let packet = match self.begun.take() {
            None => piece,
            Some(begun) if begun.frames() == MOST_PIECES => {
                self.skips = continued;
                pool.extend(begun.release().chain(piece.release()));
                return Gathered::TooLong;
            }
            Some(mut begun) => {
                begun.append(piece);
                begun
            }
        };
        if continued {
            self.begun = Some(packet);
            return Gathered::Nothing;
        }
        Gathered::Packet(packet)
    }

    /// How many frames wait for the rest of their packet.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.begun.as_ref().map_or(0, Frame::frames)
    }
}

/// It ends with its port. What the kernel never finished is not lost, it is no longer needed.
impl Drop for Gather<'_> {
    fn drop(&mut self) {
        if let Some(begun) = self.begun.take() {
            begun.surrender();
        }
    }
}

#[cfg(test)]
mod tests {
    use sluice_common::offload::Buffer;

    use super::*;
    use crate::xsk::{FrameCount, Umem};

    fn pieces(packet: &Frame<'_, Packet>) -> Vec<Vec<u8>> {
        std::iter::once(packet.head()).chain(packet.rest()).map(<[u8]>::to_vec).collect()
    }

    #[test]
    fn pieces_become_one_packet_in_their_order() {
        let umem = Umem::heap(FrameCount::new(8).unwrap());
        let (mut pool, mut gather) = (umem.pool(), Gather::default());
        for (bytes, continued) in [(&b"one "[..], true), (b"", true), (b"two", true)] {
            let piece = pool.take().unwrap().copy_from(bytes);
            assert!(matches!(gather.add(piece, continued, &mut pool), Gathered::Nothing));
        }
        assert_eq!((gather.frames(), pool.len()), (3, 5));
        let last = pool.take().unwrap().copy_from(b"!");
        let Gathered::Packet(packet) = gather.add(last, false, &mut pool) else { panic!() };
        assert_eq!(pieces(&packet), [&b"one "[..], b"", b"two", b"!"]);
        assert_eq!((packet.frames(), packet.total_len(), gather.frames()), (4, 8, 0));
        pool.extend(packet.release());
        assert_eq!((pool.len(), umem.lost()), (8, 0));
    }

    #[test]
    fn a_packet_that_is_too_long_gives_all_its_frames_back_and_harms_no_other() {
        for excess in [1, 2, 40] {
            let umem = Umem::heap(FrameCount::new(64).unwrap());
            let (mut pool, mut gather) = (umem.pool(), Gather::default());
            let mut too_long = 0;
            for index in 1..=MOST_PIECES + excess {
                let piece = pool.take().unwrap().copy_from(b"x");
                match gather.add(piece, index < MOST_PIECES + excess, &mut pool) {
                    Gathered::TooLong => too_long += 1,
                    Gathered::Nothing => {}
                    Gathered::Packet(packet) => panic!("{packet:?}"),
                }
            }
            assert_eq!((too_long, pool.len(), gather.frames()), (1, 64, 0), "{excess} too many");
            let next = pool.take().unwrap().copy_from(b"next");
            let Gathered::Packet(next) = gather.add(next, false, &mut pool) else { panic!() };
            assert_eq!(pieces(&next), [b"next"]);
            pool.extend(next.release());
            assert_eq!((pool.len(), umem.lost()), (64, 0));
        }
    }

    #[test]
    fn the_longest_packet_is_taken() {
        let umem = Umem::heap(FrameCount::new(32).unwrap());
        let (mut pool, mut gather) = (umem.pool(), Gather::default());
        for _ in 1..MOST_PIECES {
            let piece = pool.take().unwrap().copy_from(b"x");
            assert!(matches!(gather.add(piece, true, &mut pool), Gathered::Nothing));
        }
        let last = pool.take().unwrap().copy_from(b"x");
        let Gathered::Packet(packet) = gather.add(last, false, &mut pool) else { panic!() };
        assert_eq!(packet.frames(), MOST_PIECES);
        pool.extend(packet.release());
    }

    #[test]
    fn what_was_never_finished_is_not_lost() {
        let umem = Umem::heap(FrameCount::new(8).unwrap());
        let (mut pool, mut gather) = (umem.pool(), Gather::default());
        for _ in 0..2 {
            let piece = pool.take().unwrap().copy_from(b"x");
            assert!(matches!(gather.add(piece, true, &mut pool), Gathered::Nothing));
        }
        drop(gather);
        assert_eq!(umem.lost(), 0);
    }
}
