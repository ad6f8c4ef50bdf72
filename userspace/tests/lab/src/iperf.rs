//! iperf3: a server that listens, and what its client tells.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom, read_to_string};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::Value;

use crate::{Namespace, Process};

/// What iperf3 measured (`--json`), all streams together where nothing else is said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Iperf {
    /// Payload that was sent, bits a second.
    pub sent: f64,
    /// Payload that arrived, bits a second.
    pub received: f64,
    /// Payload that arrived, bytes.
    pub bytes: u64,
    /// TCP: segments sent again.
    pub retransmits: u64,
    /// What arrived of each stream, bits a second.
    pub streams: Vec<f64>,
    /// UDP: datagrams sent.
    pub datagrams: u64,
    /// UDP: datagrams lost.
    pub lost: u64,
    /// UDP: jitter at the receiver (RFC 1889 §A.8), milliseconds.
    pub jitter: f64,
}

impl Iperf {
    /// Reads what `iperf3 --client … --json` printed.
    ///
    /// # Errors
    /// Where it failed; the error holds what it complained of.
    pub fn parse(text: &str) -> Result<Self> {
        let told: Value = serde_json::from_str(text).context("iperf3 printed no JSON")?;
        if let Some(error) = told.get("error").and_then(Value::as_str) {
            return Err(anyhow!("iperf3: {error}"));
        }
        let end = &told["end"];
        let number = |value: &Value, pointer: &str| value.pointer(pointer).and_then(Value::as_f64);
        let count = |pointer: &str| number(end, pointer).unwrap_or(0.0) as u64;
        let streams = end["streams"].as_array().into_iter().flatten().filter_map(|stream| {
            number(stream, "/receiver/bits_per_second")
                .or_else(|| number(stream, "/udp/bits_per_second"))
        });
        Ok(Self {
            sent: number(end, "/sum_sent/bits_per_second").unwrap_or(0.0),
            received: number(end, "/sum_received/bits_per_second")
                .context("iperf3 tells no rate")?,
            bytes: count("/sum_received/bytes"),
            retransmits: count("/sum_sent/retransmits"),
            streams: streams.collect(),
            datagrams: count("/sum/packets"),
            lost: count("/sum/lost_packets"),
            jitter: number(end, "/sum/jitter_ms").unwrap_or(0.0),
        })
    }

    /// Lets a client on `host` run with `arguments`, parted at blanks, and `--json`.
    ///
    /// # Errors
    /// Where it fails.
    pub fn run(host: &Namespace, arguments: &str) -> Result<Self> {
        let mut client = host.command("iperf3");
        client.arg("--json").args(arguments.split_whitespace());
        let output = client.output().context("cannot start iperf3: is it installed?")?;
        // Where it fails, standard output says why.
        Self::parse(&String::from_utf8_lossy(&output.stdout))
    }

    /// Starts a server on `host` and waits until it listens on `port`.
    ///
    /// # Errors
    /// Where it ends instead.
    pub fn server(host: &Namespace, port: u16) -> Result<Process> {
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
}

/// A client that runs; killed when the value goes.
#[derive(Debug)]
pub struct IperfClient {
    process: Process,
    output: File,
}

impl IperfClient {
    /// Starts one on `host` with `arguments`, parted at blanks, and `--json`.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn start(host: &Namespace, arguments: &str) -> Result<Self> {
        let output = tempfile::tempfile()?;
        let mut command = host.command("iperf3");
        command.arg("--json").args(arguments.split_whitespace()).stdout(output.try_clone()?);
        Ok(Self { process: host.spawn(&mut command)?, output })
    }

    /// Whether it has not ended yet.
    ///
    /// # Errors
    /// Where the kernel does not say.
    pub fn running(&mut self) -> Result<bool> {
        Ok(self.process.ended()?.is_none())
    }

    /// What it measured, once it has ended, which is no later than after `limit`.
    ///
    /// # Errors
    /// Where it still runs then, or fails.
    pub fn finish(mut self, limit: Duration) -> Result<Iperf> {
        self.process.wait(limit)?;
        self.output.seek(SeekFrom::Start(0))?;
        Iperf::parse(&read_to_string(self.output)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_what_arrived() {
        let text = r#"{"end":{"streams":[{"receiver":{"bits_per_second":1e9}},
                                         {"receiver":{"bits_per_second":5e8}}],
                              "sum_sent":{"bits_per_second":2e9,"retransmits":3},
                              "sum_received":{"bits_per_second":1.5e9,"bytes":7}}}"#;
        let measured = Iperf {
            sent: 2e9,
            received: 1.5e9,
            bytes: 7,
            retransmits: 3,
            streams: vec![1e9, 5e8],
            ..Iperf::default()
        };
        assert_eq!(Iperf::parse(text).unwrap(), measured);
    }

    #[test]
    fn datagrams_tell_of_loss_and_jitter() {
        let text = r#"{"end":{"streams":[{"udp":{"bits_per_second":1e7}}],
                              "sum":{"packets":39,"lost_packets":2,"jitter_ms":0.25},
                              "sum_sent":{"bits_per_second":1e7},
                              "sum_received":{"bits_per_second":9e6}}}"#;
        let measured = Iperf::parse(text).unwrap();
        assert_eq!((measured.datagrams, measured.lost, measured.jitter), (39, 2, 0.25));
        assert_eq!(measured.streams, [1e7]);
    }

    #[test]
    fn what_iperf3_complains_of_is_passed_on() {
        let error = Iperf::parse(r#"{"error":"unable to connect"}"#).unwrap_err();
        assert!(error.to_string().contains("unable to connect"));
    }
}
