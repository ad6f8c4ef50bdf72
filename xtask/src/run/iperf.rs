//! One iperf3 measurement.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::net::IpAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Result, anyhow};
use sluice_lab::{Iperf, Process};

use super::interrupt;
use super::progress::Progress;

/// iperf3's own port.
pub(crate) const PORT: u16 = 5201;

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// The end iperf3's client runs on.
    Client,
    /// The end its server runs on.
    Server,
}

/// Measures for `seconds` with a client that `command` starts.
pub(super) fn measure(
    mut command: Command,
    (server, port): (IpAddr, u16),
    from: From,
    seconds: u32,
    progress: &Progress,
) -> Result<Iperf> {
    let port = port.to_string();
    command.args(["--json", "--client", &server.to_string(), "--port", &port, "--time"]);
    command.arg(seconds.to_string()).args((from == From::Server).then_some("--reverse"));
    let mut output = tempfile::tempfile()?;
    let mut client = Process::spawn(command.stdout(output.try_clone()?).stderr(Stdio::null()))?;
    await_end(&mut client, seconds, progress)?;
    read(&mut output)
}

/// Ends with the client, or long after it should have.
fn await_end(client: &mut Process, seconds: u32, progress: &Progress) -> Result<()> {
    let turn = Duration::from_millis(100);
    for tick in 0..(u64::from(seconds) + 20) * 10 {
        interrupt::check()?;
        if client.ended()?.is_some() {
            return Ok(());
        }
        progress.at(tick.min(u64::from(seconds) * 10));
        std::thread::sleep(turn);
    }
    Err(anyhow!("iperf3 did not end"))
}

fn read(output: &mut File) -> Result<Iperf> {
    let mut text = String::new();
    output.seek(SeekFrom::Start(0))?;
    output.read_to_string(&mut text)?;
    Iperf::parse(&text)
}
