//! A wire that loses and reorders packets, on any kernel.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, spawn};

use anyhow::{Result, bail};
use fastrand::Rng;
use nix::errno::Errno;

use crate::veth::{End, Receive, lay};
use crate::{Capture, Checksums, Direction, Namespace};

/// What befalls packets, one independently of the other, the same each time for the same seed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Impairment {
    /// Share that is lost, 0 to 1.
    pub loss: f64,
    /// Share that is overtaken by up to [`OVERTAKING`] packets behind it, 0 to 1.
    pub reorder: f64,
    /// Of the choice.
    pub seed: u64,
}

/// More than the three packets after which TCP takes one for lost (RFC 5681 §3.2), so that it is noticed.
pub const OVERTAKING: usize = 5;

/// Its two halves; in the middle a namespace of its own, where a thread for each direction hands packets on.
#[derive(Debug)]
pub(crate) struct Line {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Result<()>>>,
    _middle: Namespace,
}

impl Line {
    /// Lays one from `near` to `far`; what `near` sends suffers.
    pub(crate) fn lay(
        near: End<'_>,
        far: End<'_>,
        mtu: u32,
        queues: u32,
        impairment: Impairment,
    ) -> Result<Self> {
        let middle = Namespace::new("line")?;
        let ends = ["near1", "far1"].map(|link| End { host: &middle, link });
        // Only what comes from `far` may have been redirected.
        let receive = [Receive::Plain, Receive::Ring];
        for ((outer, inner), receive) in [near, far].into_iter().zip(ends).zip(receive) {
            lay(outer, inner, mtu, queues)?;
            inner.offload(Checksums::Whole, receive)?;
            inner.up_bare()?;
        }
        let stop = Arc::new(AtomicBool::new(false));
        let hand_on = |[from, to]: [&str; 2], fate: Fate| {
            let (from, to) = (Capture::open(&middle, from)?, Capture::open(&middle, to)?);
            let stop = stop.clone();
            anyhow::Ok(spawn(move || hand_on(&from, &to, fate, &stop)))
        };
        let unharmed = Impairment { loss: 0.0, reorder: 0.0, seed: 0 };
        let threads = vec![
            hand_on(["near1", "far1"], Fate::of(impairment))?,
            hand_on(["far1", "near1"], Fate::of(unharmed))?,
        ];
        Ok(Self { stop, threads, _middle: middle })
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        for thread in self.threads.drain(..) {
            // That the ends of the line have gone first is no failure.
            let _ = thread.join();
        }
    }
}

fn hand_on(from: &Capture, to: &Capture, mut fate: Fate, stop: &AtomicBool) -> Result<()> {
    let mut buffer = vec![0; 1 << 16];
    while !stop.load(Ordering::Acquire) {
        match from.next(&mut buffer)? {
            Some(packet) if packet.direction == Direction::In => {
                fate.decide(packet.bytes, |packet| inject(to, packet))?;
            }
            Some(_) => {}
            // Nothing comes that could overtake them.
            None => fate.release(|packet| inject(to, packet))?,
        }
    }
    Ok(())
}

/// What the other end has no room for is lost, as on any wire.
fn inject(to: &Capture, packet: &[u8]) -> Result<()> {
    match to.inject(packet) {
        Ok(()) | Err(Errno::ENOBUFS | Errno::EAGAIN) => Ok(()),
        Err(error) => bail!("the line is cut: {error}"),
    }
}

/// Who is lost, who is late.
#[derive(Debug)]
struct Fate {
    impairment: Impairment,
    choice: Rng,
    /// With how many packets more each lets pass.
    late: VecDeque<(usize, Vec<u8>)>,
}

impl Fate {
    fn of(impairment: Impairment) -> Self {
        Self { impairment, choice: Rng::with_seed(impairment.seed), late: VecDeque::new() }
    }

    fn decide(&mut self, packet: &[u8], mut pass: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let lot = self.choice.f64();
        if lot < self.impairment.loss {
            return Ok(());
        }
        if lot < self.impairment.loss + self.impairment.reorder {
            self.late.push_back((OVERTAKING, packet.to_vec()));
            return Ok(());
        }
        pass(packet)?;
        self.late.iter_mut().for_each(|(more, _)| *more -= 1);
        while self.late.front().is_some_and(|(more, _)| *more == 0) {
            let (_, packet) = self.late.pop_front().expect("there is a first one");
            pass(&packet)?;
        }
        Ok(())
    }

    fn release(&mut self, mut pass: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
        self.late.drain(..).try_for_each(|(_, packet)| pass(&packet))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes out of packets 0, 1, 2, …, 255.
    fn passed(loss: f64, reorder: f64) -> Vec<u8> {
        let mut fate = Fate::of(Impairment { loss, reorder, seed: 7 });
        let mut passed = Vec::new();
        let mut pass = |packet: &[u8]| {
            passed.push(packet[0]);
            Ok(())
        };
        for number in 0..=255 {
            fate.decide(&[number], &mut pass).unwrap();
        }
        fate.release(&mut pass).unwrap();
        passed
    }

    #[test]
    fn a_sound_line_changes_nothing() {
        assert_eq!(passed(0.0, 0.0), (0..=255).collect::<Vec<_>>());
    }

    #[test]
    fn packets_are_lost() {
        let passed = passed(0.1, 0.0);
        assert!((200..250).contains(&passed.len()), "{}", passed.len());
        assert!(passed.is_sorted());
    }

    #[test]
    fn packets_are_overtaken_and_none_is_lost() {
        let mut passed = passed(0.0, 0.1);
        let late = passed.windows(2).filter(|pair| pair[0] > pair[1]).count();
        assert!((5..50).contains(&late), "{late}");
        passed.sort_unstable();
        assert_eq!(passed, (0..=255).collect::<Vec<_>>());
    }
}
