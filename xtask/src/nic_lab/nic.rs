//! The NICs there are.

use std::fmt;

use clap::ValueEnum;

/// A NIC that QEMU has, and Linux a driver for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Nic {
    /// Intel 82576: native XDP, zero-copy from Linux 6.14 on.
    Igb,
    /// Virtio: native XDP, zero-copy from Linux 6.18 on with iommu_platform=on.
    VirtioNetPci,
    /// VMware: native XDP, no zero-copy.
    Vmxnet3,
    /// Intel 82574: generic XDP only.
    E1000e,
}

impl Nic {
    /// The name of QEMU's device.
    pub(crate) fn device(self) -> &'static str {
        match self {
            Self::Igb => "igb",
            Self::VirtioNetPci => "virtio-net-pci",
            Self::Vmxnet3 => "vmxnet3",
            Self::E1000e => "e1000e",
        }
    }

    /// The kernel module that drives it.
    pub(crate) fn driver(self) -> &'static str {
        match self {
            Self::VirtioNetPci => "virtio_net",
            other => other.device(),
        }
    }
}

impl fmt::Display for Nic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.device())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_asked_for_by_their_names_in_qemu() {
        for nic in Nic::value_variants() {
            assert_eq!(nic.to_possible_value().unwrap().get_name(), nic.device());
        }
    }
}
