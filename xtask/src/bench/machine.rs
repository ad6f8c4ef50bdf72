//! Where it was measured.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::pin;
use crate::workspace;

/// What figures depend on besides the source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Machine {
    pub(super) cpu: String,
    pub(super) cores: usize,
    /// Release and build of the kernel.
    pub(super) kernel: String,
    pub(super) rustc: String,
}

impl Machine {
    pub(super) fn here() -> Result<Self> {
        let rustc =
            Command::new("rustc").arg("--version").current_dir(workspace::top()).output()?;
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").context("osrelease")?;
        Ok(Self {
            cpu: model(&fs::read_to_string("/proc/cpuinfo").context("cpuinfo")?),
            cores: pin::allowed()?.len(),
            kernel: kernel.trim().to_owned(),
            rustc: String::from_utf8(rustc.stdout)?.trim().to_owned(),
        })
    }
}

fn model(cpuinfo: &str) -> String {
    let field = |name: &str| {
        let line = cpuinfo.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let name = field("model name").unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    // A hypervisor may hide which one it is.
    match (field("cpu family"), field("model\t")) {
        (Some(family), Some(model)) => format!("{name} (family {family}, model {model})"),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_found() {
        let text = "processor\t: 0\ncpu family\t: 25\nmodel\t\t: 1\nmodel name\t: AMD EPYC\n";
        assert_eq!(model(text), "AMD EPYC (family 25, model 1)");
        assert_eq!(model(""), std::env::consts::ARCH);
    }
}
