//! Which interface, and how: the same for all commands.

use clap::ValueEnum;
use sluice::config::{XdpMode, ZeroCopy};
use sluice_bench::link::Wanted;

#[derive(Clone, Debug, clap::Args)]
pub(super) struct Interface {
    /// The interface, in this network namespace.
    #[arg(long, value_name = "IFACE")]
    iface: String,
    /// Where the XDP program runs.
    #[arg(long, value_enum, default_value = "auto")]
    xdp: Xdp,
    /// Whether the NIC reads and writes packet memory itself.
    #[arg(long, value_enum, default_value = "auto")]
    zero_copy: Zero,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Xdp {
    /// In the driver where it can, else in the generic hook.
    Auto,
    /// In the driver.
    Native,
    /// In the generic hook.
    Generic,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Zero {
    /// Where the driver can.
    Auto,
    /// It must.
    Always,
    /// Copy.
    Never,
}

impl Interface {
    pub(super) fn wanted(&self) -> Wanted {
        let xdp = match self.xdp {
            Xdp::Auto => XdpMode::Auto,
            Xdp::Native => XdpMode::Native,
            Xdp::Generic => XdpMode::Generic,
        };
        let zero_copy = match self.zero_copy {
            Zero::Auto => ZeroCopy::Auto,
            Zero::Always => ZeroCopy::Always,
            Zero::Never => ZeroCopy::Never,
        };
        Wanted { iface: self.iface.clone(), xdp, zero_copy }
    }
}

/// A number of seconds.
pub(super) fn seconds(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|seconds| (0.001..=1e6).contains(seconds));
    number.ok_or_else(|| "seconds, from 0.001 to a million".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_may_have_a_fraction() {
        assert_eq!(seconds("0.25"), Ok(0.25));
        for bad in ["", "0", "-1", "NaN", "inf", "1e7", "1s"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
