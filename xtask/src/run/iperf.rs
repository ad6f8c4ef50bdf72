//! One iperf3 measurement.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::IpAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::Value;
use sluice_lab::{Namespace, Process};

use super::interrupt;
use super::progress::Progress;

/// iperf3's own port.
pub(super) const PORT: u16 = 5201;

/// Who sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    /// The end iperf3's client runs on.
    Client,
    /// The end its server runs on.
    Server,
}

/// What iperf3 measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Measured {
    /// Payload that arrived, Gbit/s.
    pub(super) gbit_per_second: f64,
    /// Segments sent again.
    pub(super) retransmits: u64,
}

/// Starts a server and waits until it listens.
pub(super) fn server(host: &Namespace, port: u16) -> Result<Process> {
    let mut command = host.command("iperf3");
    command.args(["--server", "--forceflush", "--port", &port.to_string()]);
    let mut server = host.spawn(command.stdout(Stdio::piped()).stderr(Stdio::null()))?;
    let mut lines = BufReader::new(server.child().stdout.take().context("stdout was piped")?);
    let mut line = String::new();
    while !line.contains("Server listening") {
        line.clear();
        ensure!(lines.read_line(&mut line)? > 0, "iperf3 --server ended at once");
    }
    // It goes on printing and must not meet a closed pipe.
    std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
    Ok(server)
}

/// Measures for `seconds` with a client that `command` starts.
pub(super) fn measure(
    mut command: Command,
    (server, port): (IpAddr, u16),
    from: From,
    seconds: u32,
    progress: &Progress,
) -> Result<Measured> {
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

fn read(output: &mut File) -> Result<Measured> {
    use std::io::{Seek, SeekFrom};
    let mut text = String::new();
    output.seek(SeekFrom::Start(0))?;
    output.read_to_string(&mut text)?;
    parse(&text)
}

fn parse(text: &str) -> Result<Measured> {
    let told: Value = serde_json::from_str(text).context("iperf3 printed no JSON")?;
    if let Some(error) = told.get("error").and_then(Value::as_str) {
        return Err(anyhow!("iperf3: {error}"));
    }
    let number = |pointer: &str| told.pointer(pointer).and_then(Value::as_f64);
    let bits = number("/end/sum_received/bits_per_second").context("iperf3 tells no rate")?;
    let retransmits = number("/end/sum_sent/retransmits").unwrap_or(0.0) as u64;
    Ok(Measured { gbit_per_second: bits / 1e9, retransmits })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_what_arrived() {
        let text = r#"{"end":{"sum_sent":{"bits_per_second":2e9,"retransmits":3},
                              "sum_received":{"bits_per_second":1.5e9}}}"#;
        let measured = parse(text).unwrap();
        assert_eq!(measured, Measured { gbit_per_second: 1.5, retransmits: 3 });
    }

    #[test]
    fn what_iperf3_complains_of_is_passed_on() {
        let error = parse(r#"{"error":"unable to connect"}"#).unwrap_err();
        assert!(error.to_string().contains("unable to connect"));
    }
}
