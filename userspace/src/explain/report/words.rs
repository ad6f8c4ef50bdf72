//! Reasons, kinds and numbers in words.

use sluice_common::offload::GsoType;
use sluice_common::reason::FlushReason;

use crate::explain::summary::rule_and_meaning;

/// `push (G21: a packet with PSH closed the train)`.
pub(in crate::explain) fn reason_text(reason: FlushReason) -> String {
    let meaning = rule_and_meaning(reason).1.trim_end_matches('.');
    match rule_and_meaning(reason).0 {
        Some(rule) => format!("{} ({rule}: {meaning})", reason.label()),
        None => format!("{} ({meaning})", reason.label()),
    }
}

/// What stands beside a kind.
const FLAGS: [(GsoType, &str); 10] = [
    (GsoType::ECN, "ecn"),
    (GsoType::ACCECN, "accecn"),
    (GsoType::FIXED_ID, "fixed_id"),
    (GsoType::OUTER_FIXED_ID, "outer_fixed_id"),
    (GsoType::UDP_TUNNEL, "udp_tunnel"),
    (GsoType::UDP_TUNNEL_CSUM, "udp_tunnel_csum"),
    (GsoType::GRE, "gre"),
    (GsoType::GRE_CSUM, "gre_csum"),
    (GsoType::IPXIP4, "ipxip4"),
    (GsoType::IPXIP6, "ipxip6"),
];

/// `tcpv4`, `tcpv4+ecn`; what has no name here, as a number.
pub(in crate::explain) fn gso_type_text(gso_type: GsoType) -> String {
    let kind = match gso_type.kind() {
        GsoType::NONE => "none",
        GsoType::TCPV4 => "tcpv4",
        GsoType::TCPV6 => "tcpv6",
        GsoType::UDP => "udp",
        GsoType::UDP_L4 => "udp_l4",
        _ => "unknown",
    };
    let mut text = kind.to_owned();
    let mut rest = gso_type.0 & !gso_type.kind().0;
    for (flag, name) in FLAGS.into_iter().filter(|(flag, _)| gso_type.has(*flag)) {
        text = format!("{text}+{name}");
        rest &= !flag.0;
    }
    if rest != 0 {
        text = format!("{text}+{rest:#x}");
    }
    text
}

/// `3-7,9`.
pub(in crate::explain) fn numbers_text(numbers: impl Iterator<Item = u64>) -> String {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => runs.push((number, number)),
        }
    }
    let run = |&(first, last): &(u64, u64)| {
        if first == last { first.to_string() } else { format!("{first}-{last}") }
    };
    runs.iter().map(run).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_a_row_are_a_run() {
        assert_eq!(numbers_text([3, 4, 5, 9, 11, 12].into_iter()), "3-5,9,11-12");
        assert_eq!(numbers_text([7].into_iter()), "7");
    }

    #[test]
    fn a_kind_has_its_flags_beside_it() {
        let ecn = GsoType::TCPV6.with(GsoType::ECN).with(GsoType::FIXED_ID);
        assert_eq!(gso_type_text(ecn), "tcpv6+ecn+fixed_id");
        assert_eq!(gso_type_text(GsoType(GsoType::TCPV4.0 | 1 << 31)), "tcpv4+0x80000000");
    }

    #[test]
    fn every_reason_has_words() {
        for &reason in FlushReason::ALL {
            let text = reason_text(reason);
            assert!(text.starts_with(reason.label()) && text.ends_with(')'), "{text}");
            assert!(!text.contains(".)"), "{text}");
        }
        let push = "push (G21: a packet with PSH closed the train)";
        assert_eq!(reason_text(FlushReason::Push), push);
    }
}
