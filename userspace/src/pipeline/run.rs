//! The loop.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use arrayvec::ArrayVec;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use nix::time::{ClockId, clock_gettime};

use super::life::{MOST_WATCHED, Work};
use super::worker::Turn;

/// Nanoseconds a worker sleeps at most while something waits for the other side: nothing wakes it
/// when the host has room again, or the interface is up again.
const RETRY_AFTER: u64 = 1_000_000;

/// Nanoseconds between two readings of the thread's CPU time, which is a system call.
const CPU_TIME_EVERY: u64 = 50_000_000;

/// Works until the worker is told to stop, or a device vanishes.
pub(super) fn run(worker: &mut impl Work) {
    let mut cpu_read = 0;
    loop {
        let now = nanoseconds(ClockId::CLOCK_MONOTONIC);
        if now.saturating_sub(cpu_read) >= CPU_TIME_EVERY {
            worker.life().counts.cpu_ns = nanoseconds(ClockId::CLOCK_THREAD_CPUTIME_ID);
            cpu_read = now;
        }
        let turn = worker.turn(now);
        if turn == Turn::Ended {
            return;
        }
        if let Some(longest) = worker.life().idle.after(turn, now) {
            sleep(worker, now, longest);
        }
    }
}

/// Sleeps until a port or the handle has something, a train is due, or `longest` is over.
fn sleep(worker: &mut impl Work, now: u64, longest: u64) {
    let time = bounded(worker, now, longest);
    if time == 0 || !worker.may_sleep() {
        return;
    }
    worker.life().counts.sleeps += 1;
    let wake = Arc::clone(&worker.life().mailbox.wake);
    let mut descriptors = ArrayVec::<_, MOST_WATCHED>::new();
    descriptors.push(PollFd::new(wake.as_fd(), PollFlags::POLLIN));
    worker.watch(&mut descriptors);
    let time = TimeSpec::from_duration(Duration::from_nanos(time));
    // A signal (EINTR) is as good a reason to look as any.
    let woken = ppoll(&mut descriptors, Some(time), None).is_ok()
        && descriptors[0].revents().is_some_and(|events| !events.is_empty());
    drop(descriptors);
    if woken {
        let _ = wake.read();
        worker.life().expect_command();
    }
}

fn bounded(worker: &mut impl Work, now: u64, longest: u64) -> u64 {
    let due = worker.deadline().map_or(u64::MAX, |due| due.saturating_sub(now));
    let stuck = worker.life().is_stopping() || worker.is_stuck();
    longest.min(due).min(if stuck { RETRY_AFTER } else { u64::MAX })
}

fn nanoseconds(clock: ClockId) -> u64 {
    clock_gettime(clock).map_or(0, |time| Duration::from(time).as_nanos() as u64)
}
