//! iperf3, which Sluice carries.

use anyhow::{Result, ensure};
use sluice_lab::{Carried, DUT_V4, HANG, Iperf, IperfClient, Lab, Process, wait_until};

use crate::bed::{Bed, STEERED};
use crate::carries::{FILE as BYTES, PACKETS, counted};

/// A client on the peer, and its server on the device under test.
pub(crate) struct Run {
    pub(crate) client: IperfClient,
    _server: Process,
}

impl Run {
    /// Starts both, for so many bytes. A server of its own for each: after a client it listens anew some time later.
    pub(crate) fn start(lab: &Lab, port: u16, bytes: u64, more: &str) -> Result<Self> {
        let server = Iperf::server(&lab.dut, port)?;
        // With a small window: what a sender has in its socket counts for it as sent.
        let arguments =
            format!("--client {DUT_V4} --port {port} --bytes {bytes} --window 64K {more}");
        Ok(Self { client: IperfClient::start(&lab.peer, &arguments)?, _server: server })
    }

    /// Waits until all has arrived, but for what is in sockets when the sender has done.
    pub(crate) fn finish(self, bytes: u64) -> Result<()> {
        let arrived = self.client.finish(HANG)?.bytes;
        ensure!(arrived > bytes / 2, "{arrived} of {bytes} bytes have arrived");
        Ok(())
    }
}

#[test]
fn iperf3_is_carried_both_ways() -> Result<()> {
    let bed = Bed::new()?;
    bed.with_sluice(|sluice| {
        let before = counted(sluice)?;
        for (port, way) in [(STEERED, ""), (STEERED + 1, "--reverse")] {
            Run::start(&bed.lab, port, BYTES, way)?.finish(BYTES)?;
        }
        wait_until("Sluice has carried both transfers", HANG, || {
            let Carried { received, sent, .. } = counted(sluice).ok()? - before;
            (received >= PACKETS && sent >= PACKETS).then_some(())
        })
    })
}
