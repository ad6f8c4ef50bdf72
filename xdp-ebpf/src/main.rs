//! The kernel half of Sluice: an XDP program that steers chosen flows into AF_XDP sockets.
//!
//! It holds no rule of its own. It parses with [`sluice_common::wire`] and decides with
//! [`sluice_common::classify`], as user space does; here are only the packet's bounds ([`packet`]),
//! the maps ([`maps`]) and what a verdict means to the kernel ([`verdict`]).
//!
//! | module | what it holds |
//! |---|---|
//! | [`packet`] | reading the packet under the verifier's eyes |
//! | [`maps`] | the maps, and the rule tables in them |
//! | [`verdict`] | what becomes of a packet, counted |
#![no_std]
#![no_main]
// `packet` hides an offset from the compiler, which takes an empty line of assembly.
#![cfg_attr(target_arch = "bpf", feature(asm_experimental_arch))]

mod maps;
mod packet;
mod verdict;

use aya_ebpf::{bindings::xdp_action, macros::xdp, programs::XdpContext};

use crate::packet::{Length, Linear, Spread};

/// Looks at one packet in one buffer.
#[xdp]
pub fn sluice(ctx: XdpContext) -> u32 {
    look::<Linear>(&ctx)
}

/// Looks at one packet in as many buffers as it takes; all headers that count stand in the first.
///
/// A program of its own because drivers go by it: some set their queues up in another way for it, some
/// refuse it, and without sockets that take several buffers every such packet is lost.
#[xdp(frags)]
pub fn sluice_frags(ctx: XdpContext) -> u32 {
    look::<Spread>(&ctx)
}

/// Without settings, before any rule was set, a packet passes.
#[inline(always)]
fn look<L: Length>(ctx: &XdpContext) -> u32 {
    match maps::Rules::current() {
        Some(rules) => verdict::of::<L>(ctx, &rules),
        None => xdp_action::XDP_PASS,
    }
}

/// The number of the layout this program was built for.
#[unsafe(no_mangle)]
#[unsafe(link_section = "sluice_abi")]
pub static SLUICE_ABI: u32 = sluice_common::abi::ABI;

/// Helpers like `bpf_ktime_get_ns` are lent to GPL-compatible programs only.
#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
pub static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

/// The verifier refuses a program that could get here.
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
