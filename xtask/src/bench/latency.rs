//! Round trips through what stands between two hosts: while nothing else is sent, and beside a transfer.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use sluice_lab::{B_V4, Iperf, Namespace, Process, WireLab, WireWiring};

use super::between::{Between, Middle};
use super::context::Context;
use super::distribution;
use super::iperf::PORT;
use super::pin;
use super::scenario::{Better, Measure, Numbers, Scenario, State};

/// Bytes of payload: a request like those of most protocols, and one that fills a packet.
const SIZES: [u64; 2] = [64, 1400];

/// Where requests are answered.
const ECHO: u16 = 5300;

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
        state("testpmd", "DPDK's io forwarding on AF_XDP", Between::Testpmd, beside),
    ];
    Scenario {
        name: name.to_owned(),
        what: what.to_owned(),
        unit: "µs",
        better: Better::Less,
        varies: "bytes",
        points: if context.quick { SIZES[..1].to_vec() } else { SIZES.to_vec() },
        states,
    }
}

fn state(name: &'static str, what: &'static str, between: Between, beside: Beside) -> State {
    State::new(name, what, move |context| {
        between.ensure_there()?;
        let [cpu, other] = [0, 1].map(|number| context.cpu(number));
        ensure!(cpu != other, "one CPU only: what forwards is to have one and the hosts another");
        let middle = Middle { sluice: context.sluice()?, cpu, other };
        let (program, seconds) = (context.program("sluice-bench")?, context.seconds());
        Ok(Box::new(move |size| {
            let wiring = WireWiring { queues: 1, gro: true, ..WireWiring::default() };
            let lab = WireLab::wired(wiring)?;
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
    let _echo = echo(&lab.b, program)?;
    match beside {
        Beside::Nothing => ping(&lab.a, program, size, seconds),
        Beside::Transfer => {
            let _server = Iperf::server(&lab.b, PORT)?;
            let arguments = format!("--client {B_V4} --port {PORT} --time {}", seconds + 1);
            thread::scope(|scope| {
                let transfer = scope.spawn(|| Iperf::run(&lab.a, &arguments));
                let numbers = ping(&lab.a, program, size, seconds);
                let told = transfer.join().expect("no panic")?;
                let mut numbers = numbers?;
                numbers.insert("Gbit/s".to_owned(), told.received / 1e9);
                Ok(numbers)
            })
        }
    }
}

/// Answers on `host` from now on.
fn echo(host: &Namespace, program: &Path) -> Result<Process> {
    let mut command = host.command(PathBuf::from(program));
    command.arg("echo").arg(format!("{B_V4}:{ECHO}")).stderr(Stdio::piped());
    let mut echo = host.spawn(&mut command)?;
    let stderr = echo.child().stderr.take().context("stderr was piped")?;
    let mut said = String::new();
    BufReader::new(stderr).read_line(&mut said)?;
    ensure!(said.starts_with("answering"), "the echo says: {said}");
    Ok(echo)
}

fn ping(host: &Namespace, program: &Path, size: u64, seconds: u64) -> Result<Numbers> {
    let arguments = format!("ping {B_V4}:{ECHO} --size {size} --seconds {seconds} --json");
    let mut command = host.command(program);
    let output = command.args(arguments.split(' ')).output().context("cannot start it")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{arguments} failed: {}", complaint.trim());
    let told: Value = serde_json::from_slice(&output.stdout)?;
    distribution::numbers(&told)
}
