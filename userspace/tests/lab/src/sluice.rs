//! The program itself, running in a namespace.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use anyhow::{Context, Result, anyhow, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::namespace::checked;
use crate::{HANG, Namespace, Process, Stats, wait_until};

/// A running `sluice run`; killed, data plane and all, when the value goes.
#[derive(Debug)]
pub struct Sluice {
    program: PathBuf,
    process: Process,
    folder: TempDir,
}

impl Sluice {
    /// Starts `program run` in `host` with the configuration `config`, but a control socket and a journal of
    /// its own, and waits until it says that it carries traffic.
    ///
    /// # Errors
    /// Where it ends instead; the error holds what it logged.
    pub fn start(host: &Namespace, program: &Path, config: &str) -> Result<Self> {
        Self::launch(Some(host), program, config)
    }

    /// As [`Self::start`], in the namespace this process is in.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_here(program: &Path, config: &str) -> Result<Self> {
        Self::launch(None, program, config)
    }

    fn launch(host: Option<&Namespace>, program: &Path, config: &str) -> Result<Self> {
        let mut sluice = Self::spawned(host, program, config)?;
        sluice.await_running().map_err(|error| sluice.explain(error))?;
        Ok(sluice)
    }

    fn spawned(host: Option<&Namespace>, program: &Path, config: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("sluice-lab-").tempdir()?;
        fs::write(folder.path().join("sluice.toml"), settled(config, folder.path())?)?;
        let process = spawn(host, program, folder.path())?;
        Ok(Self { program: program.to_owned(), process, folder })
    }

    /// Starts it again in the same place, as after a crash: same configuration, same journal.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn restart(&mut self, host: &Namespace) -> Result<()> {
        self.process = spawn(Some(host), &self.program, self.folder.path())?;
        self.await_running().map_err(|error| self.explain(error))
    }

    fn await_running(&mut self) -> Result<()> {
        wait_until("sluice carries traffic", HANG, || {
            let ended = self.process.ended().ok().flatten();
            let running = || self.stats().ok().filter(Stats::running).map(drop).map(Ok);
            ended.map(|status| Err(anyhow!("sluice ended with {status}"))).or_else(running)
        })?
    }

    fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        error.context(format!("sluice says:\n{}", self.log()))
    }

    /// Changes what its configuration file says; it does not look before it is told to.
    ///
    /// # Errors
    /// Where it is no TOML, or cannot be written.
    pub fn configure(&self, config: &str) -> Result<()> {
        let folder = self.folder.path();
        Ok(fs::write(folder.join("sluice.toml"), settled(config, folder)?)?)
    }

    /// Has it go by its configuration file, with `sluice reload`; what that says.
    ///
    /// # Errors
    /// Where it refuses.
    pub fn reload(&self) -> Result<String> {
        let socket = self.folder.path().join("control");
        checked(Command::new(&self.program).args(["reload", "--socket"]).arg(socket))
    }

    /// What it has logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Its folder: `sluice.toml`, `log`, the control socket and the journal.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The supervisor.
    #[must_use]
    pub fn supervisor(&mut self) -> &mut Process {
        &mut self.process
    }

    /// The data plane, the supervisor's child.
    ///
    /// # Errors
    /// Where there is none just now.
    pub fn data_plane(&self) -> Result<Pid> {
        self.process.children().first().copied().context("there is no data plane just now")
    }

    /// Kills the data plane and waits until another one carries traffic.
    ///
    /// # Errors
    /// Where none does.
    pub fn kill_data_plane(&self) -> Result<()> {
        let old = self.data_plane()?;
        kill(old, Signal::SIGKILL)?;
        wait_until("the supervisor has started another data plane", HANG, || {
            let another = self.data_plane().is_ok_and(|new| new != old);
            (another && self.stats().is_ok_and(|stats| stats.running())).then_some(())
        })
        .map_err(|error| self.explain(error))
    }

    /// Keeps the data plane from running while `body` does.
    ///
    /// # Errors
    /// Those of `body`, and where the supervisor starts another one instead.
    pub fn while_stalled<T>(&self, body: impl FnOnce() -> Result<T>) -> Result<T> {
        let stalled = self.data_plane()?;
        kill(stalled, Signal::SIGSTOP)?;
        let outcome = body();
        kill(stalled, Signal::SIGCONT)?;
        ensure!(self.data_plane()? == stalled, "a stall is no reason to start another");
        outcome
    }

    /// Whether every frame is where it should be, and the data plane that started is the one that runs.
    ///
    /// # Errors
    /// What is wrong, and what it logged.
    pub fn ensure_sound(&self) -> Result<()> {
        let stats = wait_until("the workers say what they have", HANG, || {
            self.stats().ok().filter(Stats::has_workers)
        })?;
        ensure!(stats.ledger_intact(), "the ledger does not add up: {:#}", stats.0["workers"]);
        ensure!(stats.restarts() == 0, "the data plane ended: {}", self.log());
        Ok(())
    }

    /// What `sluice stats --json` answers, with what the workers have counted if they run.
    ///
    /// # Errors
    /// Where it cannot be asked.
    pub fn stats(&self) -> Result<Stats> {
        // On a busy machine the workers may take longer to say than whoever asks is kept waiting.
        wait_until("the workers say what they have", HANG, || match self.ask() {
            Ok(stats) if stats.running() && !stats.has_workers() => None,
            answer => Some(answer),
        })?
    }

    fn ask(&self) -> Result<Stats> {
        let socket = self.folder.path().join("control");
        let mut ask = Command::new(&self.program);
        let answer = checked(ask.args(["stats", "--json", "--socket"]).arg(socket))?;
        Ok(Stats(serde_json::from_str(&answer)?))
    }

    /// Stops it with SIGTERM and waits for its end, which must be a success.
    ///
    /// # Errors
    /// Where it does not end, or ends with a failure.
    pub fn stop(&mut self) -> Result<()> {
        let status: ExitStatus = self.process.stop(HANG).map_err(|error| self.explain(error))?;
        let ended =
            if status.success() { Ok(()) } else { Err(anyhow!("sluice ended with {status}")) };
        ended.map_err(|error| self.explain(error))
    }

    /// Leaves it running, its folder included, when the value goes.
    pub fn keep(&mut self) {
        self.process.keep();
        self.folder.disable_cleanup(true);
    }
}

/// `config` with a control socket and a journal in `folder`, whatever it says of them.
fn settled(config: &str, folder: &Path) -> Result<String> {
    let mut config: toml::Table = config.parse()?;
    let path = |name| toml::Value::from(folder.join(name).display().to_string());
    let control = [("socket".to_owned(), path("control")), ("state_dir".to_owned(), path("state"))];
    config.insert("control".to_owned(), toml::Table::from_iter(control).into());
    Ok(config.to_string())
}

fn spawn(host: Option<&Namespace>, program: &Path, folder: &Path) -> Result<Process> {
    ensure!(program.exists(), "{} is not built", program.display());
    let log = File::options().create(true).append(true).open(folder.join("log"))?;
    let mut command = host.map_or_else(|| Command::new(program), |host| host.command(program));
    command.args(["run", "--config"]).arg(folder.join("sluice.toml"));
    Process::spawn(command.stdout(log.try_clone()?).stderr(log))
}
