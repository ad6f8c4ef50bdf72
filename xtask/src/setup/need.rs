//! Programs and headers, and the packages they come in.

use std::path::Path;

use super::Missing;
use crate::workspace;

/// Something that is there or not.
enum Need {
    /// A program on the PATH.
    Program(&'static str),
    /// A file under `/usr/include`, or under its folder for this machine's architecture.
    Header(&'static str),
}

use Need::{Header, Program};

/// What is needed, what for, and the package. libxdp and libbpf are built from source with xsk-rs and
/// libbpf-rs: they want clang (also for bindgen), llc, m4 and make, and the headers of what they link.
const NEEDS: &[(Need, &str)] = &[
    (Program("cc"), "gcc"),
    (Header("stdio.h"), "libc6-dev"),
    (Header("linux/if_xdp.h"), "linux-libc-dev"),
    (Program("make"), "make"),
    (Program("m4"), "m4"),
    (Program("pkg-config"), "pkg-config"),
    (Program("clang"), "clang"),
    (Program("llc"), "llvm"),
    (Header("libelf.h"), "libelf-dev"),
    (Header("zlib.h"), "zlib1g-dev"),
    (Header("pcap/pcap.h"), "libpcap-dev"),
    (Program("ip"), "iproute2"),
    (Program("ethtool"), "ethtool"),
    (Program("ping"), "iputils-ping"),
    (Program("iperf3"), "iperf3"),
    (Program("valgrind"), "valgrind"),
];

/// Those that are not there.
pub(super) fn missing() -> impl Iterator<Item = Missing> {
    NEEDS.iter().filter(|(need, _)| !need.met()).map(|(need, package)| Missing {
        what: need.name().to_owned(),
        packages: vec![package],
        then: Vec::new(),
    })
}

impl Need {
    fn name(&self) -> &'static str {
        match self {
            Program(name) | Header(name) => name,
        }
    }

    fn met(&self) -> bool {
        match self {
            Program(name) => workspace::program(name).is_some(),
            Header(name) => folders().iter().any(|folder| Path::new(folder).join(name).exists()),
        }
    }
}

fn folders() -> [String; 2] {
    ["/usr/include".into(), format!("/usr/include/{}-linux-gnu", std::env::consts::ARCH)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_machine_has_is_missing() {
        assert!(!Program("no-such-program").met());
        assert!(!Header("no-such-header.h").met());
        assert!(Program("sh").met());
    }
}
