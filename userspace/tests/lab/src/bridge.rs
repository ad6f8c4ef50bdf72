//! The kernel's own bridge.

use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::Namespace;

/// A bridge of the kernel over two ports; removed when the value goes.
#[derive(Debug)]
pub struct Bridge<'n> {
    host: &'n Namespace,
    name: &'n str,
}

impl<'n> Bridge<'n> {
    /// One called `name` on `host`. It forwards at once, and all there is: no spanning tree, no snooping of multicast
    /// groups.
    ///
    /// # Errors
    /// Where the kernel has no bridge, or no such port.
    pub fn over(host: &'n Namespace, name: &'n str, [left, right]: [&str; 2]) -> Result<Self> {
        let options = "type bridge stp_state 0 forward_delay 0 mcast_snooping 0";
        host.ip(&format!("link add {name} {options}"))?;
        let bridge = Self { host, name };
        host.run(no_filter)?;
        host.ip_batch(&format!(
            "link set {name} addrgenmode none\nlink set {left} master {name}\nlink set {right} master {name}\nlink set {name} up\n"
        ))?;
        Ok(bridge)
    }
}

/// A kernel with `br_netfilter` shows bridged packets to the firewall of the IP layer, which drops what has a
/// wrong header checksum.
fn no_filter() -> Result<()> {
    for family in ["ip", "ip6", "arp"] {
        let setting = format!("/proc/sys/net/bridge/bridge-nf-call-{family}tables");
        if Path::new(&setting).exists() {
            fs::write(setting, "0")?;
        }
    }
    Ok(())
}

impl Drop for Bridge<'_> {
    fn drop(&mut self) {
        // Where it fails, the namespace has gone and the bridge with it.
        let _ = self.host.ip(&format!("link delete {}", self.name));
    }
}
