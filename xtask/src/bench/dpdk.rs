//! The programs that need DPDK's libraries.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::workspace;

/// The Debian package, and what is not in it but needed with it.
const REMEDY: &str =
    "`apt-get install --no-install-recommends libdpdk-dev pkg-config gcc` installs it";

/// Builds `bench/dpdk/NAME.c`, if there is something to build it with. The library stays where it is: a program of some
/// hundred lines is linked with it.
pub(super) fn build(name: &str) -> Result<PathBuf> {
    let flags = flags()?;
    let folder = workspace::target().join("bench");
    fs::create_dir_all(&folder)?;
    let program = folder.join(format!("dpdk-{name}"));
    let source = workspace::top().join(format!("bench/dpdk/{name}.c"));
    let mut cc = Command::new("cc");
    cc.arg("-o").arg(&program).arg(source);
    // Behind the source, for the linker takes of a library what is wanted by then. The library's own flags ask for an
    // old CPU's instructions; its headers have loops that are compiled here.
    cc.args(flags).args(["-O3", "-march=native", "-Wall", "-Wextra", "-Werror"]);
    let output = cc.output().context("cannot start cc")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cc does not build bench/dpdk/{name}.c: {complaint}");
    Ok(program)
}

fn flags() -> Result<Vec<String>> {
    if workspace::program("pkg-config").is_none() {
        bail!("pkg-config, which finds DPDK's libraries, is not installed; {REMEDY}");
    }
    let output = Command::new("pkg-config").args(["--cflags", "--libs", "libdpdk"]).output()?;
    ensure!(output.status.success(), "DPDK's libraries are not installed; {REMEDY}");
    let text = String::from_utf8(output.stdout)?;
    Ok(text.split_whitespace().map(str::to_owned).collect())
}

/// The headers of the packets of `flows` flows, in a file that a program can read; written by `engine`.
pub(super) fn headers(engine: &Path, flows: u64) -> Result<PathBuf> {
    let file = workspace::target().join("bench").join(format!("headers-{flows}"));
    let mut write = Command::new(engine);
    let write = write.args(["headers", "--flows", &flows.to_string()]).arg(&file);
    ensure!(write.status()?.success(), "the packets could not be written");
    Ok(file)
}
