//! The loop.

use std::os::fd::AsFd;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};

use super::stop::Report;
use super::worker::{Turn, Worker};
use crate::port::{FramePort, HostPort, NextHops};

/// Nanoseconds a worker sleeps at most while something waits for the other side: nothing wakes it
/// when the host has room again, or the interface is up again.
const RETRY_AFTER: u64 = 1_000_000;

/// Nanoseconds between two readings of the thread's CPU time, which is a system call.
const CPU_TIME_EVERY: u64 = 50_000_000;

impl<'u, N, T, R> Worker<'u, N, T, R>
where
    N: FramePort<'u> + AsFd,
    T: HostPort + AsFd,
    R: NextHops,
{
    /// Works until it is told to stop, or a device vanishes.
    #[must_use]
    pub fn run(mut self) -> Report {
        let mut cpu_read = 0;
        loop {
            let now = nanoseconds(ClockId::CLOCK_MONOTONIC);
            if now.saturating_sub(cpu_read) >= CPU_TIME_EVERY {
                self.counts.cpu_ns = nanoseconds(ClockId::CLOCK_THREAD_CPUTIME_ID);
                cpu_read = now;
            }
            let turn = self.turn(now);
            if turn == Turn::Ended {
                return self.report();
            }
            if let Some(longest) = self.idle.after(turn, now) {
                self.sleep(now, longest);
            }
        }
    }

    /// Sleeps until a port or the handle has something, a train is due, or `longest` is over.
    fn sleep(&mut self, now: u64, longest: u64) {
        let time = self.bounded(now, longest);
        if time == 0 {
            return;
        }
        self.counts.sleeps += 1;
        let wants = PollFlags::POLLIN;
        let mut fds = [
            PollFd::new(self.mailbox.wake.as_fd(), wants),
            PollFd::new(self.wire.as_fd(), wants),
            PollFd::new(self.host.as_fd(), wants),
        ];
        // A packet of the host waits: more of them change nothing.
        let watched = if self.has_waiting() { 2 } else { 3 };
        let time = TimeSpec::from_duration(Duration::from_nanos(time));
        // A signal (EINTR) is as good a reason to look as any.
        let woken = ppoll(&mut fds[..watched], Some(time), None).is_ok()
            && fds[0].revents().is_some_and(|events| !events.is_empty());
        if woken {
            let _ = self.mailbox.wake.read();
            self.expect_command();
        }
    }

    fn bounded(&mut self, now: u64, longest: u64) -> u64 {
        let due = self.coalescer.deadline().map_or(u64::MAX, |due| due.saturating_sub(now));
        let unsent = self.wire.rings().transmit > 0 || self.is_stopping();
        let stuck = unsent || self.has_waiting() || self.backlog.frames() > 0;
        longest.min(due).min(if stuck { RETRY_AFTER } else { u64::MAX })
    }
}

fn nanoseconds(clock: ClockId) -> u64 {
    clock_gettime(clock).map_or(0, |time| Duration::from(time).as_nanos() as u64)
}
