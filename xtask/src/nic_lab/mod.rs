//! A machine with real NIC drivers, to run a command in.
//!
//! | module | what it holds |
//! |---|---|
//! | `nic` | the NICs there are |
//! | `cache` | the folder that keeps what was downloaded |
//! | `packages` | Debian's packages, fetched and unpacked without installing them |
//! | `download` | what is to be downloaded, said before and shown while it is |
//! | `retry` | what the network refused is asked for again |
//! | `kernel` | which kernels there are, and one of them unpacked |
//! | `modules` | its modules and what they depend on |
//! | `initrd` | what the machine boots into |
//! | `qemu` | QEMU: the system's, or one of our own |
//! | `accel` | whether KVM works here |
//! | `machine` | one run |

mod accel;
mod cache;
mod download;
mod initrd;
mod kernel;
mod machine;
mod modules;
mod nic;
mod packages;
mod qemu;
mod retry;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::run::interrupt;
use accel::Accel;
use cache::Cache;
pub(crate) use kernel::Wanted;
pub(crate) use machine::Ended;
use machine::Machine;
pub(crate) use nic::Nic;
use packages::Mirror;
use qemu::Qemu;

/// Runs a command as root in a throw-away machine that has real NIC drivers.
///
/// QEMU boots one of Debian's kernels with NICs that are cabled in pairs: eth0 to eth1, eth2 to eth3. The command sees
/// this machine's files at the same paths; what it writes is gone afterwards, except under $OUT. Its output is printed,
/// and its exit status is this command's (124: the time limit was hit; 125: there was no machine, or it died).
///
/// Neither root nor an installation is needed. What is missing, QEMU included, is downloaded once from the Debian
/// mirror this machine uses, and only unpacked: some 150 MB, in ~/.cache/nic-lab.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:
  cargo xtask nic-lab -- ethtool -i eth0              what igb says of itself
  cargo xtask nic-lab --nic e1000e -- ip -br link     another NIC
  cargo xtask nic-lab --kernel 6.12 -- uname -r       the newest of Debian's kernels of that series
  cargo xtask nic-lab --nic virtio-net-pci --nic-properties iommu_platform=on -- target/release/sluice features eth0
                                                      a virtio NIC that offers zero-copy
  cargo xtask nic-lab --out /tmp/seen -- sh -c 'dmesg > $OUT/dmesg'
                                                      keep what it writes
  cargo xtask nic-lab --fetch --kernel 6.18           only download and unpack")]
pub(crate) struct NicLab {
    /// Which NIC.
    #[arg(long, value_enum, default_value_t = Nic::Igb)]
    pub(crate) nic: Nic,
    /// How many, cabled in pairs.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub(crate) nics: u8,
    /// More properties of each, as QEMU's -device takes them: iommu_platform=on.
    #[arg(long, value_name = "NAME=VALUE,…")]
    pub(crate) nic_properties: Option<String>,
    /// A kernel release of Debian's, or how it begins (6.12); `current` is the newest.
    #[arg(long, value_name = "RELEASE", default_value = "current")]
    pub(crate) kernel: Wanted,
    /// CPUs; igb and vmxnet3 have a queue for each.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=32))]
    pub(crate) cpus: u8,
    /// Memory, MiB.
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u32).range(384..=65_536))]
    pub(crate) memory: u32,
    /// Seconds from start to end.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) time_limit: u32,
    /// One more kernel module to load; may be given several times.
    #[arg(long = "module", value_name = "NAME")]
    pub(crate) modules: Vec<String>,
    /// Folder the command can write to: it is $OUT.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) out: Option<PathBuf>,
    /// Keep the kernel's log here.
    #[arg(long, value_name = "FILE")]
    pub(crate) console: Option<PathBuf>,
    /// KVM or emulation; `auto` tries KVM.
    #[arg(long, value_enum, default_value_t = Accel::Auto)]
    pub(crate) accel: Accel,
    /// Debian mirror to download from.
    #[arg(long, value_name = "URL")]
    pub(crate) mirror: Option<String>,
    /// Look for newer kernels than were known at the last time.
    #[arg(long)]
    pub(crate) update: bool,
    /// Only download and unpack what a run needs.
    #[arg(long)]
    pub(crate) fetch: bool,
    /// The command and its arguments.
    #[arg(last = true, required_unless_present = "fetch")]
    pub(crate) command: Vec<OsString>,
}

/// The exit code where there was no machine, or it died; the command can end with any other.
const NO_MACHINE: u8 = 125;
/// The exit code where the time limit was hit, as `timeout` has it.
const TIME_LIMIT: u8 = 124;

impl NicLab {
    pub(crate) fn run(self) -> ExitCode {
        let code = self.ended().unwrap_or_else(|error| {
            eprintln!("xtask: {error:#}");
            NO_MACHINE
        });
        ExitCode::from(code)
    }

    fn ended(&self) -> Result<u8> {
        interrupt::watch()?;
        Ok(match self.execute()? {
            Ended::Exited(status) => status,
            Ended::TimeLimit => {
                eprintln!(
                    "xtask: the time limit of {} s was hit: --time-limit raises it",
                    self.time_limit
                );
                TIME_LIMIT
            }
        })
    }

    /// How the command ended; a success where there is none to run.
    pub(crate) fn execute(&self) -> Result<Ended> {
        ensure!(
            cfg!(target_arch = "x86_64"),
            "the machine runs this machine's programs and is an x86_64 one: run it on x86_64"
        );
        let cache = Cache::open()?;
        let mirror = Mirror::new(self.mirror.clone());
        let (qemu, kernel, initrd, accel) = {
            // Two of these at once would unpack into the same folders.
            let _lock = cache.lock()?;
            let qemu = Qemu::find(&cache, &mirror)?;
            let kernel = self.kernel.find(&cache, &mirror, self.update)?;
            let initrd = initrd::build(&cache, &mirror, &kernel, &self.modules)?;
            let accel = self.accel.settle(&cache, &qemu, &kernel, &initrd)?;
            (qemu, kernel, initrd, accel)
        };
        if self.fetch {
            return Ok(Ended::Exited(0));
        }
        eprintln!(
            "xtask: nic-lab: {} × {}, Linux {}, {} CPUs, {}",
            self.nics,
            self.nic,
            kernel.release(),
            self.cpus,
            accel.told()
        );
        Machine { options: self, qemu: &qemu, kernel: &kernel, initrd: &initrd, accel }.run()
    }

    pub(crate) fn limit(&self) -> Duration {
        Duration::from_secs(self.time_limit.into())
    }
}

impl Default for NicLab {
    /// As it is without options.
    fn default() -> Self {
        Self {
            nic: Nic::Igb,
            nics: 2,
            nic_properties: None,
            kernel: Wanted::Current,
            cpus: 2,
            memory: 1024,
            time_limit: 300,
            modules: Vec::new(),
            out: None,
            console: None,
            accel: Accel::Auto,
            mirror: None,
            update: false,
            fetch: false,
            command: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Alone {
        #[command(flatten)]
        lab: NicLab,
    }

    #[test]
    fn the_default_is_what_no_options_give() {
        let parsed = Alone::try_parse_from(["nic-lab", "--", "true"]).ok().unwrap().lab;
        let default = NicLab { command: vec!["true".into()], ..NicLab::default() };
        assert_eq!(format!("{parsed:?}"), format!("{default:?}"));
    }

    #[test]
    fn without_a_command_there_is_nothing_to_run() {
        assert!(Alone::try_parse_from(["nic-lab"]).is_err());
        assert!(Alone::try_parse_from(["nic-lab", "--fetch"]).is_ok());
    }
}
