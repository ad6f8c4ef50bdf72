//! Round trips through what stands between two hosts: while nothing else is sent, and beside a transfer.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Stdio;
use std::thread;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use sluice_lab::{B_V4, Iperf, Namespace, Process, WireLab};

use super::between::{Between, Middle, lab};
use super::context::Context;
use super::iperf::PORT;
use super::scenario::{Better, Measure, Numbers, Scenario, State};
use super::testpmd::Testpmd;
use super::{distribution, pin, spoken};

/// Bytes of payload: a request like those of most protocols, and one that fills a packet.
const SIZES: [u64; 2] = [64, 1400];

/// Where requests are answered.
pub(super) const ECHO: u16 = 5300;

/// What else is sent meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beside {
    Nothing,
    Transfer,
}

/// All of them.
pub(super) fn scenarios(context: &Context) -> Vec<Scenario> {
    let idle = "round trips of datagrams, half take no longer; nothing else is sent";
    let loaded = "the same beside an iperf3 transfer over IPv4";
    vec![
        scenario(context, "wire-latency-idle", idle, Beside::Nothing),
        scenario(context, "wire-latency-load", loaded, Beside::Transfer),
    ]
}

fn scenario(context: &Context, name: &str, what: &str, beside: Beside) -> Scenario {
    let states = vec![
        state("sluice", "wire mode", Between::Sluice, beside),
        state("sluice-spin", "the same, its worker never sleeps", Between::SluiceSpinning, beside),
        state("bridge", "the kernel's bridge", Between::Bridge, beside),
        state("router-gro", "the kernel's router, merging", Between::RouterMerging, beside),
        state("testpmd", "DPDK's io forwarding on AF_XDP", Between::Testpmd(Testpmd::Io), beside),
    ];
    Scenario {
        name: name.to_owned(),
        what: what.to_owned(),
        unit: "µs",
        better: Better::Less,
        varies: "bytes",
        points: if context.quick { SIZES[..1].to_vec() } else { SIZES.to_vec() },
        states,
        beside: &["lost", "Gbit/s", "held trains", "held p50 µs", "held p99 µs"],
    }
}

fn state(name: &'static str, what: &'static str, between: Between, beside: Beside) -> State {
    State::new(name, what, move |context| {
        between.ensure_there()?;
        let middle = Middle::of(context)?;
        let (program, seconds) = (context.program("sluice-bench")?, context.seconds());
        Ok(Box::new(move |size| {
            let lab = lab([1500; 2], &middle)?;
            between.forward(&lab, &middle, || {
                pin::to(middle.other, || measure(&lab, &program, beside, size, seconds))?
            })
        }) as Measure)
    })
}

fn measure(
    lab: &WireLab,
    program: &Path,
    beside: Beside,
    size: u64,
    seconds: u64,
) -> Result<Numbers> {
    let _echo = echo(&lab.b, program, B_V4)?;
    match beside {
        Beside::Nothing => ping(&lab.a, program, B_V4, size, seconds),
        Beside::Transfer => {
            let _server = Iperf::server(&lab.b, PORT)?;
            let arguments = format!("--client {B_V4} --port {PORT} --time {}", seconds + 1);
            thread::scope(|scope| {
                let transfer = scope.spawn(|| Iperf::run(&lab.a, &arguments));
                let numbers = ping(&lab.a, program, B_V4, size, seconds);
                let told = transfer.join().expect("no panic")?;
                let mut numbers = numbers?;
                numbers.insert("Gbit/s".to_owned(), told.received / 1e9);
                Ok(numbers)
            })
        }
    }
}

/// Answers on `host` at `address` from now on.
pub(super) fn echo(host: &Namespace, program: &Path, address: Ipv4Addr) -> Result<Process> {
    let mut command = host.command(program);
    command.arg("echo").arg(format!("{address}:{ECHO}")).stderr(Stdio::piped());
    let mut echo = host.spawn(&mut command)?;
    let stderr = echo.child().stderr.take().context("stderr was piped")?;
    spoken::until(stderr, "answering").context("the echo")?;
    Ok(echo)
}

/// Round trips to who answers at `to`.
pub(super) fn ping(
    host: &Namespace,
    program: &Path,
    to: Ipv4Addr,
    size: u64,
    seconds: u64,
) -> Result<Numbers> {
    let arguments = format!("ping {to}:{ECHO} --size {size} --seconds {seconds} --json");
    let mut command = host.command(program);
    let output = command.args(arguments.split(' ')).output().context("cannot start it")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{arguments} failed: {}", complaint.trim());
    let told: Value = serde_json::from_slice(&output.stdout)?;
    distribution::numbers(&told)
}
