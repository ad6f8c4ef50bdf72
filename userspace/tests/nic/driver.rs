//! Which driver a NIC has, and what that is known to do with XDP.

use std::fs;

use anyhow::{Context, Result, bail};
use sluice_lab::Namespace;

/// What a driver does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offers {
    /// It runs XDP programs itself.
    pub(crate) native: bool,
    /// It says that AF_XDP sockets can share their frames with the NIC.
    pub(crate) says_zero_copy: bool,
    /// They can.
    pub(crate) zero_copy: bool,
    /// It can be given another number of queues.
    pub(crate) sets_queues: bool,
}

/// What the driver of `nic` does in this kernel, as its source has it.
pub(crate) fn offers(host: &Namespace, nic: &str) -> Result<Offers> {
    // Only a program that is started there sees the namespace's /sys.
    let device = format!("/sys/class/net/{nic}/device");
    let driver = host.exec("readlink", &format!("{device}/driver")).context("it has a driver")?;
    let driver = driver.trim().rsplit('/').next().unwrap_or_default();
    known(driver, release()?, || {
        let features = host.exec("cat", &format!("{device}/features"))?;
        Ok(has_platform_access(&features))
    })
}

fn known(driver: &str, release: (u32, u32), platform: impl Fn() -> Result<bool>) -> Result<Offers> {
    let all = |zero_copy| Offers {
        native: true,
        says_zero_copy: zero_copy,
        zero_copy,
        sets_queues: true,
    };
    let fixed = Offers { sets_queues: false, ..all(false) };
    Ok(match driver {
        "igb" => all(release >= (6, 14)),
        // Whether the device reads memory by the addresses that the kernel maps for it decides when a socket is bound.
        "virtio_net" => {
            let says_zero_copy = release >= (6, 18);
            let zero_copy = says_zero_copy && platform()?;
            Offers { says_zero_copy, ..all(zero_copy) }
        }
        "vmxnet3" => fixed,
        "e1000e" => Offers { native: false, ..fixed },
        other => bail!("nothing is known of the driver {other} here: add what its source says"),
    })
}

/// Whether a virtio device was given VIRTIO_F_ACCESS_PLATFORM (bit 33), which QEMU calls iommu_platform.
fn has_platform_access(features: &str) -> bool {
    features.as_bytes().get(33) == Some(&b'1')
}

/// The kernel's version, as far as it tells what a driver can do.
fn release() -> Result<(u32, u32)> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let mut numbers = release.split('.').map(str::parse);
    let (major, minor) = (numbers.next(), numbers.next());
    Ok((major.context("a major number")??, minor.context("a minor number")??))
}
