//! Rules are replaced under traffic, and no packet sees half of each set. Needs root.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use sluice::config::XdpMode;
use sluice::steer::Steering;
use sluice_common::classify::{Action, PortRange, Prefix, Rule};
use sluice_common::reason::VerdictReason;
use sluice_common::wire::Protocol;
use sluice_lab::{Namespace, wait_until};

const SENDER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const RECEIVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const PORT: u16 = 5201;
/// Enough to meet every step of a replacement many times: in the milliseconds one takes, thousands of
/// packets come.
const REPLACEMENTS: usize = 300;

/// Two sets that both drop the packets sent here, by another rule each. Any mixture of them does not:
/// the other rule of each passes what the first set's tables would let reach it in the second's, and
/// the second's in the first's.
fn sets() -> [Vec<Rule>; 2] {
    let source = |address: Ipv4Addr| Prefix::new(address.into(), 32);
    let named = Rule {
        src: source(SENDER),
        protocol: Some(Protocol::UDP),
        dst_port: PortRange::new(PORT, PORT),
        ..Rule::any(Action::Drop)
    };
    let decoy = Rule { src: source(Ipv4Addr::new(198, 51, 100, 1)), ..Rule::any(Action::Pass) };
    [vec![named, decoy], vec![decoy, named]]
}

#[test]
fn a_packet_sees_the_old_rules_or_the_new_never_a_mixture() {
    let namespace = Namespace::new("replace").unwrap();
    namespace
        .ip_batch(
            "link add near type veth peer name far\n\
             addr add 192.0.2.1/24 dev near\n\
             link set near up\n\
             link set far up\n\
             neigh add 192.0.2.2 lladdr 02:00:00:00:00:02 dev near\n",
        )
        .unwrap();
    let mut steering = Steering::load().unwrap();
    let [first, second] = sets();
    let fail_open = Duration::from_millis(100);
    steering.set_rules(&first, fail_open).unwrap();
    namespace.run(|| steering.attach("far", XdpMode::Native)).unwrap();

    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let sender = scope.spawn(|| {
            let socket = namespace.run(|| UdpSocket::bind((SENDER, 0))).unwrap();
            while !done.load(Ordering::Relaxed) {
                // A full queue is as good as any other.
                let _ = socket.send_to(&[0; 32], (RECEIVER, PORT));
            }
        });
        for rules in [&second, &first].into_iter().cycle().take(REPLACEMENTS) {
            steering.set_rules(rules, fail_open).unwrap();
        }
        done.store(true, Ordering::Relaxed);
        sender.join().unwrap();
    });

    let dropped = || {
        let counters = steering.counters().unwrap();
        (counters.of(VerdictReason::DropRule) > 10_000).then_some(counters)
    };
    let counters = wait_until("traffic was seen", Duration::from_secs(5), dropped).unwrap();
    assert_eq!(counters.of(VerdictReason::NoRule), 0, "a packet saw half of each set");
    assert_eq!(counters.of(VerdictReason::PassRule), 0, "a packet saw half of each set");
}
