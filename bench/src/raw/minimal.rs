//! The loops straight on the rings, as the kernel's `xdpsock` sample has them: no value for a frame, no pool, no
//! ledger. What is received goes back to the fill ring by its descriptor, or to the transmit ring and from the
//! completion ring to the fill ring.
//!
//! The one file of this crate with `unsafe` in it: the rings are what is measured here, and `xsk-rs` cannot know
//! which frames are whose.

#![expect(unsafe_code, reason = "a loop straight on the rings is the point")]

use std::num::NonZeroU32;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use anyhow::{Context, Result};
use sluice::xsk::FRAME_SIZE;
use xsk_rs::config::{BindFlags, FrameSize, LibxdpFlags, QueueSize, SocketConfig, UmemConfig};
use xsk_rs::{CompQueue, FillQueue, FrameDesc, RxQueue, Socket, TxQueue, Umem};

use super::measure::{self, measure};
use super::{BATCH, Loop, Plan, Scenario, feed, swap_macs};
use crate::link::{FRAMES, RING, Steered, Taken};
use crate::report::RawReport;

pub(super) fn run(plan: &Plan) -> Result<RawReport> {
    let mut rings = Rings::open(plan)?;
    let steered = if plan.scenario == Scenario::Transmit {
        rings.idle.clone_from(&rings.frames);
        None
    } else {
        rings.fill_all();
        let steered = Steered::load(Taken::Everything, 1)?;
        let beat = steered.serve(0, &rings)?;
        Some((steered, beat))
    };
    let socket = measure::Socket { zero_copy: false, steered };
    match plan.scenario {
        Scenario::Receive => measure(plan, &mut Sink(rings), socket),
        Scenario::Transmit => measure(plan, &mut Source(rings), socket),
        Scenario::Reflect => measure(plan, &mut Mirror(rings), socket),
    }
}

/// The rings of one socket. A descriptor in `idle` or in `waiting` is of a frame that no ring has.
struct Rings {
    umem: Umem,
    /// The descriptors of all frames in their order, with the plan's packet.
    frames: Vec<FrameDesc>,
    rx: RxQueue,
    tx: TxQueue,
    fill: FillQueue,
    completion: CompQueue,
    idle: Vec<FrameDesc>,
    waiting: Vec<FrameDesc>,
    scratch: [FrameDesc; BATCH],
    outstanding: usize,
}

impl Rings {
    /// Opens the socket; all frames have the plan's packet in them.
    fn open(plan: &Plan) -> Result<Self> {
        let size = QueueSize::new(RING)?;
        let config = UmemConfig::builder()
            .frame_size(FrameSize::new(FRAME_SIZE as u32)?)
            .fill_queue_size(size)
            .comp_queue_size(size)
            .build()?;
        let count = NonZeroU32::new(FRAMES).expect("not 0");
        let (umem, mut frames) = Umem::new(config, count, false)
            .context("cannot map packet memory: it takes root and `ulimit -l unlimited`")?;
        let packet = feed::packet(plan);
        for frame in &mut frames {
            // SAFETY: the frame is of this UMEM, each is looked at alone, and no ring has any yet.
            let mut data = unsafe { umem.data_mut(frame) };
            data.cursor().set_pos(packet.len());
            data.contents_mut().copy_from_slice(&packet);
        }
        let config = SocketConfig::builder()
            .rx_queue_size(size)
            .tx_queue_size(size)
            .libxdp_flags(LibxdpFlags::XSK_LIBXDP_FLAGS_INHIBIT_PROG_LOAD)
            .bind_flags(BindFlags::XDP_COPY | BindFlags::XDP_USE_NEED_WAKEUP)
            .build();
        let iface = plan.wanted.iface.parse()?;
        // SAFETY: libxdp's own program is inhibited, so the double free its contract warns of cannot be.
        let opened = unsafe { Socket::new(config, &umem, &iface, 0) };
        let (tx, rx, rings) =
            opened.with_context(|| format!("cannot bind to {}", plan.wanted.iface))?;
        let (fill, completion) = rings.context("the first socket of a UMEM has its rings")?;
        let (idle, waiting) = (Vec::new(), Vec::with_capacity(BATCH));
        let scratch = [FrameDesc::default(); BATCH];
        let outstanding = 0;
        let rings =
            Self { umem, frames, rx, tx, fill, completion, idle, waiting, scratch, outstanding };
        rings.raise_send_buffer()?;
        Ok(rings)
    }

