//! The NICs and kernels that the tests are run with.

use std::fmt;

use clap::ValueEnum;

use crate::nic_lab::{Nic, NicLab, Wanted};

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Nics {
    /// None: leave these tests out.
    None,
    /// igb with the newest kernel.
    Igb,
    /// Every NIC, and igb with older kernels too.
    All,
    /// igb with Linux 6.18.
    #[value(name = "igb-6.18")]
    Igb618,
    /// igb with Linux 6.12, whose driver has no zero-copy.
    #[value(name = "igb-6.12")]
    Igb612,
    /// virtio-net, whose driver has zero-copy only with iommu_platform, with and without that.
    Virtio,
    /// vmxnet3.
    Vmxnet3,
    /// e1000e.
    E1000e,
}

/// One NIC with one kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Case {
    nic: Nic,
    /// `current`, or a series.
    kernel: &'static str,
    properties: Option<&'static str>,
}

/// igb learnt zero-copy in 6.14: of the two older kernels one has it.
const CASES: &[Case] = &[
    Case { nic: Nic::Igb, kernel: "current", properties: None },
    Case { nic: Nic::Igb, kernel: "6.18", properties: None },
    Case { nic: Nic::Igb, kernel: "6.12", properties: None },
    Case { nic: Nic::VirtioNetPci, kernel: "current", properties: None },
    Case { nic: Nic::VirtioNetPci, kernel: "current", properties: Some("iommu_platform=on") },
    Case { nic: Nic::Vmxnet3, kernel: "current", properties: None },
    Case { nic: Nic::E1000e, kernel: "current", properties: None },
];

impl Nics {
    pub(super) fn cases(self) -> Vec<Case> {
        let chosen = |case: &&Case| match self {
            Self::None => false,
            Self::All => true,
            Self::Igb => **case == CASES[0],
            Self::Igb618 => case.kernel == "6.18",
            Self::Igb612 => case.kernel == "6.12",
            Self::Virtio => case.nic == Nic::VirtioNetPci,
            Self::Vmxnet3 => case.nic == Nic::Vmxnet3,
            Self::E1000e => case.nic == Nic::E1000e,
        };
        CASES.iter().filter(chosen).copied().collect()
    }
}

/// Two for each port of a wire.
const NICS: u8 = 4;

impl Case {
    /// The machine it is run in.
    pub(super) fn lab(self) -> NicLab {
        NicLab {
            nic: self.nic,
            kernel: self.kernel.parse().unwrap_or(Wanted::Current),
            nics: NICS,
            nic_properties: self.properties.map(str::to_owned),
            ..NicLab::default()
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.nic)?;
        self.properties.map_or(Ok(()), |properties| write!(f, ",{properties}"))?;
        write!(f, ", Linux {}", self.kernel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_nic_is_in_it() {
        let all = Nics::All.cases();
        assert!(Nic::value_variants().iter().all(|nic| all.iter().any(|case| case.nic == *nic)));
        for some in Nics::value_variants() {
            assert_eq!(some.cases().is_empty(), *some == Nics::None, "{some:?}");
        }
        assert_eq!(Nics::Igb.cases().len(), 1);
    }
}
