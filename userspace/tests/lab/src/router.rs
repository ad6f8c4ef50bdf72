//! The kernel's own IPv4 router.

use std::fs;

use anyhow::Result;

use crate::Namespace;

/// A host that forwards between two hosts of one subnet, neither of which knows of it; until the value goes.
#[derive(Debug)]
pub struct Router<'n> {
    host: &'n Namespace,
    hosts: [String; 2],
}

impl<'n> Router<'n> {
    /// Each of the two `hosts`, by port and address, is told that the router is the other one (proxy ARP, RFC 1027).
    pub(crate) fn new(host: &'n Namespace, hosts: [(&str, std::net::Ipv4Addr); 2]) -> Result<Self> {
        let [a, b] = hosts.map(|(port, address)| format!("{address}/32 dev {port}"));
        let router = Self { host, hosts: [a, b] };
        router.routes("add")?;
        host.run(|| -> Result<()> {
            for (port, _) in hosts {
                let setting = |name| format!("/proc/sys/net/ipv4/conf/{port}/{name}");
                fs::write(setting("proxy_arp"), "1")?;
                // Without a delay: the answer is not in competition with another one.
                fs::write(format!("/proc/sys/net/ipv4/neigh/{port}/proxy_delay"), "0")?;
                fs::write(setting("send_redirects"), "0")?;
            }
            Ok(fs::write("/proc/sys/net/ipv4/ip_forward", "1")?)
        })?;
        Ok(router)
    }

    fn routes(&self, what: &str) -> Result<()> {
        let [a, b] = &self.hosts;
        self.host.ip_batch(&format!("route {what} {a}\nroute {what} {b}\n"))
    }
}

impl Drop for Router<'_> {
    fn drop(&mut self) {
        // Where it fails, the namespace has gone and the routes with it.
        let _ = self.routes("delete");
    }
}
