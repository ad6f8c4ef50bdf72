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