    /// As Sluice does, or the default of 208 KiB would be what is measured.
    fn raise_send_buffer(&self) -> Result<()> {
        use nix::sys::socket::{setsockopt, sockopt::SndBufForce};
        Ok(setsockopt(self, SndBufForce, &(RING as usize * 8192))?)
    }

    /// Fills the fill ring, once, at the beginning.
    fn fill_all(&mut self) {
        let frames = &self.frames[..RING as usize];
        // SAFETY: the frames are of this UMEM, and no ring has them: nothing was given away yet.
        let given = unsafe { self.fill.produce(frames) };
        assert_eq!(given, frames.len(), "the ring has as many slots");
    }

    /// Up to a batch of received packets, at the beginning of `scratch`.
    fn receive(&mut self) -> usize {
        // SAFETY: the descriptors are blank, and the ring is of this UMEM.
        unsafe { self.rx.consume(&mut self.scratch) }
    }

    /// Wakes the driver for receiving, where it asks.
    fn wake_receive(&mut self) -> Result<()> {
        if self.fill.needs_wakeup() {
            self.fill.wakeup(self.rx.fd_mut(), 0)?;
        }
        Ok(())
    }

    /// Wakes the kernel for sending, where it asks.
    fn wake_transmit(&self) -> Result<()> {
        if self.outstanding > 0 && self.tx.needs_wakeup() {
            self.tx.wakeup()?;
        }
        Ok(())
    }

    /// Up to a batch of sent frames, at the beginning of `scratch`.
    fn complete(&mut self) -> usize {
        if self.outstanding == 0 {
            return 0;
        }
        // SAFETY: the descriptors are blank, and the ring is of this UMEM.
        let done = unsafe { self.completion.consume(&mut self.scratch) };
        self.outstanding -= done;
        done
    }
}

impl AsFd for Rings {
    fn as_fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the queues keep the socket open as long as `self`.
        unsafe { BorrowedFd::borrow_raw(self.rx.fd().as_raw_fd()) }
    }
}

/// `rx_drop` of `xdpsock`.
struct Sink(Rings);

impl Loop for Sink {
    fn turn(&mut self, _now: u64) -> Result<usize> {
        let Self(rings) = self;
        let count = rings.receive();
        if count == 0 {
            rings.wake_receive()?;
            return Ok(0);
        }
        // SAFETY: the receive ring returned these frames just now, and nobody else has them. There is room:
        // the fill ring has as many slots as frames go round.
        let given = unsafe { rings.fill.produce(&rings.scratch[..count]) };
        debug_assert_eq!(given, count);
        Ok(count)
    }
}

/// `tx_only`.
struct Source(Rings);

impl Loop for Source {
    fn turn(&mut self, _now: u64) -> Result<usize> {
        let Self(rings) = self;
        let from = rings.idle.len().saturating_sub(BATCH);
        // SAFETY: frames in `idle` are of this UMEM and in no ring; those that are taken leave it.
        let given = unsafe { rings.tx.produce(&rings.idle[from..]) };
        rings.idle.truncate(rings.idle.len() - given);
        rings.outstanding += given;
        rings.wake_transmit()?;
        let done = rings.complete();
        // A completion does not say how long the packet was.
        let frames =
            rings.scratch[..done].iter().map(|done| rings.frames[done.addr() / FRAME_SIZE]);
        rings.idle.extend(frames);
        Ok(done)
    }
}

/// `l2fwd`.
struct Mirror(Rings);

impl Loop for Mirror {
    fn turn(&mut self, _now: u64) -> Result<usize> {
        let Self(rings) = self;
        rings.wake_transmit()?;
        let done = rings.complete();
        // SAFETY: the completion ring returned these frames just now, and nobody else has them; the fill ring
        // has as many slots as frames go round.
        let given = unsafe { rings.fill.produce(&rings.scratch[..done]) };
        debug_assert_eq!(given, done);
        if rings.waiting.is_empty() {
            let count = rings.receive();
            if count == 0 {
                rings.wake_receive()?;
            }
            for frame in &mut rings.scratch[..count] {
                // SAFETY: the receive ring returned this frame of this UMEM, and nobody else has it.
                let mut data = unsafe { rings.umem.data_mut(frame) };
                swap_macs(data.contents_mut());
            }
            rings.waiting.extend_from_slice(&rings.scratch[..count]);
        }
        // SAFETY: frames in `waiting` are of this UMEM and in no ring; those that are taken leave it.
        let given = unsafe { rings.tx.produce(&rings.waiting) };
        rings.waiting.drain(..given);
        rings.outstanding += given;
        Ok(done)
    }
}
