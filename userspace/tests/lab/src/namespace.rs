//! One network namespace.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::thread;

use anyhow::{Context, Result, ensure};
use nix::sched::{CloneFlags, setns};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};

use crate::{Process, owner};

/// A named network namespace (`ip netns`), deleted with every program in it when dropped.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    keep: bool,
}

impl Namespace {
    /// Makes a namespace with a name of its own that ends in `role`, its loopback up.
    ///
    /// # Errors
    /// Without root, without `ip`, or where the kernel refuses.
    pub fn new(role: &str) -> Result<Self> {
        Self::named(owner::unique(role))
    }

    /// Makes a namespace called `name`.
    ///
    /// # Errors
    /// As [`Self::new`], and where the name is taken.
    pub fn named(name: String) -> Result<Self> {
        ensure!(Uid::effective().is_root(), "a network namespace needs root: run this as root");
        owner::sweep();
        checked(Command::new("ip").args(["netns", "add", &name]))?;
        let namespace = Self { name, keep: false };
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    /// A namespace that exists, left alone when the value goes.
    ///
    /// # Errors
    /// Where there is none of that name.
    pub fn existing(name: String) -> Result<Self> {
        let namespace = Self { name, keep: true };
        ensure!(namespace.path().exists(), "there is no network namespace {}", namespace.name);
        Ok(namespace)
    }

    /// The host `role` of the lasting lab `lab`, as [`Self::existing`].
    ///
    /// # Errors
    /// Where there is no such host.
    pub fn lasting(lab: &str, role: &str) -> Result<Self> {
        Self::existing(owner::lasting(lab, role))
    }

    /// Leaves the namespace and what runs in it behind when the value goes.
    pub fn keep(&mut self) {
        self.keep = true;
    }

    /// The name `ip netns` knows it by.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file that stands for it.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        owner::FOLDER.join(&self.name)
    }

    /// Runs `body` inside the namespace, on a thread of its own, and returns what it returns. A panic in
    /// `body` goes on in the caller.
    ///
    /// # Panics
    /// Where `body` does, and where the namespace has been deleted by somebody else.
    pub fn run<T: Send>(&self, body: impl FnOnce() -> T + Send) -> T {
        let file = File::open(self.path()).expect("the namespace's file is there while it lives");
        let inside = || {
            setns(&file, CloneFlags::CLONE_NEWNET).expect("root may enter a network namespace");
            body()
        };
        thread::scope(|scope| scope.spawn(inside).join())
            .unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// `program` inside the namespace, with the `/sys` that belongs to it; not yet started. The process
    /// that starts is `program` itself (`ip netns exec` replaces itself), so its pid can be signalled.
    #[must_use]
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program).stdin(Stdio::null());
        command
    }

    /// Starts a command made by [`Self::command`]; it is killed when the value goes.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn spawn(&self, command: &mut Command) -> Result<Process> {
        Process::spawn(command)
    }

    /// Runs `ip` with `arguments`, parted at blanks, inside the namespace and returns what it printed.
    ///
    /// # Errors
    /// Where `ip` fails; the error holds what it said.
    pub fn ip(&self, arguments: &str) -> Result<String> {
        checked(Command::new("ip").args(["-n", &self.name]).args(arguments.split_whitespace()))
    }

    /// Runs a whole `ip -batch` script inside the namespace: one `ip` for many lines.
    ///
    /// # Errors
    /// At the first line that fails.
    pub fn ip_batch(&self, script: &str) -> Result<()> {
        let mut child = Command::new("ip")
            .args(["-n", &self.name, "-batch", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start ip: install iproute2")?;
        child.stdin.take().expect("stdin was piped").write_all(script.as_bytes())?;
        said(&child.wait_with_output()?, "ip -batch").map(drop)
    }

    /// Runs `program` with `arguments` inside the namespace to its end and returns what it printed.
    ///
    /// # Errors
    /// Where it cannot be started or fails; the error holds what it said.
    pub fn exec(&self, program: &str, arguments: &str) -> Result<String> {
        checked(self.command(program).args(arguments.split_whitespace()))
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if !self.keep {
            delete(&self.name);
        }
    }
}

/// Kills what runs in the namespace and deletes it. There is nobody to tell that it failed: what is left
/// carries its owner's name and is swept later.
pub(crate) fn delete(name: &str) {
    for pid in pids(name) {
        let _ = kill(pid, Signal::SIGKILL);
    }
    let _ = Command::new("ip").args(["netns", "delete", name]).output();
}

/// The processes whose first thread is in the namespace.
fn pids(name: &str) -> Vec<Pid> {
    let listed = checked(Command::new("ip").args(["netns", "pids", name])).unwrap_or_default();
    listed.lines().filter_map(|line| line.trim().parse().ok()).map(Pid::from_raw).collect()
}

/// Runs a command to its end; what it printed, or an error with what it complained of.
pub(crate) fn checked(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let what =
        command.get_args().fold(program.clone(), |all, next| all + " " + &next.to_string_lossy());
    let output =
        command.output().with_context(|| format!("cannot start {program}: is it installed?"))?;
    said(&output, &what)
}

fn said(output: &Output, what: &str) -> Result<String> {
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`{what}` failed ({}): {}", output.status, complaint.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
