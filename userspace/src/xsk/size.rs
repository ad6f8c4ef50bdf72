//! Sizes that the kernel accepts, by construction.

use thiserror::Error;

/// Slots in a ring: a power of two from 1 to 65,536.
///
/// The kernel takes only powers of two (`net/xdp/xsk_queue.c`, `xskq_create`): positions are masked,
/// not divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RingSize(u32);

impl RingSize {
    /// Largest ring. More slots than this hold more than a second of small packets: a queue that long
    /// is delay, not safety.
    pub const MAX: u32 = 1 << 16;

    /// `slots` as a ring size.
    ///
    /// # Errors
    /// Not a power of two, or out of range.
    pub const fn new(slots: u32) -> Result<Self, SizeError> {
        if slots.is_power_of_two() && slots <= Self::MAX {
            Ok(Self(slots))
        } else {
            Err(SizeError::Ring(slots))
        }
    }

    /// The number of slots.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// Frames in a UMEM: a power of two from 2 to 524,288 (2 GiB).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FrameCount(u32);

impl FrameCount {
    /// Most frames of one UMEM: an offset in it must fit 32 bits.
    pub const MAX: u32 = 1 << 19;

    /// `frames` as a frame count.
    ///
    /// # Errors
    /// Not a power of two, or out of range.
    pub const fn new(frames: u32) -> Result<Self, SizeError> {
        if frames.is_power_of_two() && frames >= 2 && frames <= Self::MAX {
            Ok(Self(frames))
        } else {
            Err(SizeError::Frames(frames))
        }
    }

    /// The number of frames.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// A size the kernel, or Sluice, does not take.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SizeError {
    /// A ring.
    #[error("ring = {0}: a ring has a power of two of slots, from 1 to {max}", max = RingSize::MAX)]
    Ring(u32),
    /// A UMEM.
    #[error("frames = {0}: a UMEM has a power of two of frames, from 2 to {max}", max = FrameCount::MAX)]
    Frames(u32),
}

#[cfg(test)]
mod tests {
    use super::{FrameCount, RingSize, SizeError};

    #[test]
    fn a_ring_has_a_power_of_two_of_slots() {
        assert_eq!(RingSize::new(1).map(RingSize::get), Ok(1));
        assert_eq!(RingSize::new(2048).map(RingSize::get), Ok(2048));
        for slots in [0, 3, 2047, RingSize::MAX * 2] {
            assert_eq!(RingSize::new(slots), Err(SizeError::Ring(slots)));
        }
    }

    #[test]
    fn a_umem_has_a_power_of_two_of_frames_and_its_offsets_fit_32_bits() {
        assert_eq!(FrameCount::new(8192).map(FrameCount::get), Ok(8192));
        for frames in [0, 1, 3, 8191, FrameCount::MAX * 2] {
            assert_eq!(FrameCount::new(frames), Err(SizeError::Frames(frames)));
        }
        assert!(u64::from(FrameCount::MAX) * crate::xsk::FRAME_SIZE as u64 <= 1 << 32);
    }

    #[test]
    fn the_error_names_key_value_and_range() {
        let text = SizeError::Ring(3000).to_string();
        assert!(text.contains("ring = 3000") && text.contains("1 to 65536"), "{text}");
    }
}
