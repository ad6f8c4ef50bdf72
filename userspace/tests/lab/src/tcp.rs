//! TCP connections between two namespaces, and what the kernel says of them.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};

use anyhow::{Context, Result};
use nix::sys::socket::{getsockopt, sockopt};

use crate::{HANG, Namespace};

/// Both ends of a new connection from `client` to `address` on `server`: the client's, and the server's.
///
/// # Errors
/// Where they cannot connect.
pub fn connect(
    client: &Namespace,
    server: &Namespace,
    address: SocketAddr,
) -> Result<(TcpStream, TcpStream)> {
    let listener = server.run(|| TcpListener::bind(address))?;
    let near = client.run(|| TcpStream::connect_timeout(&address, HANG))?;
    let (far, _) = listener.accept()?;
    Ok((near, far))
}

/// The largest payload that this end of a connection sends in one packet, bytes (`TCP_MAXSEG`): what the other
/// end announced or the path allows, less the options that each packet carries.
///
/// # Errors
/// Where the connection has ended.
pub fn mss(end: &TcpStream) -> Result<u32> {
    Ok(getsockopt(end, sockopt::TcpMaxSeg)?)
}

/// How many segments a host has sent again since it was made (RFC 4022, `tcpRetransSegs`).
///
/// # Errors
/// Where the kernel does not tell.
pub fn resent(host: &Namespace) -> Result<u64> {
    let told = host.run(|| fs::read_to_string("/proc/thread-self/net/snmp"))?;
    counter(&told, "RetransSegs").context("the kernel does not count what is sent again")
}

/// A counter of the two lines that begin with `Tcp:`, names and values.
fn counter(snmp: &str, name: &str) -> Option<u64> {
    let mut lines = snmp.lines().filter_map(|line| line.strip_prefix("Tcp:"));
    let (names, values) = (lines.next()?.split_whitespace(), lines.next()?.split_whitespace());
    let (_, value) = names.zip(values).find(|(known, _)| *known == name)?;
    value.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_is_found_by_its_name() {
        let told = "Ip: InReceives\nIp: 7\nTcp: MaxConn OutSegs RetransSegs\nTcp: -1 5 3\nUdp: A\nUdp: 1\n";
        assert_eq!(counter(told, "RetransSegs"), Some(3));
        assert_eq!(counter(told, "MaxConn"), None, "a limit, not a counter");
        assert_eq!(counter(told, "InReceives"), None);
    }
}
