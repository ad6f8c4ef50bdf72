//! The kernel's packet generator.

use std::fs;
use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use sluice_lab::Namespace;

use crate::bed::load;

/// The generator's files are a namespace's own.
const FOLDER: &str = "/proc/thread-self/net/pktgen";

/// UDP packets of 64 bytes, the smallest there are.
pub(crate) struct Flood<'a> {
    pub(crate) from: &'a Namespace,
    pub(crate) nic: &'a str,
    /// Where to: link address, address, port.
    pub(crate) to: (&'a str, Ipv4Addr, u16),
    pub(crate) packets: u64,
}

impl Flood<'_> {
    /// Sends all of them, as fast as it goes; how many the NIC took.
    pub(crate) fn run(&self) -> Result<u64> {
        load("pktgen")?;
        self.from.run(|| self.send())
    }

    fn send(&self) -> Result<u64> {
        let (mac, address, port) = self.to;
        let write = |file: &str, line: &str| {
            // Linux 6.12 takes the last byte for the end of the line, whatever it is.
            let line = format!("{line}\n");
            fs::write(format!("{FOLDER}/{file}"), &line).with_context(|| format!("{file}: {line}"))
        };
        write("kpktgend_0", "rem_device_all")?;
        write("kpktgend_0", &format!("add_device {}", self.nic))?;
        let lines = [
            format!("count {}", self.packets),
            // Four more bytes are the Ethernet checksum.
            "pkt_size 60".to_owned(),
            "delay 0".to_owned(),
            format!("dst {address}"),
            format!("dst_mac {mac}"),
            format!("udp_dst_min {port}"),
            format!("udp_dst_max {port}"),
            // A flow for each source port: they spread over the queues.
            "udp_src_min 10000".to_owned(),
            "udp_src_max 10063".to_owned(),
            "flag UDPSRC_RND".to_owned(),
        ];
        lines.iter().try_for_each(|line| write(self.nic, line))?;
        // Returns when all are sent.
        write("pgctrl", "start")?;
        let told = fs::read_to_string(format!("{FOLDER}/{}", self.nic))?;
        let sent = told.split_once("pkts-sofar: ").and_then(|(_, rest)| rest.split(' ').next());
        Ok(sent.context("pktgen tells how many it sent")?.parse()?)
    }
}
