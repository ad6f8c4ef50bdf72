//! Reading the packet under the verifier's eyes.

use core::arch::asm;

use aya_ebpf::helpers::generated::bpf_xdp_get_buff_len;
use aya_ebpf::programs::XdpContext;
use sluice_common::wire::Bytes;

/// The bytes of the packet that the kernel shows, from `data` to `data_end`; of a packet in several
/// buffers those of the first.
pub struct Packet {
    start: usize,
    end: usize,
}

impl Packet {
    #[inline(always)]
    pub fn new(ctx: &XdpContext) -> Self {
        Self { start: ctx.data(), end: ctx.data_end() }
    }
}

/// How many bytes a packet has, link header included.
pub trait Length {
    /// Those of the packet in `ctx`.
    fn of(ctx: &XdpContext) -> u64;
}

/// Of a packet in one buffer: what the kernel shows is all of it.
pub struct Linear;

impl Length for Linear {
    #[inline(always)]
    fn of(ctx: &XdpContext) -> u64 {
        (ctx.data_end() - ctx.data()) as u64
    }
}

/// Of a packet that may span several: the kernel shows the first.
pub struct Spread;

impl Length for Spread {
    #[inline(always)]
    fn of(ctx: &XdpContext) -> u64 {
        // SAFETY: the helper reads the context that the kernel gave this program.
        unsafe { bpf_xdp_get_buff_len(ctx.ctx) }
    }
}

impl Bytes for Packet {
    #[inline(always)]
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let at = self.start + bounded(offset);
        if at + N > self.end {
            return None;
        }
        // SAFETY: `at..at + N` lies between `data` and `data_end`, as the comparison above has just
        // shown to the verifier too, which refuses the program if it has not. The type is plain bytes.
        Some(unsafe { *(at as *const [u8; N]) })
    }
}

/// `offset`, in a way that shows the verifier a bound: it follows a packet pointer only up to 65,535.
///
/// The parser never asks for more than 12,350: an Ethernet header with two tags, an IPv6 header and six
/// extension headers of 2,048 bytes. So nothing is cut off here; but the compiler, which can tell, would
/// drop a mask written in Rust.
#[inline(always)]
fn bounded(mut offset: usize) -> usize {
    // SAFETY: the one instruction works on a register that is given and taken back.
    unsafe { asm!("{0} &= 0x3fff", inout(reg) offset, options(pure, nomem, nostack)) };
    offset
}
