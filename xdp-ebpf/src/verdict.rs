//! What becomes of a packet, counted.

use aya_ebpf::bindings::xdp_action::{XDP_DROP, XDP_PASS};
use aya_ebpf::helpers::bpf_ktime_get_ns;
use aya_ebpf::programs::XdpContext;
use sluice_common::abi;
use sluice_common::classify::{Action, Decision, classify, is_too_large};
use sluice_common::reason::VerdictReason;
use sluice_common::wire::{Headers, Link};

use crate::maps::{self, Rules};
use crate::packet::{Length, Packet};

/// Decides about a packet and says so to the kernel.
#[inline(always)]
pub fn of<L: Length>(ctx: &XdpContext, rules: &Rules) -> u32 {
    let packet = Packet::new(ctx);
    let len = L::of(ctx);
    let decision = classify(&Headers::parse(&packet, Link::Ethernet), rules);
    if let Some(rule) = decision.rule {
        rules.count(rule, len);
    }
    // The kernel drops what is too long for the other port without a word: it must not get there.
    match rules.peer_mtu() {
        Some(mtu) if is_too_large(&packet, len, mtu) => too_large(ctx, rules, decision),
        _ => follow(ctx, rules, decision),
    }
}

#[inline(always)]
fn follow(ctx: &XdpContext, rules: &Rules, decision: Decision) -> u32 {
    match decision.verdict {
        Action::Steer => match to_socket(ctx, rules) {
            Ok(redirect) => counted(decision.reason, redirect),
            Err(missing) => leave(rules, missing),
        },
        Action::Drop => counted(decision.reason, XDP_DROP),
        Action::Pass => leave(rules, decision.reason),
    }
}

#[inline(always)]
fn too_large(ctx: &XdpContext, rules: &Rules, decision: Decision) -> u32 {
    let decision = decision.about_too_large();
    match decision.verdict {
        Action::Drop => counted(decision.reason, XDP_DROP),
        Action::Steer | Action::Pass => match to_socket(ctx, rules) {
            Ok(redirect) => counted(decision.reason, redirect),
            Err(_) => counted(VerdictReason::TooLargePassed, XDP_PASS),
        },
    }
}

/// To the socket of the packet's queue, if there is one and somebody alive behind it; else what is missing.
#[inline(always)]
fn to_socket(ctx: &XdpContext, rules: &Rules) -> Result<u32, VerdictReason> {
    let queue = ctx.rx_queue_index();
    if maps::XSKS.get(queue).is_none() {
        return Err(VerdictReason::NoSocket);
    }
    // SAFETY: the helper takes nothing and reads a clock.
    let now = unsafe { bpf_ktime_get_ns() };
    if !abi::is_alive(maps::heartbeat(queue), now, rules.fail_open_ns()) {
        return Err(VerdictReason::NoHeartbeat);
    }
    // The socket may have gone since it was looked for: the flags say what happens then.
    maps::XSKS.redirect(queue, XDP_PASS.into()).map_err(|_| VerdictReason::NoSocket)
}

/// To others: in wire mode out of the other port, else to the kernel. It is the kernel's too where the other
/// port has gone: the flags say so.
#[inline(always)]
fn leave(rules: &Rules, reason: VerdictReason) -> u32 {
    let action = match rules.peer_mtu() {
        Some(_) => maps::PEER.redirect(0, XDP_PASS.into()).unwrap_or_else(|fallback| fallback),
        None => XDP_PASS,
    };
    counted(reason, action)
}

#[inline(always)]
fn counted(reason: VerdictReason, action: u32) -> u32 {
    maps::count(reason);
    action
}
