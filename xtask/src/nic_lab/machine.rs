//! One run.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use super::NicLab;
use super::accel::Accel;
use super::kernel::Kernel;
use super::qemu::Qemu;
use crate::run::interrupt;
use crate::step::quoted;

/// How often the machine is looked at.
const STEP: Duration = Duration::from_millis(50);

/// How much of the kernel's log is shown where the machine died.
const TAIL: usize = 20;

/// The variable by which the command knows that it is in such a machine; it holds the NIC's name.
pub(super) const VARIABLE: &str = "SLUICE_NIC_LAB";

/// Everything that one run is made of.
pub(super) struct Machine<'a> {
    pub(super) options: &'a NicLab,
    pub(super) qemu: &'a Qemu,
    pub(super) kernel: &'a Kernel,
    pub(super) initrd: &'a Path,
    pub(super) accel: Accel,
}

/// How the command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By itself, with this exit status.
    Exited(u8),
    /// With the machine, when the time limit was hit.
    TimeLimit,
}

impl Machine<'_> {
    /// Boots the machine, runs the command in it, and waits for both to end. What the command prints goes to standard
    /// output.
    pub(super) fn run(&self) -> Result<Ended> {
        let shared = tempfile::Builder::new().prefix("nic-lab-").tempdir()?;
        fs::create_dir(shared.path().join("out"))?;
        fs::write(shared.path().join("job"), self.job()?)?;
        let console = shared.path().join("console");
        let errors = shared.path().join("errors");
        let mut command = self.command(&shared, &console)?;
        let mut child = command
            .stdin(Stdio::null())
            .stderr(File::create(&errors)?)
            .spawn()
            .context("cannot start QEMU")?;
        let ended = self.wait(&mut child);
        // Whatever happened: nothing goes on.
        let _ = child.kill();
        child.wait()?;
        if let Some(file) = &self.options.console {
            fs::copy(&console, file).with_context(|| format!("cannot write {}", file.display()))?;
        }
        let Some(status) = ended? else { return Ok(Ended::TimeLimit) };
        let left = fs::read_to_string(shared.path().join("status")).unwrap_or_default();
        match left.trim().parse() {
            Ok(left) => Ok(Ended::Exited(left)),
            Err(_) => bail!("{}", died(status, &console, &errors)),
        }
    }

    /// Nothing where the time limit was hit.
    fn wait(&self, child: &mut Child) -> Result<Option<ExitStatus>> {
        let start = Instant::now();
        while start.elapsed() < self.options.limit() {
            if let Some(status) = child.try_wait()? {
                return Ok(Some(status));
            }
            interrupt::check()?;
            sleep(STEP);
        }
        Ok(None)
    }

    fn command(&self, shared: &TempDir, console: &Path) -> Result<Command> {
        let NicLab { nic, cpus, memory, out, modules, .. } = self.options;
        // /dev/net/tun is there once its driver is.
        let modules = [&[nic.driver().to_owned(), "tun".to_owned()][..], modules].concat();
        let out_given = if out.is_some() { " lab.out=1" } else { "" };
        let arguments = format!("lab.modules={}{out_given}", modules.join(","));
        let mut command = boot(self.qemu, self.accel, self.kernel, self.initrd, &arguments)?;
        command.args(["-smp", &cpus.to_string(), "-m", &memory.to_string()]);
        // The kernel's log is ttyS0, what the command prints ttyS1.
        command.arg("-serial").arg(file(console)).args(["-serial", "stdio"]);
        command.args(["-device", "virtio-rng-pci"]);
        // Numbers of files are made anew: the folders under / may be several file systems.
        share(&mut command, "files", Path::new("/"), "readonly=on,multidevs=remap");
        share(&mut command, "lab", shared.path(), "readonly=off");
        if let Some(out) = out {
            let out = out.canonicalize();
            share(&mut command, "out", &out.context("the folder of --out")?, "readonly=off");
        }
        (0..self.options.nics).for_each(|number| self.plug(&mut command, number));
        Ok(command)
    }

    /// Each NIC has a root port to itself: igb's virtual functions collide on a bus that is shared.
    fn plug(&self, command: &mut Command, number: u8) {
        let nic = self.options.nic.device();
        let more = self.options.nic_properties.as_deref().unwrap_or_default();
        let more = more.trim_matches(',');
        let comma = if more.is_empty() { "" } else { "," };
        command.args([
            "-netdev",
            &format!("hubport,hubid={},id=net{number}", number / 2),
            "-device",
            &format!("pcie-root-port,id=port{number},chassis={}", number + 1),
            "-device",
            &format!(
                "{nic},bus=port{number},netdev=net{number},mac=52:54:00:00:00:{number:02x},romfile={comma}{more}"
            ),
        ]);
    }

    /// A shell script that runs the command where this program runs, with this PATH and home folder.
    fn job(&self) -> Result<String> {
        let path = env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
        let home = env::home_dir().unwrap_or_else(|| PathBuf::from("/root"));
        let here = env::current_dir()?;
        let words: Result<Vec<_>> = self.options.command.iter().map(|word| text(word)).collect();
        Ok(format!(
            "export OUT=/nic-lab/out {VARIABLE}={} HOME={} PATH={}\ncd {} || exit\nexec {}\n",
            self.options.nic,
            text(home.as_os_str())?,
            quoted(&path),
            text(here.as_os_str())?,
            words?.join(" ")
        ))
    }
}

/// QEMU with a kernel and nothing else yet.
pub(super) fn boot(
    qemu: &Qemu,
    accel: Accel,
    kernel: &Kernel,
    initrd: &Path,
    arguments: &str,
) -> Result<Command> {
    let mut command = qemu.command();
    command.args(["-M", "q35", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]);
    command.args(accel.options());
    command.arg("-kernel").arg(kernel.image()?).arg("-initrd").arg(initrd);
    // A kernel that panics reboots, which ends QEMU. Mitigations cost time and protect nobody here.
    let fixed = "console=ttyS0 quiet panic=-1 mitigations=off";
    command.args(["-append", &format!("{fixed} {arguments}")]);
    Ok(command)
}

/// A folder of the host's, over 9p.
fn share(command: &mut Command, tag: &str, folder: &Path, more: &str) {
    let path = comma(folder);
    let share = format!("local,path={path},mount_tag={tag},security_model=none,{more}");
    command.args(["-virtfs", &share]);
}

fn file(path: &Path) -> String {
    format!("file:{}", comma(path))
}

/// A comma ends a value for QEMU, unless there are two.
fn comma(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

fn text(word: &OsStr) -> Result<String> {
    let text = word.to_str().map(quoted);
    text.with_context(|| format!("{} is not UTF-8", word.display()))
}

/// What is known of a machine that ended before the command did.
fn died(status: ExitStatus, console: &Path, errors: &Path) -> String {
    let read = |file: &Path| {
        String::from_utf8_lossy(&fs::read(file).unwrap_or_default()).trim().to_owned()
    };
    let (console, errors) = (read(console), read(errors));
    let lines: Vec<_> = console.lines().collect();
    let tail = lines[lines.len().saturating_sub(TAIL)..].join("\n");
    format!("the machine ended before the command did (QEMU: {status})\n{errors}\n{tail}")
}
