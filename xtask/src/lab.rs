//! Hosts on wires, to try things in.

use std::env;
use std::ffi::OsString;
use std::process::{ExitStatus, Stdio};

use anyhow::{Context, Result, ensure};
use clap::{Subcommand, ValueEnum};
use sluice_lab::{
    A, A_V4, A_V6, B, B_V4, B_V6, DUT, DUT_V4, DUT_V6, LEFT, Namespace, PEER, PEER_V4, PEER_V6,
    RIGHT, WireLab, WireWiring, Wiring,
};

use crate::setup;

/// Two hosts on one wire, to try things in: network namespaces `peer` and `dut` and a veth pair.
///
/// With --wire it is three, for a bump in the wire: `a` and `b`, hosts of one subnet, and `dut` between them
/// with a wire to each, which does not forward by itself.
///
/// Without a subcommand it is `up`. The wire has two queues, an MTU of 1500 and its offloads set so that
/// what crosses it is what would cross a cable: packets no larger than the MTU, with whole checksums.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask lab                                    make it
  cargo xtask lab exec peer ping -c 1 192.0.2.2      run a command on one of its hosts
  cargo xtask lab shell dut                          a shell on one of its hosts
  cargo xtask lab up --name other                    a second one beside it
  cargo xtask lab down                               remove it and all that runs in it
  cargo xtask lab --wire --name three                one of three hosts: a, dut and b
  cargo xtask lab --wire --mtu 9000,1500 --queues 4  with jumbo frames on a's side
  cargo xtask lab exec a ip neighbour                run a command on one of the three")]
pub(crate) struct Lab {
    /// Which lab, where there is more than one.
    #[arg(long, global = true, default_value = "lab", value_parser = name)]
    name: String,
    /// Make three hosts instead of two.
    #[arg(long, global = true)]
    wire: bool,
    #[command(flatten)]
    wires: Wires,
    #[command(subcommand)]
    action: Option<Action>,
}

/// How the two wires of a lab of three hosts are laid.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Wires {
    /// With three hosts: MTU of a's wire and of b's, or of both.
    #[arg(long, global = true, value_name = "A,B", value_parser = mtu)]
    mtu: Option<Mtu>,
    /// With three hosts: queues of every interface.
    #[arg(long, global = true, value_parser = clap::value_parser!(u32).range(1..=64))]
    queues: Option<u32>,
}

/// A's and b's. (Clap takes an array for a list of values.)
#[derive(Clone, Copy, Debug)]
struct Mtu([u32; 2]);

impl Wires {
    /// Whether anything is said of them.
    pub(crate) fn given(self) -> bool {
        self.mtu.is_some() || self.queues.is_some()
    }

