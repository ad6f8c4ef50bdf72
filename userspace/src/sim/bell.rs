//! What a sleeping worker is woken by.

use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::eventfd::{EfdFlags, EventFd};

/// A descriptor that is readable while there is something to take.
#[derive(Debug)]
pub(super) struct Bell {
    event: EventFd,
    rings: bool,
}

impl Default for Bell {
    fn default() -> Self {
        let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
        let event = EventFd::from_flags(flags).expect("a descriptor is free");
        Self { event, rings: false }
    }
}

impl Bell {
    pub(super) fn ring(&mut self) {
        if !self.rings {
            self.rings = self.event.write(1).is_ok();
        }
    }

    pub(super) fn silence(&mut self) {
        if self.rings {
            self.rings = self.event.read().is_err();
        }
    }
}

impl AsFd for Bell {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}
