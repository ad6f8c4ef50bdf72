//! Whether KVM works here.
//!
//! That /dev/kvm can be opened says little: in a virtual machine it may be there and fail at the first instruction
//! that has to be emulated. So a machine is booted with it.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::ValueEnum;

use super::cache::Cache;
use super::kernel::Kernel;
use super::machine;
use super::qemu::Qemu;

/// What runs the machine's instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Accel {
    /// KVM where it works, else emulation.
    Auto,
    /// The CPU, through KVM.
    Kvm,
    /// Emulation (QEMU's TCG): ten times slower or more.
    Tcg,
}

/// A boot under KVM takes two seconds; one that takes this long is none.
const LIMIT: Duration = Duration::from_secs(20);

impl Accel {
    /// KVM or emulation. Tried once and then kept, until this machine is started anew or gets another QEMU.
    pub(super) fn settle(
        self,
        cache: &Cache,
        qemu: &Qemu,
        kernel: &Kernel,
        initrd: &Path,
    ) -> Result<Self> {
        if self != Self::Auto {
            return Ok(self);
        }
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        // Whoever may not open it gets another answer than root.
        let open = File::options().read(true).write(true).open("/dev/kvm").is_ok();
        let here = format!("{} {} {open} ", boot.trim(), qemu.version());
        let noted = cache.noted("accel");
        let noted = noted.as_deref().and_then(|noted| noted.strip_prefix(here.as_str()));
        let works = match noted {
            Some(noted) => noted == "kvm",
            None => {
                let works = open && runs(qemu, kernel, initrd)?;
                cache.note("accel", &(here + if works { "kvm" } else { "tcg" }))?;
                works
            }
        };
        Ok(if works { Self::Kvm } else { Self::Tcg })
    }

    /// QEMU's options.
    pub(super) fn options(self) -> [&'static str; 4] {
        match self {
            Self::Kvm => ["-accel", "kvm", "-cpu", "host"],
            Self::Auto | Self::Tcg => ["-accel", "tcg", "-cpu", "max"],
        }
    }

    pub(super) fn told(self) -> &'static str {
        match self {
            Self::Kvm => "KVM",
            Self::Auto | Self::Tcg => "emulated, since KVM does not work here",
        }
    }
}

/// Whether a machine gets as far as its first process.
fn runs(qemu: &Qemu, kernel: &Kernel, initrd: &Path) -> Result<bool> {
    eprintln!("xtask: nic-lab: trying KVM");
    let folder = tempfile::tempdir()?;
    let (console, errors) = (folder.path().join("console"), folder.path().join("errors"));
    let mut command = machine::boot(qemu, Accel::Kvm, kernel, initrd, "lab.probe=1")?;
    command.args(["-m", "512", "-serial"]).arg(format!("file:{}", console.display()));
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(&errors)?)
        .spawn()?;
    let read = |file: &Path| fs::read_to_string(file).unwrap_or_default();
    // After an internal error QEMU holds the machine and waits for ever.
    let waited = await_end(&mut child, || read(&errors).contains("KVM internal error"));
    let _ = child.kill();
    child.wait()?;
    waited?;
    Ok(read(&console).contains("the machine runs"))
}

fn await_end(child: &mut Child, failed: impl Fn() -> bool) -> Result<()> {
    let start = Instant::now();
    while child.try_wait()?.is_none() && start.elapsed() < LIMIT && !failed() {
        sleep(Duration::from_millis(50));
    }
    Ok(())
}
