//! Every command that the documentation tells people to type, typed. Needs root.
//!
//! `cargo xtask` lines are checked by xtask's own tests, and run by CI; those of `sluice-bench` by its own.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use sluice_lab::{DUT, Documented, Lab, Process, documented, top, wait_until};

const SLUICE: &str = env!("CARGO_BIN_EXE_sluice");

/// How long a start or a stop may take before it is given up on.
const LIMIT: Duration = Duration::from_secs(20);

/// A host with an interface eth1, as the documentation has it.
struct Host {
    lab: Lab,
    root: tempfile::TempDir,
    running: Option<Process>,
}

impl Host {
    fn new() -> Result<Self> {
        let lab = Lab::new()?;
        lab.dut.ip_batch(&format!(
            "link set {DUT} down\nlink set {DUT} name eth1\nlink set eth1 up\n"
        ))?;
        Ok(Self { lab, root: tempfile::tempdir()?, running: None })
    }

    /// A shell in the namespace that finds the program that was built, and installs elsewhere.
    fn shell(&self, command: &str) -> Command {
        let built = Path::new(SLUICE).parent().expect("the program is in a folder");
        let path = format!("{}:{}", built.display(), std::env::var("PATH").unwrap_or_default());
        let mut shell = self.lab.dut.command("sh");
        shell.args(["-eu", "-c", &command.replace("target/release/sluice", SLUICE)]);
        shell.current_dir(top()).env("PATH", path).env("DESTDIR", self.root.path());
        shell
    }

    /// Ends what runs in a way that leaves no journal and no socket in the folder all of them share.
    fn stop(&mut self) -> Result<()> {
        let Some(mut running) = self.running.take() else { return Ok(()) };
        let status = running.stop(LIMIT)?;
        ensure!(status.success(), "it stops with {status}");
        Ok(())
    }

    fn type_in(&mut self, command: &str) -> Result<()> {
        if command.starts_with("sluice run") {
            self.stop()?;
            self.running = Some(Process::spawn(&mut self.shell(&format!("exec {command}")))?);
            let answers =
                || self.shell("sluice stats").output().is_ok_and(|out| out.status.success());
            return wait_until("it answers", LIMIT, || answers().then_some(()));
        }
        let output = self.shell(command).output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }
}

#[test]
fn every_documented_command_does_what_it_says() -> Result<()> {
    let commands = documented();
    assert!(commands.len() > 10, "the documentation has commands: {commands:?}");
    let mut host = Host::new()?;
    let elsewhere = ["cargo xtask ", "target/release/sluice-bench "];
    let ours = |one: &&Documented| !elsewhere.iter().any(|other| one.command.starts_with(other));
    for documented in commands.iter().filter(ours) {
        host.type_in(&documented.command).with_context(|| Documented::to_string(documented))?;
    }
    host.stop()?;
    for file in ["usr/local/bin/sluice", "etc/sluice/sluice.toml"] {
        assert!(host.root.path().join(file).exists(), "{file} is installed");
    }
    Ok(())
}
