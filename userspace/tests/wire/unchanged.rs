//! What crosses with one MTU on both sides is the same, byte for byte and in order.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use sluice_lab::{A, B, Capture, Direction, WireLab};

use crate::bed::LIMIT;
use crate::frames::{Frame, Frames, ours};
use crate::lanes::Lanes;

/// Which way frames cross.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    AToB,
    BToA,
}

/// Frames on their way at once. Half of a veth's ring (`VETH_RING_SIZE`, Linux `drivers/net/veth.c`), so that none
/// is lost for want of room.
const BATCH: usize = 128;

/// Sends so many frames one way, a batch after the other has arrived.
pub(crate) fn frames(lab: &WireLab, seed: u64, way: Way, count: usize) -> Result<()> {
    let ends = [Capture::open(&lab.a, A)?, Capture::open(&lab.b, B)?];
    let [source, target] = match way {
        Way::AToB => [&ends[0], &ends[1]],
        Way::BToA => [&ends[1], &ends[0]],
    };
    let lanes = match way {
        Way::AToB => Lanes::new(&lab.a, A)?,
        Way::BToA => Lanes::new(&lab.b, B)?,
    };
    let mut frames = Frames::new(seed, way);
    let mut crossed = Crossed::default();
    while crossed.frames < count {
        let batch: Vec<_> = (0..BATCH).map(|_| frames.next()).collect();
        let mut crossing = || {
            lanes.send(&batch, source)?;
            arrive(&batch, target, &mut crossed)
        };
        crossing().with_context(|| format!("seed {seed}, {way:?}, after {crossed:?}"))?;
    }
    let mut buffer = vec![0; 1 << 16];
    let more = next(target, &mut buffer)?.map(<[u8]>::to_vec);
    ensure!(more.is_none(), "one more frame than was sent: {:02x?}", more.unwrap_or_default());
    Ok(())
}

/// What has arrived so far, all of it right.
#[derive(Debug, Default)]
struct Crossed {
    frames: usize,
    bytes: usize,
}

/// Waits for a batch.
fn arrive(batch: &[Frame], target: &Capture, crossed: &mut Crossed) -> Result<()> {
    let mut expected = Expected::default();
    batch.iter().for_each(|frame| expected.sent(frame.flow, &frame.bytes));
    let mut buffer = vec![0; 1 << 16];
    let end = Instant::now() + LIMIT;
    while !expected.is_empty() {
        if let Some(frame) = next(target, &mut buffer)? {
            expected.arrived(frame)?;
            crossed.frames += 1;
            crossed.bytes += frame.len();
        } else if Instant::now() > end {
            bail!("{}", expected.missing());
        }
    }
    Ok(())
}

/// The next frame that arrives; what the hosts themselves send is none. Nothing within a tenth of a second is
/// `None`.
fn next<'b>(target: &Capture, buffer: &'b mut [u8]) -> Result<Option<&'b [u8]>> {
    loop {
        let len = match target.next(buffer)? {
            None => return Ok(None),
            Some(seen) if seen.direction == Direction::In && ours(seen.bytes) => seen.len,
            Some(_) => continue,
        };
        return Ok(Some(&buffer[..len]));
    }
}

/// What is to arrive. Frames with the same bytes are of the same flow, and stand for one another.
#[derive(Debug, Default)]
struct Expected<'f> {
    frames: HashMap<&'f [u8], (usize, VecDeque<usize>)>,
    order: HashMap<usize, VecDeque<usize>>,
    sent: usize,
}

impl<'f> Expected<'f> {
    fn sent(&mut self, flow: usize, frame: &'f [u8]) {
        let (known, numbers) = self.frames.entry(frame).or_insert((flow, VecDeque::new()));
        assert_eq!(*known, flow, "a frame of two flows: {frame:02x?}");
        numbers.push_back(self.sent);
        self.order.entry(flow).or_default().push_back(self.sent);
        self.sent += 1;
    }

    fn arrived(&mut self, frame: &[u8]) -> Result<()> {
        let known = self.frames.get_mut(frame);
        let known = known.and_then(|(flow, numbers)| Some((*flow, numbers.pop_front()?)));
        let Some((flow, number)) = known else {
            bail!("a frame that was not sent, or changed, or doubled: {frame:02x?}");
        };
        let first = self.order.get_mut(&flow).and_then(VecDeque::pop_front);
        ensure!(
            first == Some(number),
            "frame {number} of flow {flow} came instead of {first:?}: {frame:02x?}"
        );
        Ok(())
    }

    fn is_empty(&self) -> bool {
        self.order.values().all(VecDeque::is_empty)
    }

    fn missing(&self) -> String {
        let left = || self.frames.iter().filter(|(_, (_, numbers))| !numbers.is_empty());
        let missing: usize = left().map(|(_, (_, numbers))| numbers.len()).sum();
        let first = left().min_by_key(|(_, (_, numbers))| numbers[0]).map(|(frame, _)| frame);
        format!("{missing} of {} frames are missing, first {first:02x?}", self.sent)
    }
}

/// The comparison must be able to fail.
#[cfg(test)]
mod tests {
    use super::*;

    const SENT: [(usize, &[u8]); 4] = [(1, &[1]), (2, &[2]), (1, &[3]), (1, &[1])];

    /// What is said of these arrivals.
    fn said(arrived: &[u8]) -> Result<String> {
        let mut expected = Expected::default();
        SENT.iter().for_each(|(flow, frame)| expected.sent(*flow, frame));
        arrived.iter().try_for_each(|byte| expected.arrived(&[*byte]))?;
        Ok(if expected.is_empty() { String::new() } else { expected.missing() })
    }

    #[test]
    fn flows_may_overtake_each_other() {
        for order in [[1, 2, 3, 1], [2, 1, 3, 1], [1, 3, 1, 2]] {
            assert_eq!(said(&order).unwrap(), "");
        }
    }

    #[test]
    fn a_frame_lost_doubled_changed_or_overtaken_is_noticed() {
        assert!(said(&[1, 2, 3]).unwrap().contains("1 of 4 frames are missing, first Some([01])"));
        for wrong in [&[1, 2, 2][..], &[1, 4], &[1, 1], &[3]] {
            assert!(said(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_seed_makes_the_same_frames_again_and_another_others() {
        let made = |seed, way| {
            let mut frames = Frames::new(seed, way);
            (0..1000).map(|_| frames.next()).collect::<Vec<_>>()
        };
        assert_eq!(made(1, Way::AToB), made(1, Way::AToB));
        assert_ne!(made(1, Way::AToB), made(2, Way::AToB));
        assert_ne!(made(1, Way::AToB), made(1, Way::BToA));
    }
}
