//! What becomes of a packet, counted.

use aya_ebpf::bindings::xdp_action::{XDP_DROP, XDP_PASS};
use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::programs::XdpContext;
use sluice_common::abi;
use sluice_common::classify::{Action, classify};
use sluice_common::reason::VerdictReason;
use sluice_common::wire::{Headers, Link};

use crate::maps::{self, Rules};
use crate::packet::{Length, Packet};

/// Decides about a packet and says so to the kernel.
#[inline(always)]
pub fn of<L: Length>(ctx: &XdpContext, rules: &Rules) -> u32 {
    let packet = Packet::new(ctx);
    let decision = classify(&Headers::parse(&packet, Link::Ethernet), rules);
    if let Some(rule) = decision.rule {
        rules.count(rule, L::of(ctx));
    }
    match decision.verdict {
        Action::Steer => steer(ctx, rules),
        Action::Drop => counted(decision.reason, XDP_DROP),
        Action::Pass => counted(decision.reason, XDP_PASS),
    }
}

/// To the socket of the packet's queue, if there is one and somebody alive behind it.
#[inline(always)]
fn steer(ctx: &XdpContext, rules: &Rules) -> u32 {
    let queue = ctx.rx_queue_index();
    if maps::XSKS.get(queue).is_none() {
        return counted(VerdictReason::NoSocket, XDP_PASS);
    }
    // SAFETY: the helper takes nothing and reads a clock.
    let now = unsafe { bpf_ktime_get_ns() };
    if !abi::is_alive(maps::heartbeat(queue), now, rules.fail_open_ns()) {
        return counted(VerdictReason::NoHeartbeat, XDP_PASS);
    }
    // The socket may have gone since it was looked for: the flags say what happens then.
    match maps::XSKS.redirect(queue, XDP_PASS.into()) {
        Ok(redirect) => counted(VerdictReason::Steered, redirect),
        Err(fallback) => counted(VerdictReason::NoSocket, fallback),
    }
}

#[inline(always)]
fn counted(reason: VerdictReason, action: u32) -> u32 {
    maps::count(reason);
    action
}
