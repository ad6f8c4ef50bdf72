//! Small packets through wire mode: what arrives of more than can be forwarded.
//!
//! Host `a` puts them into a transmit ring, which costs its CPU less than forwarding costs the other one: receiving them
//! is that one's work, too, in threads of the kernel. Host `b` counts what its interface receives and throws it away at
//! once: the packets are for nobody.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use serde_json::Value;
use sluice_lab::{A, A_V4, B, B_V4, LEFT, Namespace, RIGHT, WireLab, WireWiring, wait_until};

use super::between::{Between, Middle, ports_on};
use super::context::Context;
use super::pin;
use super::scenario::{Better, Measure, Numbers, Scenario, State, VALUE, numbers};
use super::testpmd::Testpmd;

const FLOWS: [u64; 2] = [1, 64];
/// Nobody's link address: a bridge sends it everywhere, and a host has nothing to do with it.
const NOBODY: &str = "02:00:00:00:00:99";
/// How long the first packet may take, and what is sent beyond what is measured.
const PATIENCE: Duration = Duration::from_secs(10);
const MORE: u64 = 2;

/// All of them.
pub(super) fn scenarios(context: &Context) -> Vec<Scenario> {
    vec![Scenario {
        name: "wire-udp64".to_owned(),
        what: "UDP packets of 64 bytes that arrive".to_owned(),
        unit: "million packets/s",
        better: Better::More,
        varies: "flows",
        points: if context.quick { FLOWS[..1].to_vec() } else { FLOWS.to_vec() },
        states: vec![
            state("sluice", "wire mode", Between::Sluice),
            state("bridge", "the kernel's bridge", Between::BridgeMerging),
            state("router", "the kernel's router", Between::RouterMerging),
            state("testpmd", "DPDK's io forwarding on AF_XDP", Between::Testpmd(Testpmd::Io)),
        ],
        beside: &[SENT],
    }]
}

/// What was offered, beside what arrived. Where they are equal, the sender is the limit.
const SENT: &str = "sent, million/s";

/// What sends, and for how long.
struct Load {
    program: PathBuf,
    seconds: u64,
}

fn state(name: &'static str, what: &'static str, between: Between) -> State {
    State::new(name, what, move |context| {
        between.ensure_there()?;
        let middle = Middle::of(context)?;
        let load = Load { program: context.program("sluice-bench")?, seconds: context.seconds() };
        Ok(Box::new(move |flows| {
            let wiring = WireWiring { queues: 1, gro: true, ..WireWiring::default() };
            let lab = WireLab::wired(wiring)?;
            between.forward(&lab, &middle, || {
                ports_on(&lab, middle.cpu)?;
                let to = next_hop(&lab, between)?;
                pin::to(middle.other, || load.measure(&lab, flows, &to))?
            })
        }) as Measure)
    })
}

/// The link address that packets for nobody are sent to.
fn next_hop(lab: &WireLab, between: Between) -> Result<String> {
    if between != Between::RouterMerging {
        return Ok(NOBODY.to_owned());
    }
    // The router sends what it gets to where it believes `b`'s address to be.
    lab.dut.ip(&format!("neighbour replace {B_V4} lladdr {NOBODY} dev {RIGHT}"))?;
    let own = lab.dut.exec("cat", &format!("/sys/class/net/{LEFT}/address"))?;
    Ok(own.trim().to_owned())
}

impl Load {
    fn measure(&self, lab: &WireLab, flows: u64, to: &str) -> Result<Numbers> {
        thread::scope(|scope| {
            let sending = scope.spawn(|| self.send(&lab.a, flows, to));
            let arriving = self.arriving(&lab.b);
            let sent = sending.join().expect("no panic")?;
            Ok(numbers([(VALUE, arriving? / 1e6), (SENT, sent / 1e6)]))
        })
    }

    /// Packets a second that are sent.
    fn send(&self, host: &Namespace, flows: u64, to: &str) -> Result<f64> {
        let load = format!("--size 64 --flows {flows}");
        let seconds = self.seconds + MORE;
        let ends = format!("--from {A_V4} --to {B_V4} --mac {to} --seconds {seconds}");
        let program = self.program.to_str().context("a path of text")?;
        let told = host.exec(program, &format!("gen --json --iface {A} {load} {ends}"))?;
        let told: Value = serde_json::from_str(&told)?;
        told["packets_per_second"].as_f64().context("the generator tells no rate")
    }

    /// Packets a second that arrive, once the first have.
    fn arriving(&self, host: &Namespace) -> Result<f64> {
        let before = received(host)?;
        wait_until("packets arrive", PATIENCE, || {
            received(host).is_ok_and(|now| now > before + 1_000).then_some(())
        })?;
        let (begin, first) = (Instant::now(), received(host)?);
        thread::sleep(Duration::from_secs(self.seconds));
        Ok((received(host)? - first) as f64 / begin.elapsed().as_secs_f64())
    }
}

/// Packets that `b`'s interface has received.
fn received(host: &Namespace) -> Result<u64> {
    let told = host.run(|| std::fs::read_to_string(Path::new("/proc/thread-self/net/dev")))?;
    packets(&told, B).with_context(|| format!("the kernel does not tell of {B}"))
}

/// Of `interface: bytes packets errs …` (`Documentation/filesystems/proc.rst`).
fn packets(told: &str, interface: &str) -> Option<u64> {
    let rest = told.lines().find_map(|line| line.trim().strip_prefix(interface))?;
    rest.strip_prefix(':')?.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_the_second_number_of_the_interface() {
        let told = "Inter-| Receive\n face |bytes packets\n    lo: 1 2 3\n    b0: 640 10 0 0\n";
        assert_eq!(packets(told, "b0"), Some(10));
        assert_eq!(packets(told, "b1"), None);
        assert_eq!(packets(told, "b"), None);
    }
}
