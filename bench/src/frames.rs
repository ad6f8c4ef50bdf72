//! The memory that packets are received into.

use crate::stream::{FILL, FRAME, HEADER, Header};

/// Frames that are free: last in, first out, as in a worker's pool, so that one which was used lately is used next.
///
/// Their payload is written once and stays. Only the header of a packet is written when it is received, outside the
/// time that is measured: to the measured code it lies in the cache, where a NIC or the kernel would have put it.
#[derive(Debug, Default)]
pub struct Frames {
    free: Vec<Box<[u8]>>,
}

impl Frames {
    /// A frame with a packet that begins with `header`.
    pub fn receive(&mut self, header: &Header) -> Box<[u8]> {
        let mut frame = self.free.pop().unwrap_or_else(|| vec![FILL; FRAME].into());
        frame[..HEADER].copy_from_slice(header);
        frame
    }

    /// Receives a whole burst.
    pub fn receive_all(&mut self, headers: &[Header], burst: &mut Vec<Box<[u8]>>) {
        burst.extend(headers.iter().map(|header| self.receive(header)));
    }

    /// Takes frames back.
    pub fn give(&mut self, frames: impl IntoIterator<Item = Box<[u8]>>) {
        self.free.extend(frames);
    }
}
