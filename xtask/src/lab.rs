//! Two hosts on one wire, to try things in.

use std::env;
use std::ffi::OsString;
use std::process::{ExitStatus, Stdio};

use anyhow::{Context, Result, ensure};
use clap::{Subcommand, ValueEnum};
use sluice_lab::{DUT, DUT_V4, DUT_V6, Namespace, PEER, PEER_V4, PEER_V6, Wiring};

use crate::setup;

/// Two hosts on one wire, to try things in: network namespaces `peer` and `dut` and a veth pair.
///
/// Without a subcommand it is `up`. The wire has two queues, an MTU of 1500 and its offloads set so that
/// what crosses it is what would cross a cable: packets no larger than the MTU, with whole checksums.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask lab                                   make it
  cargo xtask lab exec peer ping -c 1 192.0.2.2     run a command on one of its hosts
  cargo xtask lab shell dut                         a shell on one of its hosts
  cargo xtask lab up --name other                   a second one beside it
  cargo xtask lab down                              remove it and all that runs in it")]
pub(crate) struct Lab {
    /// Which lab, where there is more than one.
    #[arg(long, global = true, default_value = "lab", value_parser = name)]
    name: String,
    #[command(subcommand)]
    action: Option<Action>,
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
    Dut,
}

impl Lab {
    pub(crate) fn run(self) -> Result<()> {
        match self.action.unwrap_or(Action::Up) {
            Action::Up => up(&self.name),
            Action::Shell { host } => shell(&host.of(&self.name)?),
            Action::Exec { host, command } => exec(&host.of(&self.name)?, &command),
            Action::Down => down(&self.name),
        }
    }
}

impl Host {
    fn of(self, name: &str) -> Result<Namespace> {
        let lab = sluice_lab::Lab::existing(name).context("make it with `cargo xtask lab`")?;
        Ok(match self {
            Self::Peer => lab.peer,
            Self::Dut => lab.dut,
        })
    }
}

fn up(name: &str) -> Result<()> {
    setup::ensure()?;
    let lab = sluice_lab::Lab::lasting(name, Wiring::default())
        .context("if there is one already, `cargo xtask lab down` removes it")?;
    println!("peer  {PEER}  {PEER_V4}/24  {PEER_V6}/64  network namespace {}", lab.peer.name());
    println!("dut   {DUT}   {DUT_V4}/24  {DUT_V6}/64  network namespace {}", lab.dut.name());
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
    ensure!(sluice_lab::Lab::remove(name), "there is no lab called {name}");
    Ok(())
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
    fn a_lab_cannot_be_called_what_the_sweep_would_remove() {
        assert!(name("lab2").is_ok());
        for bad in ["", "1-2-3", "2lab", "a-b", "../x"] {
            assert!(name(bad).is_err(), "{bad}");
        }
    }
}
