//! The side of the local kernel, without a kernel.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::os::fd::{AsFd, BorrowedFd};

use sluice_common::offload::{GsoType, VnetHeader};

use super::bell::Bell;
use super::record::Record;
use crate::port::{HostPort, Received, Sent, SuperPort};

/// A [`HostPort`] that takes and gives what the test says.
///
/// Packets are as on a TUN queue: a vnet header, then an IP packet; where it is the [`SuperPort`] of a
/// [`MemPort`](super::MemPort), as on a packet socket: the link header is between them.
#[derive(Debug)]
pub struct MemHost {
    /// What the kernel answers to a packet given to it.
    pub answer: Sent,
    /// The next so many packets given to the kernel are answered with [`Sent::Full`] all the same.
    pub full_for: usize,
    /// After it has taken so many packets the kernel answers [`Sent::Full`].
    pub full_after: Option<usize>,
    /// Kinds of super-packets the kernel does not take.
    pub refuses: Vec<GsoType>,
    /// The kernel answers [`Sent::Refused`] to each super-packet.
    pub refuses_supers: bool,
    /// The device has vanished: nothing can be taken from it.
    pub gone: bool,
    /// What the kernel was given and took, oldest first.
    pub taken: Record,
    /// Slices of the largest packet given.
    pub most_slices: usize,
    waiting: VecDeque<Vec<u8>>,
    bell: Bell,
}

impl Default for MemHost {
    fn default() -> Self {
        Self {
            answer: Sent::Done,
            full_for: 0,
            full_after: None,
            refuses: Vec::new(),
            refuses_supers: false,
            gone: false,
            taken: Record::default(),
            most_slices: 0,
            waiting: VecDeque::new(),
            bell: Bell::default(),
        }
    }
}

impl MemHost {
    /// The local kernel sends a packet: a vnet header, then an IP packet.
    pub fn deliver(&mut self, packet: &[u8]) {
        self.waiting.push_back(packet.to_vec());
        self.bell.ring();
    }

    /// Answers from now on as `how` says, whatever it is.
    pub(super) fn behave(&mut self, how: u8) {
        let answers = [Sent::Done, Sent::Full, Sent::Dropped, Sent::Refused, Sent::Gone];
        self.answer = answers[usize::from(how >> 4) % answers.len()];
        self.refuses_supers = how & 4 == 0;
        self.full_after = (how & 2 == 0).then(|| self.taken.len() + usize::from(how >> 5));
    }

    /// How many packets the local kernel has sent that nobody has taken.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }
}

impl SuperPort for MemHost {
    const MAX_SLICES: usize = 1024;

    fn takes(&self, gso_type: GsoType) -> bool {
        // As a vnet header it knows of eight bits.
        gso_type.0 <= u8::MAX.into() && !self.refuses.contains(&gso_type.kind())
    }

    fn send(&mut self, slices: &[IoSlice<'_>]) -> Sent {
        assert!(slices.len() <= Self::MAX_SLICES, "{} slices", slices.len());
        if self.full_after.is_some_and(|most| self.taken.len() >= most) {
            return Sent::Full;
        }
        if self.full_for > 0 {
            self.full_for -= 1;
            return Sent::Full;
        }
        let vnet = slices.first().and_then(|first| VnetHeader::parse(first));
        if self.refuses_supers && vnet.is_some_and(|vnet| vnet.gso_type != 0) {
            return Sent::Refused;
        }
        if self.answer == Sent::Done {
            self.most_slices = self.most_slices.max(slices.len());
            self.taken.push(slices.iter().map(|slice| &slice[..]));
        }
        self.answer
    }
}

impl HostPort for MemHost {
    fn receive(&mut self, buffer: &mut [u8]) -> Received {
        if self.gone {
            return Received::Gone;
        }
        let Some(packet) = self.waiting.pop_front() else {
            self.bell.silence();
            return Received::Empty;
        };
        let len = packet.len().min(buffer.len());
        buffer[..len].copy_from_slice(&packet[..len]);
        Received::Packet(len)
    }
}

impl AsFd for MemHost {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}
