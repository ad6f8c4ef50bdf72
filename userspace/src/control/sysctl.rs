//! Settings under `/proc/sys/net`, with the value they had.

use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::{Deserialize, Serialize};

/// `net.ipv4.conf.*.rp_filter`: a source is good if any interface leads to it.
const LOOSE: &str = "2";
/// `net.ipv4.conf.*.rp_filter`: a source is good if the interface it came in by leads to it.
const STRICT: &str = "1";
/// `net.ipv6.conf.*.addr_gen_mode`: make no link-local address (`IN6_ADDR_GEN_MODE_NONE`).
const NO_ADDRESS: &str = "1";

/// Why a setting could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} /proc/sys/net/{key}: {source}")]
pub struct SysctlError {
    what: &'static str,
    key: String,
    source: io::Error,
}

/// A setting and what it is changed from and to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Path below `/proc/sys/net`.
    pub key: String,
    /// The value it had.
    pub old: String,
    /// The value it gets.
    pub new: String,
}

impl Setting {
    /// The change of `key` to `new`; `None` where that is its value, or there is no such key.
    fn change(key: String, new: &str) -> Result<Option<Self>, SysctlError> {
        let old = match read(&key) {
            Ok(old) => old,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(SysctlError { what: "read", key, source }),
        };
        Ok((old != new).then(|| Self { key, old, new: new.to_owned() }))
    }

    /// Gives the setting its new value.
    ///
    /// # Errors
    /// Where the kernel refuses, or the interface is gone.
    pub fn apply(&self) -> Result<(), SysctlError> {
        let result = fs::write(path(&self.key), &self.new);
        result.map_err(|source| SysctlError { what: "write", key: self.key.clone(), source })
    }

    /// Gives the setting its old value, unless it is gone or somebody has changed it since.
    ///
    /// # Errors
    /// Where the kernel refuses.
    pub fn undo(&self) -> Result<(), SysctlError> {
        match read(&self.key) {
            Ok(now) if now == self.new => {}
            _ => return Ok(()),
        }
        match fs::write(path(&self.key), &self.old) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result.map_err(|source| SysctlError {
                what: "restore",
                key: self.key.clone(),
                source,
            }),
        }
    }
}

/// What the TUN device needs before it is set up: packets from anywhere in, and not a word out of it
/// that no socket has sent.
///
/// # Errors
/// Where `/proc/sys/net` cannot be read.
pub fn for_tun(tun: &str) -> Result<Vec<Setting>, SysctlError> {
    let wanted = [
        // The way back to whoever sent a steered packet leads out of the NIC, not of the TUN device.
        (format!("ipv4/conf/{tun}/rp_filter"), LOOSE),
        // A new device takes it from `default`, which may be off while the NIC has IPv6.
        (format!("ipv6/conf/{tun}/disable_ipv6"), "0"),
        // No link-local address, no router solicitation, no route from an advertisement.
        (format!("ipv6/conf/{tun}/addr_gen_mode"), NO_ADDRESS),
        (format!("ipv6/conf/{tun}/router_solicitations"), "0"),
        (format!("ipv6/conf/{tun}/accept_ra"), "0"),
    ];
    changes(wanted)
}

/// What the NIC needs: the policy rules lead the way back to whoever sent a steered packet out of the
/// TUN device, so a strict filter would drop those that reach the kernel through the NIC, as they do
/// whenever Sluice lets them pass.
///
/// # Errors
/// Where `/proc/sys/net` cannot be read.
pub fn for_nic(iface: &str) -> Result<Vec<Setting>, SysctlError> {
    let key = format!("ipv4/conf/{iface}/rp_filter");
    // The kernel goes by the larger of the two.
    let all = read("ipv4/conf/all/rp_filter").unwrap_or_default();
    let own = read(&key).unwrap_or_default();
    if all.max(own) == STRICT { changes([(key, LOOSE)]) } else { Ok(Vec::new()) }
}

/// Whether an interface has IPv6, or would have when set up.
#[must_use]
pub fn has_ipv6(iface: &str) -> bool {
    read(&format!("ipv6/conf/{iface}/disable_ipv6")).is_ok_and(|disabled| disabled == "0")
}

fn changes(
    wanted: impl IntoIterator<Item = (String, &'static str)>,
) -> Result<Vec<Setting>, SysctlError> {
    let changes = wanted.into_iter().map(|(key, value)| Setting::change(key, value));
    changes.filter_map(Result::transpose).collect()
}

fn read(key: &str) -> io::Result<String> {
    Ok(fs::read_to_string(path(key))?.trim_end().to_owned())
}

fn path(key: &str) -> PathBuf {
    Path::new("/proc/sys/net").join(key)
}
