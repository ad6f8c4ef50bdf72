//! Building and starting `sluice`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::step::Step;
use crate::workspace;

/// Builds the program as users get it.
pub(crate) fn build() -> Result<PathBuf> {
    Step::new("cargo build --release --package sluice --bin sluice").run()?;
    Ok(workspace::target().join("release/sluice"))
}

/// The text of a configuration file, once `sluice check` has found nothing wrong with it.
pub(super) fn read(program: &Path, file: &Path) -> Result<String> {
    let status = Command::new(program).arg("check").arg(file).stdout(Stdio::null()).status();
    ensure!(status?.success(), "{} is not usable", file.display());
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

/// Host mode for a server on `iface` that listens on `port`.
pub(crate) fn server(iface: &str, port: u16) -> String {
    host_mode(iface, &format!("dst_port = {port}"))
}

/// Host mode for a client on `iface` whose servers listen on `port`.
pub(super) fn client(iface: &str, port: u16) -> String {
    host_mode(iface, &format!("src_port = {port}"))
}

/// Wire mode between two ports, for all of TCP and UDP.
pub(crate) fn between([a, b]: [&str; 2]) -> String {
    let port = |iface| format!("[[port]]\niface = \"{iface}\"\n\n");
    let rule = |proto| format!("[[rule]]\nproto = \"{proto}\"\naction = \"steer\"\n");
    ["mode = \"wire\"\n\n".to_owned(), port(a), port(b), rule("tcp"), rule("udp")].concat()
}

/// The same configuration, packets leaving by this way (`transmit`).
pub(crate) fn sending_by(transmit: &str, config: &str) -> String {
    config.replace("iface =", &format!("transmit = \"{transmit}\"\niface ="))
}

fn host_mode(iface: &str, ports: &str) -> String {
    format!(
        "mode = \"host\"\n\n[[port]]\niface = \"{iface}\"\n\n\
         [[rule]]\nproto = \"tcp\"\n{ports}\naction = \"steer\"\n"
    )
}
