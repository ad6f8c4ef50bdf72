//! Frames that keep to the queue of their flow.
//!
//! A NIC spreads flows over its queues. The kernel does it for what a packet socket sends, but looks for the VLAN
//! header of a tagged frame where its IP header is (`packet_parse_headers`, Linux `net/packet/af_packet.c`, moves
//! the one and `__skb_flow_dissect` reads the other), so that frames of one flow go to several queues and overtake
//! each other before they are sent. Here each flow has a CPU that sends it, and each CPU a queue (XPS).

use std::thread;

use anyhow::{Context, Result, ensure};
use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use sluice_lab::{Capture, Namespace};

use crate::frames::Frame;

/// CPUs that send, each by a queue of its own.
#[derive(Debug)]
pub(crate) struct Lanes {
    cpus: Vec<usize>,
}

impl Lanes {
    /// As many as `link` of `host` has queues, or this process CPUs.
    pub(crate) fn new(host: &Namespace, link: &str) -> Result<Self> {
        let allowed = sched_getaffinity(Pid::from_raw(0))?;
        let allowed = (0..CpuSet::count()).filter(|&cpu| allowed.is_set(cpu).unwrap_or(false));
        let queues = queues(host, link)?;
        let cpus: Vec<_> = allowed.take(queues).collect();
        // A single queue takes no map, and needs none.
        if queues == 1 {
            return Ok(Self { cpus });
        }
        for (queue, &cpu) in cpus.iter().enumerate() {
            let map = format!("/sys/class/net/{link}/queues/tx-{queue}/xps_cpus");
            let mut write = host.command("sh");
            let status = write.args(["-c", &format!("echo {} > {map}", mask(cpu))]).status()?;
            ensure!(status.success(), "CPU {cpu} cannot be given queue {queue} of {link}");
        }
        Ok(Self { cpus })
    }

    /// Sends a batch, lane by lane: the frames of a flow in order.
    pub(crate) fn send(&self, batch: &[Frame], by: &Capture) -> Result<()> {
        self.cpus.iter().enumerate().try_for_each(|(lane, &cpu)| {
            let ours = batch.iter().filter(|frame| frame.flow % self.cpus.len() == lane);
            thread::scope(|scope| {
                let sender = scope.spawn(move || -> Result<()> {
                    let mut only = CpuSet::new();
                    only.set(cpu)?;
                    sched_setaffinity(Pid::from_raw(0), &only)?;
                    ours.map(|frame| &frame.bytes).try_for_each(|bytes| inject(by, bytes))
                });
                sender.join().expect("sending does not panic")
            })
        })
    }
}

fn queues(host: &Namespace, link: &str) -> Result<usize> {
    let told = host.exec("ls", &format!("/sys/class/net/{link}/queues"))?;
    let queues = told.lines().filter(|name| name.starts_with("tx-")).count();
    (queues > 0).then_some(queues).with_context(|| format!("{link} has no queue"))
}

/// One CPU in a list of masks of 32, the highest first.
fn mask(cpu: usize) -> String {
    format!("{:x}{}", 1_u32 << (cpu % 32), ",00000000".repeat(cpu / 32))
}

fn inject(source: &Capture, frame: &[u8]) -> Result<()> {
    // The queue of the interface is full for a moment.
    while let Err(error) = source.inject(frame) {
        let transient = matches!(error, Errno::ENOBUFS | Errno::EAGAIN);
        ensure!(transient, "{} bytes: {error}: {frame:02x?}", frame.len());
        thread::yield_now();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_written_in_words() {
        assert_eq!([0, 5, 32, 69].map(mask), ["1", "20", "1,00000000", "20,00000000,00000000"]);
    }
}