    pub(crate) fn wiring(self) -> WireWiring {
        let default = WireWiring::default();
        let mtu = self.mtu.map_or(default.mtu, |Mtu(mtu)| mtu);
        WireWiring { mtu, queues: self.queues.unwrap_or(default.queues), ..default }
    }
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Make the lab.
    Up,
    /// Open a shell on one of the hosts.
    Shell {
        /// Which host.
        #[arg(default_value = "dut")]
        host: Host,
    },
    /// Run a command on one of the hosts.
    Exec {
        /// Which host.
        host: Host,
        /// The command and its arguments.
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
    /// Remove the lab and all that runs in it.
    Down,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Host {
    Peer,
    A,
    Dut,
    B,
}

impl Lab {
    pub(crate) fn run(self) -> Result<()> {
        ensure!(self.wire || !self.wires.given(), "--mtu and --queues go with --wire");
        match self.action.unwrap_or(Action::Up) {
            Action::Up if self.wire => up_wire(&self.name, self.wires.wiring()),
            Action::Up => up(&self.name),
            Action::Shell { host } => shell(&host.of(&self.name)?),
            Action::Exec { host, command } => exec(&host.of(&self.name)?, &command),
            Action::Down => down(&self.name),
        }
    }
}

impl Host {
    fn of(self, lab: &str) -> Result<Namespace> {
        let (role, make) = match self {
            Self::Peer => ("peer", "cargo xtask lab"),
            Self::Dut => ("dut", "cargo xtask lab"),
            Self::A => ("a", "cargo xtask lab --wire"),
            Self::B => ("b", "cargo xtask lab --wire"),
        };
        Namespace::lasting(lab, role).with_context(|| format!("make it with `{make}`"))
    }
}

/// What to do where a lab cannot be made.
const THERE: &str = "if there is one already, `cargo xtask lab down` removes it";

fn up(name: &str) -> Result<()> {
    setup::ensure()?;
    let lab = sluice_lab::Lab::lasting(name, Wiring::default()).context(THERE)?;
    println!("peer  {PEER}  {PEER_V4}/24  {PEER_V6}/64  network namespace {}", lab.peer.name());
    println!("dut   {DUT}   {DUT_V4}/24  {DUT_V6}/64  network namespace {}", lab.dut.name());
    Ok(())
}

fn up_wire(name: &str, wiring: WireWiring) -> Result<()> {
    setup::ensure()?;
    let lab = WireLab::lasting(name, wiring).context(THERE)?;
    println!("a    {A}  {A_V4}/24  {A_V6}/64  network namespace {}", lab.a.name());
    println!("dut  {LEFT} towards a, {RIGHT} towards b    network namespace {}", lab.dut.name());
    println!("b    {B}  {B_V4}/24  {B_V6}/64  network namespace {}", lab.b.name());
    Ok(())
}

fn shell(host: &Namespace) -> Result<()> {
    let shell = env::var_os("SHELL").unwrap_or_else(|| "/bin/sh".into());
    eprintln!("xtask: a shell in {}; leave it with exit", host.name());
    inside(host, &[shell]).map(drop)
}

fn exec(host: &Namespace, command: &[OsString]) -> Result<()> {
    let status = inside(host, command)?;
    ensure!(status.success(), "{:?} ended with {status}", command[0]);
    Ok(())
}

fn inside(host: &Namespace, command: &[OsString]) -> Result<ExitStatus> {
    let mut inside = host.command(&command[0]);
    inside.args(&command[1..]).stdin(Stdio::inherit());
    inside.status().context("cannot start ip")
}

fn down(name: &str) -> Result<()> {
    // One of two hosts, one of three, or what is left of either.
    let removed = [sluice_lab::Lab::remove(name), WireLab::remove(name)];
    ensure!(removed.contains(&true), "there is no lab called {name}");
    Ok(())
}

/// One MTU for both wires, or one for each.
fn mtu(given: &str) -> Result<Mtu, String> {
    let number = |text: &str| text.parse().ok().filter(|mtu| (68..=65_535).contains(mtu));
    let (a, b) = given.split_once(',').unwrap_or((given, given));
    let both = number(a).zip(number(b));
    both.map(|(a, b)| Mtu([a, b])).ok_or_else(|| "two numbers of 68 to 65535: 9000,1500".to_owned())
}

/// A name that stays apart from the names the tests' namespaces get, which begin with a number.
fn name(given: &str) -> Result<String, String> {
    let begins = given.starts_with(|first: char| first.is_ascii_lowercase());
    if begins && given.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()) {
        Ok(given.to_owned())
    } else {
        Err("a lower-case letter, then lower-case letters and digits".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_mtu_is_for_both_wires() {
        assert_eq!(mtu("9000,1500").unwrap().0, [9000, 1500]);
        assert_eq!(mtu("1400").unwrap().0, [1400, 1400]);
        for bad in ["", "9000,", "9000,1500,1500", "67,1500", "1500,65536", "-1"] {
            assert!(mtu(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_lab_cannot_be_called_what_the_sweep_would_remove() {
        assert!(name("lab2").is_ok());
        for bad in ["", "1-2-3", "2lab", "a-b", "../x"] {
            assert!(name(bad).is_err(), "{bad}");
        }
    }
}
