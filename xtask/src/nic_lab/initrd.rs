//! What the machine boots into: busybox, the modules, and the first process.

use std::fs::{self, File, Permissions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::cache::{Cache, whole};
use super::kernel::Kernel;
use super::modules::Modules;
use super::packages::{Apt, Mirror, SUITES, said};

/// The first process.
const INIT: &str = include_str!("init.sh");

/// To reach the host's files, the NICs, and what commands are known to want.
const MODULES: &[&str] = &[
    "9p",
    "9pnet_virtio",
    "overlay",
    "igb",
    "e1000e",
    "vmxnet3",
    "virtio_net",
    "virtio_rng",
    "pktgen",
    "veth",
    "tun",
];

/// The file to boot with `kernel`, made where there is none with these modules yet.
pub(super) fn build(
    cache: &Cache,
    mirror: &Mirror,
    kernel: &Kernel,
    more: &[String],
) -> Result<PathBuf> {
    let modules: Vec<_> = MODULES.iter().copied().chain(more.iter().map(String::as_str)).collect();
    let file = kernel.folder().join(format!("initrd-{:016x}", fingerprint(&modules)));
    if !file.exists() {
        let busybox = busybox(cache, mirror)?;
        let scratch = tempfile::tempdir_in(kernel.folder())?;
        let root = scratch.path().join("root");
        fill(&root, kernel, &modules, &busybox)?;
        let packed = scratch.path().join("initrd");
        pack(&root, &packed, &busybox)?;
        fs::rename(packed, &file)?;
    }
    Ok(file)
}

/// Changes with everything that goes into the file but the kernel.
fn fingerprint(modules: &[&str]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (INIT, modules).hash(&mut hasher);
    hasher.finish()
}

fn fill(root: &Path, kernel: &Kernel, names: &[&str], busybox: &Path) -> Result<()> {
    let modules = root.join("lib/modules").join(kernel.release());
    for folder in ["bin", "proc", "sys", "dev", "files", "layer", "root"] {
        fs::create_dir_all(root.join(folder))?;
    }
    fs::create_dir_all(&modules)?;
    fs::copy(busybox, root.join("bin/busybox"))?;
    let init = root.join("init");
    fs::write(&init, INIT)?;
    fs::set_permissions(init, Permissions::from_mode(0o755))?;
    let all = Modules::of(&kernel.modules()?)?;
    names.iter().try_for_each(|name| all.copy(name, &modules, busybox))?;
    said(Command::new(busybox).arg("depmod").arg("-b").arg(root).arg(kernel.release()))?;
    Ok(())
}

/// The archive format is the one the kernel reads, and everything in it is root's.
fn pack(root: &Path, to: &Path, busybox: &Path) -> Result<()> {
    let within = |applet: &str| {
        let mut command = Command::new(busybox);
        command.arg(applet).current_dir(root).stderr(Stdio::null());
        command
    };
    let mut find = within("find").arg(".").stdout(Stdio::piped()).spawn()?;
    let names = find.stdout.take().context("its output is piped")?;
    let mut cpio = within("cpio");
    let cpio = cpio.args(["-o", "-H", "newc", "-R", "0:0"]).stdin(names);
    let packed = cpio.stdout(File::create(to)?).status()?;
    ensure!(find.wait()?.success() && packed.success(), "the files to boot into cannot be packed");
    Ok(())
}

/// One that needs no library.
fn busybox(cache: &Cache, mirror: &Mirror) -> Result<PathBuf> {
    let folder = cache.path("busybox");
    if !whole(&folder) {
        let apt = Apt::new(cache, mirror, &SUITES[1..])?;
        apt.unpack(&["busybox-static".to_owned()], &folder)?;
    }
    let places = ["bin/busybox", "usr/bin/busybox"].map(|place| folder.join(place));
    places.into_iter().find(|place| place.is_file()).context("busybox-static has no busybox")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_module_makes_another_file() {
        assert_ne!(fingerprint(&["igb"]), fingerprint(&["igb", "veth"]));
        assert_eq!(fingerprint(&["igb"]), fingerprint(&["igb"]));
    }

    #[test]
    fn the_first_process_is_a_script_that_a_shell_can_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), INIT).unwrap();
        said(Command::new("sh").arg("-n").arg(file.path())).unwrap();
    }
}
