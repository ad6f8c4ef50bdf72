//! The XDP program's verdicts, by `BPF_PROG_TEST_RUN`. Needs root (or CAP_BPF and CAP_NET_ADMIN).

use std::time::Duration;

use sluice::steer::Steering;
use sluice_common::classify::{Action, Rule};
use sluice_common::reason::VerdictReason;

const XDP_PASS: u32 = 2;
const XDP_DROP: u32 = 1;

#[test]
fn smoke() {
    let mut steering = Steering::load().unwrap();
    let mut packet = [0_u8; 64];
    packet[12..14].copy_from_slice(&[8, 0]);
    packet[14] = 0x45;
    packet[23] = 6;
    assert_eq!(steering.test_run(&packet).unwrap(), XDP_PASS);
    assert_eq!(steering.counters().unwrap().reasons, [0; VerdictReason::COUNT]);
    steering.set_rules(&[Rule::any(Action::Drop)], Duration::from_millis(100)).unwrap();
    assert_eq!(steering.test_run(&packet).unwrap(), XDP_DROP);
    assert_eq!(steering.counters().unwrap().of(VerdictReason::DropRule), 1);
    steering.set_rules(&[Rule::any(Action::Steer)], Duration::from_millis(100)).unwrap();
    assert_eq!(steering.test_run(&packet).unwrap(), XDP_PASS);
    let counters = steering.counters().unwrap();
    assert_eq!(counters.of(VerdictReason::NoSocket), 1);
    assert_eq!((counters.rules[0].packets, counters.rules[0].bytes), (1, 64));
}
