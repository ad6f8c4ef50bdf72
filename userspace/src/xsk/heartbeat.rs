//! The workers' sign of life, where the XDP program sees it.

use std::io;
use std::num::NonZeroUsize;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::mman::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap};
use thiserror::Error;

/// A BPF array of one `u64` a queue, mapped: when the queue's worker last gave a sign of life, in
/// nanoseconds of `CLOCK_MONOTONIC` (what `bpf_ktime_get_ns` reads); 0 is never.
///
/// A store into it costs a store. The XDP program passes a packet to the kernel when the cell of its
/// queue is older than the fail-open time.
#[derive(Debug)]
pub struct Heartbeat {
    cells: NonNull<AtomicU64>,
    queues: u32,
}

// SAFETY: the cells are atomics, mapped until the value is dropped, and reached through `&self` only.
unsafe impl Send for Heartbeat {}
// SAFETY: as above.
unsafe impl Sync for Heartbeat {}

/// The map is not there, or not what it should be.
#[derive(Debug, Error)]
#[error(
    "cannot map the heartbeat of {queues} queues: the map must be an array of u64 with that many \
     entries, made with BPF_F_MMAPABLE"
)]
pub struct HeartbeatError {
    queues: u32,
    source: io::Error,
}

impl Heartbeat {
    /// Maps the first `queues` entries of the array `map`.
    ///
    /// # Errors
    /// The map is smaller, not an array, or not mappable.
    pub fn map(map: BorrowedFd<'_>, queues: u32) -> Result<Self, HeartbeatError> {
        let (protection, len) = (ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, Self::len(queues));
        // SAFETY: a new mapping at an address of the kernel's choice touches nothing that exists.
        let mapped = unsafe { mmap(None, len, protection, MapFlags::MAP_SHARED, map, 0) };
        Self::over(mapped, queues)
    }

    /// Cells that nobody watches, for tests and for runs without an XDP program.
    ///
    /// # Errors
    /// No memory.
    pub fn unwatched(queues: u32) -> Result<Self, HeartbeatError> {
        let (protection, len) = (ProtFlags::PROT_READ | ProtFlags::PROT_WRITE, Self::len(queues));
        // SAFETY: as for `map`.
        let mapped = unsafe { mmap_anonymous(None, len, protection, MapFlags::MAP_PRIVATE) };
        Self::over(mapped, queues)
    }

    fn over(
        mapped: nix::Result<NonNull<std::ffi::c_void>>,
        queues: u32,
    ) -> Result<Self, HeartbeatError> {
        let error = |errno: nix::Error| HeartbeatError { queues, source: errno.into() };
        Ok(Self { cells: mapped.map_err(error)?.cast(), queues })
    }

    fn len(queues: u32) -> NonZeroUsize {
        NonZeroUsize::new(queues.max(1) as usize * size_of::<AtomicU64>()).expect("not 0")
    }

    /// The sign of life of the worker of `queue`.
    ///
    /// # Panics
    /// If `queue` is not mapped.
    #[must_use]
    pub fn beat(self: &Arc<Self>, queue: u32) -> Beat {
        assert!(queue < self.queues, "queue {queue} of {} has no heartbeat", self.queues);
        Beat { heartbeat: Arc::clone(self), queue }
    }

    /// When the worker of `queue` last gave a sign of life; 0 is never.
    #[must_use]
    pub fn last(&self, queue: u32) -> u64 {
        self.cell(queue).load(Ordering::Relaxed)
    }

    fn cell(&self, queue: u32) -> &AtomicU64 {
        assert!(queue < self.queues);
        // SAFETY: inside the mapping, by the assertion above.
        let cell = unsafe { self.cells.add(queue as usize) };
        // SAFETY: mapped as long as `self`, aligned (a mapping begins a page), any bits are a `u64`,
        // and everybody else, the XDP program too, reads it atomically.
        unsafe { cell.as_ref() }
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        // SAFETY: mapped with this length, and nobody borrows from `self` any more.
        let result = unsafe { munmap(self.cells.cast(), Self::len(self.queues).get()) };
        debug_assert!(result.is_ok(), "{result:?}");
    }
}

/// One worker's sign of life.
#[derive(Clone, Debug)]
pub struct Beat {
    heartbeat: Arc<Heartbeat>,
    queue: u32,
}

impl Beat {
    /// The worker lives at `now`, in nanoseconds of `CLOCK_MONOTONIC`.
    pub fn alive(&self, now: u64) {
        self.heartbeat.cell(self.queue).store(now, Ordering::Relaxed);
    }

    /// The worker takes no more packets: from now on they pass to the kernel.
    pub fn stop(&self) {
        self.alive(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_worker_has_its_own_cell() {
        let heartbeat = Arc::new(Heartbeat::unwatched(4).unwrap());
        heartbeat.beat(1).alive(17);
        heartbeat.beat(3).alive(18);
        assert_eq!([0, 1, 2, 3].map(|queue| heartbeat.last(queue)), [0, 17, 0, 18]);
        heartbeat.beat(3).stop();
        assert_eq!(heartbeat.last(3), 0);
    }

    #[test]
    #[should_panic(expected = "queue 4 of 4 has no heartbeat")]
    fn a_queue_without_a_cell_is_refused() {
        drop(Arc::new(Heartbeat::unwatched(4).unwrap()).beat(4));
    }

    #[test]
    fn what_is_not_an_array_is_refused() {
        let pipe = io::pipe().unwrap().0;
        let error = Heartbeat::map(std::os::fd::AsFd::as_fd(&pipe), 4).unwrap_err();
        assert!(error.to_string().contains("BPF_F_MMAPABLE"), "{error}");
    }
}
