//! The XDP program's verdicts, by `BPF_PROG_TEST_RUN`: equal to those of `common::classify` on the same
//! packets. Needs root (CAP_BPF and CAP_NET_ADMIN).

use std::os::fd::AsFd;
use std::time::Duration;

use aya::maps::{Array, Map, MapData};
use libbpf_rs::MapCore;
use nix::net::if_::if_nametoindex;
use nix::time::{ClockId, clock_gettime};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use sluice::steer::{
    Buffers, OBJECT, Peer, SteerCounters, SteerError, Steering, insert_socket, remove_socket,
};
use sluice_common::abi;
use sluice_common::classify::{
    Action, Compiled, Decision, MAX_RULES, PortRange, Prefix, Rule, classify, is_too_large,
};
use sluice_common::reason::VerdictReason;
use sluice_common::wire::{Headers, Link, ethernet};
use sluice_packets::{fixtures, packet, rules};
use socket2::{Domain, Socket, Type};

const XDP_DROP: u32 = 1;
const XDP_PASS: u32 = 2;
/// To a socket or to the other port: which, the reason tells.
const XDP_REDIRECT: u32 = 4;
/// Long enough that no test comes near it.
const AN_HOUR: Duration = Duration::from_secs(3600);
/// The queue `BPF_PROG_TEST_RUN` says a packet came from.
const QUEUE: u32 = 0;
/// What `BPF_PROG_TEST_RUN` takes: a page less headroom and the skb's end.
const LONGEST: usize = 3 * 1024;

/// A loaded program, a socket on its queue and the host's opinion.
struct Bench {
    steering: Steering,
    heartbeat: Array<MapData, u64>,
    before: SteerCounters,
}

impl Bench {
    fn new() -> Self {
        Self::of(Buffers::One)
    }

    fn of(buffers: Buffers) -> Self {
        let steering = Steering::load_for(buffers).expect("the XDP program loads: are we root?");
        let heartbeat = steering.heartbeat_fd().try_clone_to_owned().unwrap();
        let heartbeat = Map::from_map_data(MapData::from_fd(heartbeat).unwrap()).unwrap();
        let before = steering.counters().unwrap();
        Self { steering, heartbeat: heartbeat.try_into().unwrap(), before }
    }

    fn set_rules(&mut self, rules: &[Rule], fail_open: Duration) {
        self.steering.set_rules(rules, fail_open).unwrap();
        self.before = self.steering.counters().unwrap();
    }

    /// Wire mode; the other port is the loopback device, which has it in every namespace.
    fn set_peer(&mut self, mtu: u32) {
        self.steering.set_peer(Some(peer(mtu))).unwrap();
    }

    fn beat(&mut self, at: u64) {
        self.heartbeat.set(QUEUE, at, 0).unwrap();
    }

    /// Runs the program on a packet; the action, and the one reason and at most one rule it counted for.
    fn run(&mut self, packet: &[u8]) -> (u32, VerdictReason, Option<u8>) {
        let action = self.steering.test_run(packet).unwrap();
        let after = self.steering.counters().unwrap();
        let mut reasons = VerdictReason::ALL.iter().filter(|reason| {
            let (was, is) = (self.before.of(**reason), after.of(**reason));
            assert!(is == was || is == was + 1, "{} went from {was} to {is}", reason.label());
            is != was
        });
        let reason = *reasons.next().expect("every packet counts for a reason");
        assert_eq!(reasons.next(), None, "and for one only");
        let mut matched =
            (0_u8..).zip(self.before.rules.iter().zip(&after.rules)).filter(|(_, (was, is))| {
                assert!(was == is || is.packets == was.packets + 1);
                assert!(was == is || is.bytes == was.bytes + packet.len() as u64);
                was != is
            });
        let rule = matched.next().map(|(rule, _)| rule);
        assert_eq!(matched.next(), None, "one rule at most");
        drop(matched);
        self.before = after;
        (action, reason, rule)
    }
}

/// A socket, though bound to nothing: the map takes it, and nothing is really redirected to it.
fn xdp_socket() -> Socket {
    const AF_XDP: i32 = 44;
    Socket::new(Domain::from(AF_XDP), Type::RAW, None).expect("the kernel has AF_XDP sockets")
}

/// A program with a live worker.
fn served() -> (Bench, Socket) {
    serving(Buffers::One)
}

fn serving(buffers: Buffers) -> (Bench, Socket) {
    let mut bench = Bench::of(buffers);
    let socket = xdp_socket();
    insert_socket(bench.steering.xsk_map_fd(), QUEUE, socket.as_fd()).unwrap();
    bench.beat(now());
    (bench, socket)
}

fn now() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).unwrap();
    Duration::from(now).as_nanos() as u64
}

fn peer(mtu: u32) -> Peer {
    Peer { index: if_nametoindex("lo").unwrap(), mtu }
}

fn host_says(packet: &[u8], rules: &Compiled) -> Decision {
    classify(&Headers::parse(packet, Link::Ethernet), rules)
}

const fn action_of(verdict: Action) -> u32 {
    match verdict {
        Action::Steer => XDP_REDIRECT,
        Action::Pass => XDP_PASS,
        Action::Drop => XDP_DROP,
    }
}

fn wire_says(packet: &[u8], rules: &Compiled, mtu: u32) -> Decision {
    let decision = host_says(packet, rules);
    let too_large = is_too_large(packet, packet.len() as u64, mtu);
    if too_large { decision.about_too_large() } else { decision }
}

/// What passes in host mode is sent out of the other port.
const fn wire_action_of(verdict: Action) -> u32 {
    match verdict {
        Action::Steer | Action::Pass => XDP_REDIRECT,
        Action::Drop => XDP_DROP,
    }
}

fn assert_agree_on_the_wire(
    bench: &mut Bench,
    rules: &Compiled,
    packet: &[u8],
    mtu: u32,
    what: &str,
) {
    let host = wire_says(packet, rules, mtu);
    let expected = (wire_action_of(host.verdict), host.reason, host.rule);
    assert_eq!(bench.run(packet), expected, "(action, reason, rule) of {what}: {packet:02x?}");
}

fn assert_agree(bench: &mut Bench, rules: &Compiled, packet: &[u8], what: &str) {
    let host = host_says(packet, rules);
    let expected = (action_of(host.verdict), host.reason, host.rule);
    assert_eq!(bench.run(packet), expected, "(action, reason, rule) of {what}: {packet:02x?}");
}

fn fixture(name: &str) -> Vec<u8> {
    fixtures().into_iter().find(|fixture| fixture.name == name).expect("a fixture's name").bytes
}

fn generated<S: Strategy>(strategy: &S, runner: &mut TestRunner) -> S::Value {
    strategy.new_tree(runner).unwrap().current()
}

fn dst(address: &str, len: u8) -> Option<Prefix> {
    Prefix::new(address.parse().unwrap(), len)
}

fn port(port: u16) -> Option<PortRange> {
    PortRange::new(port, port)
}

fn sets() -> [Vec<Rule>; 5] {
    [
        vec![],
        vec![Rule::any(Action::Steer)],
        vec![Rule::any(Action::Pass)],
        vec![Rule::any(Action::Drop)],
        vec![
            Rule { dst: dst("10.0.0.2", 32), dst_port: port(5201), ..Rule::any(Action::Steer) },
            Rule { dst: dst("2001:db8::", 32), ..Rule::any(Action::Drop) },
            Rule { vlan: Some(100), ..Rule::any(Action::Drop) },
        ],
    ]
}

#[test]
fn every_fixture_gets_the_verdict_the_host_computes() {
    let (mut bench, _socket) = served();
    for rules in sets() {
        let compiled = Compiled::new(&rules).unwrap();
        bench.set_rules(&rules, AN_HOUR);
        for fixture in fixtures() {
            assert!((ethernet::HEADER_LEN..=LONGEST).contains(&fixture.bytes.len()));
            assert_agree(&mut bench, &compiled, &fixture.bytes, fixture.name);
        }
    }
}

/// The program for packets in several buffers differs in nothing else. All of a packet's bytes count,
/// though it sees only those of the first buffer.
#[test]
fn the_program_for_several_buffers_gives_the_same_verdicts_and_counts_all_bytes() {
    let rules =
        [Rule { dst_port: port(5201), ..Rule::any(Action::Steer) }, Rule::any(Action::Drop)];
    let compiled = Compiled::new(&rules).unwrap();
    let (mut bench, _socket) = serving(Buffers::Several);
    bench.set_rules(&rules, AN_HOUR);
    for fixture in fixtures() {
        assert_agree(&mut bench, &compiled, &fixture.bytes, fixture.name);
        let jumbo = [&fixture.bytes[..], &[0; 9_000]].concat();
        assert_agree(&mut bench, &compiled, &jumbo, fixture.name);
    }
}

/// Cut at every offset, so that the verifier's idea of the packet's end and the host's are compared
/// byte by byte.
#[test]
fn every_fixture_cut_anywhere_gets_the_verdict_the_host_computes() {
    let rules = [Rule::any(Action::Steer)];
    let compiled = Compiled::new(&rules).unwrap();
    let (mut bench, _socket) = served();
    bench.set_rules(&rules, AN_HOUR);
    for fixture in fixtures().iter().filter(|fixture| fixture.bytes.len() < 256) {
        for len in ethernet::HEADER_LEN..fixture.bytes.len() {
            assert_agree(&mut bench, &compiled, &fixture.bytes[..len], fixture.name);
        }
    }
}

#[test]
fn ten_thousand_generated_packets_get_the_verdict_the_host_computes() {
    let mut runner = TestRunner::deterministic();
    let (mut bench, _socket) = served();
    let mut packets = 0;
    let mut seen = [0_u32; VerdictReason::COUNT];
    while packets < 12_000 {
        let rules = generated(&rules(), &mut runner);
        let compiled = Compiled::new(&rules).unwrap();
        bench.set_rules(&rules, AN_HOUR);
        for _ in 0..500 {
            let packet = generated(&packet(), &mut runner);
            // The kernel takes no shorter ones for a test run.
            if packet.len() >= ethernet::HEADER_LEN {
                assert_agree(&mut bench, &compiled, &packet, "a generated packet");
                seen[host_says(&packet, &compiled).reason.index()] += 1;
                packets += 1;
            }
        }
    }
    for reason in VerdictReason::ALL {
        let from_rules = !matches!(
            reason,
            VerdictReason::NoSocket
                | VerdictReason::NoHeartbeat
                | VerdictReason::TooLarge
                | VerdictReason::TooLargePassed
        );
        assert_eq!(seen[reason.index()] > 0, from_rules, "{} was seen", reason.label());
    }
}

#[test]
fn before_any_rule_is_set_everything_passes_and_nothing_counts() {
    let (bench, _socket) = served();
    for fixture in fixtures() {
        assert_eq!(bench.steering.test_run(&fixture.bytes).unwrap(), XDP_PASS, "{}", fixture.name);
    }
    assert_eq!(bench.steering.counters().unwrap().reasons, [0; VerdictReason::COUNT]);
}

#[test]
fn no_socket_passes() {
    let mut bench = Bench::new();
    bench.beat(now());
    bench.set_rules(&[Rule::any(Action::Steer)], AN_HOUR);
    let tcp = fixture("ipv4 tcp");
    assert_eq!(bench.run(&tcp), (XDP_PASS, VerdictReason::NoSocket, Some(0)));

    let socket = xdp_socket();
    insert_socket(bench.steering.xsk_map_fd(), QUEUE, socket.as_fd()).unwrap();
    assert_eq!(bench.run(&tcp), (XDP_REDIRECT, VerdictReason::Steered, Some(0)));
    remove_socket(bench.steering.xsk_map_fd(), QUEUE).unwrap();
    assert_eq!(bench.run(&tcp), (XDP_PASS, VerdictReason::NoSocket, Some(0)));

    insert_socket(bench.steering.xsk_map_fd(), QUEUE, socket.as_fd()).unwrap();
    drop(socket);
    assert_eq!(bench.run(&tcp), (XDP_PASS, VerdictReason::NoSocket, Some(0)), "closed: gone");
}

#[test]
fn no_heartbeat_passes() {
    let (mut bench, _socket) = served();
    let tcp = fixture("ipv4 tcp");
    let rules = [Rule::any(Action::Steer)];
    let steered = (XDP_REDIRECT, VerdictReason::Steered, Some(0));
    let passed = (XDP_PASS, VerdictReason::NoHeartbeat, Some(0));
    bench.set_rules(&rules, AN_HOUR);

    bench.beat(0);
    assert_eq!(bench.run(&tcp), passed, "never");
    bench.beat(now());
    assert_eq!(bench.run(&tcp), steered, "now");
    // Booted less than two hours ago, the machine has no time as old as that; 1 is then the oldest.
    let (short, old) = (Duration::from_nanos(1), now() - 1_000);
    bench.set_rules(&rules, short);
    bench.beat(old);
    assert_eq!(bench.run(&tcp), passed, "older than the fail-open time");
    bench.beat(u64::MAX);
    assert_eq!(bench.run(&tcp), steered, "it comes back with the worker");
    assert_eq!(bench.steering.heartbeat(QUEUE), u64::MAX);
    assert_eq!(bench.steering.heartbeat(QUEUE + 1), 0);
}

#[test]
fn a_run_that_is_timed_counts_each_time() {
    let mut bench = Bench::new();
    bench.set_rules(&[Rule::any(Action::Drop)], AN_HOUR);
    let took = bench.steering.time_run(&fixture("ipv4 tcp"), 1_000).unwrap();
    let counters = bench.steering.counters().unwrap();
    let dropped = counters.of(VerdictReason::DropRule) - bench.before.of(VerdictReason::DropRule);
    assert_eq!(dropped, 1_000);
    assert!(took > Duration::ZERO, "nothing takes no time");
}

/// Rules that drop or pass need nobody alive.
#[test]
fn a_drop_rule_holds_without_a_worker() {
    let mut bench = Bench::new();
    bench.set_rules(&[Rule::any(Action::Drop)], AN_HOUR);
    let tcp = fixture("ipv4 tcp");
    assert_eq!(bench.run(&tcp), (XDP_DROP, VerdictReason::DropRule, Some(0)));
}

#[test]
fn each_of_64_rules_has_its_own_verdict_and_counter() {
    let (mut bench, _socket) = served();
    let actions = [Action::Steer, Action::Pass, Action::Drop];
    let rules: Vec<Rule> = (0..MAX_RULES)
        .map(|n| Rule { dst_port: port(1000 + n as u16), ..Rule::any(actions[n % 3]) })
        .collect();
    bench.set_rules(&rules, AN_HOUR);
    let mut tcp = fixture("ipv4 tcp");
    for (rule, action) in (0_u8..64).zip(actions.into_iter().cycle()) {
        tcp[36..38].copy_from_slice(&(1000 + u16::from(rule)).to_be_bytes());
        let (kernel, _, matched) = bench.run(&tcp);
        assert_eq!((kernel, matched), (action_of(action), Some(rule)));
    }
    let counters = bench.steering.counters().unwrap();
    assert!(counters.rules.iter().all(|rule| rule.packets == 1 && rule.bytes == tcp.len() as u64));
}

#[test]
fn new_rules_count_from_zero_and_forget_the_prefixes_of_old_ones() {
    let (mut bench, _socket) = served();
    let tcp = fixture("ipv4 tcp");
    let named = Rule { dst: dst("10.0.0.2", 32), ..Rule::any(Action::Drop) };
    let other = Rule { dst: dst("10.9.9.9", 32), ..Rule::any(Action::Drop) };
    bench.set_rules(&[named], AN_HOUR);
    assert_eq!(bench.run(&tcp), (XDP_DROP, VerdictReason::DropRule, Some(0)));
    // Twice, so that the half of the tables which held the first is written over.
    for _ in 0..2 {
        bench.set_rules(&[other], AN_HOUR);
        assert_eq!(bench.steering.counters().unwrap().rules[0].packets, 0);
        assert_eq!(bench.run(&tcp), (XDP_PASS, VerdictReason::NoRule, None));
    }
    for _ in 0..2 {
        bench.set_rules(&[other, named], AN_HOUR);
        assert_eq!(bench.steering.counters().unwrap().rules[1].packets, 0);
        assert_eq!(bench.run(&tcp), (XDP_DROP, VerdictReason::DropRule, Some(1)));
    }
}

#[test]
fn rules_that_cannot_be_compiled_leave_the_old_ones_in_force() {
    let (mut bench, _socket) = served();
    bench.set_rules(&[Rule::any(Action::Drop)], AN_HOUR);
    let bad = [Rule { vlan: Some(5000), ..Rule::any(Action::Pass) }];
    let error = bench.steering.set_rules(&bad, AN_HOUR).unwrap_err();
    assert!(matches!(error, SteerError::Rules(_)), "{error}");
    let tcp = fixture("ipv4 tcp");
    assert_eq!(bench.run(&tcp), (XDP_DROP, VerdictReason::DropRule, Some(0)));
}

#[test]
fn a_queue_or_descriptor_that_is_not_for_sockets_is_refused() {
    let bench = Bench::new();
    let socket = xdp_socket();
    let error = insert_socket(bench.steering.xsk_map_fd(), 64, socket.as_fd()).unwrap_err();
    assert!(matches!(error, SteerError::Queue { queue: 64 }), "{error}");
    let error = insert_socket(bench.steering.heartbeat_fd(), 0, socket.as_fd()).unwrap_err();
    assert!(matches!(error, SteerError::Map { .. }), "{error}");
    let not_xdp = Socket::new(Domain::IPV4, Type::DGRAM, None).unwrap();
    let error = insert_socket(bench.steering.xsk_map_fd(), 0, not_xdp.as_fd()).unwrap_err();
    assert!(matches!(error, SteerError::Socket { queue: 0, .. }), "{error}");
}

/// One set steers everything, one passes everything, one drops everything, one names nothing.
#[test]
fn on_a_wire_every_fixture_leaves_through_the_other_port_where_it_passed() {
    for buffers in [Buffers::One, Buffers::Several] {
        let (mut bench, _socket) = serving(buffers);
        bench.set_peer(LONGEST as u32);
        for rules in sets() {
            let compiled = Compiled::new(&rules).unwrap();
            bench.set_rules(&rules, AN_HOUR);
            for fixture in fixtures() {
                let says = wire_says(&fixture.bytes, &compiled, LONGEST as u32);
                assert_eq!(says, host_says(&fixture.bytes, &compiled), "none is too large");
                let (packet, name) = (&fixture.bytes, fixture.name);
                assert_agree_on_the_wire(&mut bench, &compiled, packet, LONGEST as u32, name);
            }
        }
    }
}

/// Whatever is in them, and whichever rule there is for them but one that drops.
#[test]
fn on_a_wire_every_fixture_that_is_too_large_for_the_other_port_is_for_the_worker() {
    const MTU: usize = LONGEST - ethernet::HEADER_LEN - 9;
    for buffers in [Buffers::One, Buffers::Several] {
        let (mut bench, _socket) = serving(buffers);
        bench.set_peer(MTU as u32);
        for rules in sets() {
            let compiled = Compiled::new(&rules).unwrap();
            bench.set_rules(&rules, AN_HOUR);
            for mut fixture in fixtures() {
                // The border is further off behind a tag.
                for len in MTU + ethernet::HEADER_LEN..=LONGEST {
                    fixture.bytes.resize(len, 0);
                    let (packet, name) = (&fixture.bytes, fixture.name);
                    assert_agree_on_the_wire(&mut bench, &compiled, packet, MTU as u32, name);
                }
            }
        }
    }
}

/// The program sees the first buffer only; all of the packet's bytes must fit.
#[test]
fn on_a_wire_all_buffers_of_a_packet_count_to_its_size() {
    let rules = [Rule::any(Action::Pass)];
    let compiled = Compiled::new(&rules).unwrap();
    let (mut bench, _socket) = serving(Buffers::Several);
    bench.set_rules(&rules, AN_HOUR);
    let jumbo = [&fixture("ipv4 tcp")[..], &[0; 9_000]].concat();
    let payload = (jumbo.len() - ethernet::HEADER_LEN) as u32;
    for (mtu, reason) in
        [(payload, VerdictReason::PassRule), (payload - 1, VerdictReason::TooLarge)]
    {
        bench.set_peer(mtu);
        assert_agree_on_the_wire(&mut bench, &compiled, &jumbo, mtu, "a jumbo frame");
        assert_eq!(bench.run(&jumbo), (XDP_REDIRECT, reason, Some(0)));
    }
}

#[test]
fn on_a_wire_generated_packets_get_the_verdict_the_host_computes() {
    let mut runner = TestRunner::deterministic();
    let (mut bench, _socket) = served();
    let mut too_large = 0;
    for mtu in 20..60 {
        let rules = generated(&rules(), &mut runner);
        let compiled = Compiled::new(&rules).unwrap();
        bench.set_rules(&rules, AN_HOUR);
        bench.set_peer(mtu);
        for _ in 0..100 {
            let packet = generated(&packet(), &mut runner);
            if packet.len() >= ethernet::HEADER_LEN {
                let what = "a generated packet";
                assert_agree_on_the_wire(&mut bench, &compiled, &packet, mtu, what);
                let reason = wire_says(&packet, &compiled, mtu).reason;
                too_large += u32::from(reason == VerdictReason::TooLarge);
            }
        }
    }
    assert!(too_large > 100, "{too_large} were too large");
}

#[test]
fn on_a_wire_no_socket_and_no_heartbeat_lead_to_the_other_port() {
    let mut bench = Bench::new();
    bench.set_rules(&[Rule::any(Action::Steer)], AN_HOUR);
    bench.set_peer(1500);
    let tcp = fixture("ipv4 tcp");
    assert_eq!(bench.run(&tcp), (XDP_REDIRECT, VerdictReason::NoSocket, Some(0)));

    let socket = xdp_socket();
    insert_socket(bench.steering.xsk_map_fd(), QUEUE, socket.as_fd()).unwrap();
    assert_eq!(bench.run(&tcp), (XDP_REDIRECT, VerdictReason::NoHeartbeat, Some(0)));
    bench.beat(now());
    assert_eq!(bench.run(&tcp), (XDP_REDIRECT, VerdictReason::Steered, Some(0)));
    drop(socket);
    assert_eq!(bench.run(&tcp), (XDP_REDIRECT, VerdictReason::NoSocket, Some(0)));
}

/// Who hears of it there can answer. Sent to the other port, it would be lost without a word.
#[test]
fn on_a_wire_what_is_too_large_passes_to_the_kernel_without_a_worker() {
    let tcp = fixture("ipv4 tcp");
    let too_small = (tcp.len() - ethernet::HEADER_LEN - 1) as u32;
    let passed = (XDP_PASS, VerdictReason::TooLargePassed);
    for (rules, rule) in [
        (vec![Rule::any(Action::Steer)], Some(0)),
        (vec![Rule::any(Action::Pass)], Some(0)),
        (vec![], None),
    ] {
        let mut bench = Bench::new();
        bench.set_rules(&rules, AN_HOUR);
        bench.set_peer(too_small);
        assert_eq!(bench.run(&tcp), (passed.0, passed.1, rule), "no socket");
        let socket = xdp_socket();
        insert_socket(bench.steering.xsk_map_fd(), QUEUE, socket.as_fd()).unwrap();
        assert_eq!(bench.run(&tcp), (passed.0, passed.1, rule), "no heartbeat");
    }
    let mut bench = Bench::new();
    bench.set_rules(&[Rule::any(Action::Drop)], AN_HOUR);
    bench.set_peer(too_small);
    assert_eq!(bench.run(&tcp), (XDP_DROP, VerdictReason::DropRule, Some(0)));
}

#[test]
fn the_other_port_can_be_named_before_the_rules_and_outlives_them() {
    let mut bench = Bench::new();
    let tcp = fixture("ipv4 tcp");
    let fits = (tcp.len() - ethernet::HEADER_LEN) as u32;
    bench.set_peer(fits);
    assert_eq!(bench.steering.test_run(&tcp).unwrap(), XDP_PASS, "no rules, no wire");
    for _ in 0..3 {
        bench.set_rules(&[], AN_HOUR);
        assert_eq!(bench.run(&tcp), (XDP_REDIRECT, VerdictReason::NoRule, None));
    }
    bench.set_peer(fits - 1);
    assert_eq!(bench.run(&tcp), (XDP_PASS, VerdictReason::TooLargePassed, None));
    bench.set_rules(&[], AN_HOUR);
    assert_eq!(bench.run(&tcp), (XDP_PASS, VerdictReason::TooLargePassed, None));
    bench.steering.set_peer(None).unwrap();
    for _ in 0..3 {
        assert_eq!(bench.run(&tcp), (XDP_PASS, VerdictReason::NoRule, None), "host mode again");
        bench.set_rules(&[], AN_HOUR);
    }
}

/// A new MTU is published with the rules that are in force, and their counters run on.
#[test]
fn a_new_mtu_leaves_rules_and_counters_alone() {
    let mut bench = Bench::new();
    let tcp = fixture("ipv4 tcp");
    bench.set_rules(&[Rule::any(Action::Drop)], AN_HOUR);
    for mtu in [1, 1500, 9000] {
        bench.set_peer(mtu);
        assert_eq!(bench.run(&tcp), (XDP_DROP, VerdictReason::DropRule, Some(0)));
    }
    assert_eq!(bench.steering.counters().unwrap().rules[0].packets, 3);
}

#[test]
fn a_port_that_is_not_there_is_refused_and_the_one_before_stays() {
    let mut bench = Bench::new();
    let tcp = fixture("ipv4 tcp");
    bench.set_rules(&[], AN_HOUR);
    bench.set_peer(1500);
    let error = bench.steering.set_peer(Some(Peer { index: 0x7fff_0000, mtu: 1 })).unwrap_err();
    assert!(matches!(error, SteerError::Peer { index: 0x7fff_0000, .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("number 2147418112") && text.contains("`ip link`"), "{text}");
    assert_eq!(bench.run(&tcp), (XDP_REDIRECT, VerdictReason::NoRule, None));
}

/// A second opinion on object file, BTF and maps. One program at a time, as Sluice loads them: see the module
/// of the maps in `xdp-ebpf`.
#[test]
fn libbpf_loads_the_same_object() {
    for program in [abi::PROGRAM, abi::PROGRAM_FRAGS] {
        libbpf_loads(program);
    }
}

fn libbpf_loads(wanted: &str) {
    let mut opened = libbpf_rs::ObjectBuilder::default().open_memory(OBJECT).unwrap();
    let names: Vec<_> = opened.progs().map(|program| program.name().to_owned()).collect();
    assert_eq!(names, [abi::PROGRAM, abi::PROGRAM_FRAGS]);
    opened
        .progs_mut()
        .filter(|program| program.name() != wanted)
        .for_each(|mut other| other.set_autoload(false));
    let object = opened.load().unwrap();
    let mut maps: Vec<String> = object
        .maps()
        .map(|map| map.name().to_string_lossy().into_owned())
        .filter(|name| !name.contains(".rodata"))
        .collect();
    maps.sort_unstable();
    assert_eq!(
        maps,
        [
            "HEARTBEAT",
            "PEER",
            "PORTS",
            "PREFIXES",
            "REASON_COUNTERS",
            "RULE_COUNTERS",
            "SETTINGS",
            "VLANS",
            "XSKS"
        ]
    );
    let tcp = fixture("ipv4 tcp");
    let program = object.progs_mut().find(|program| program.name() == wanted).unwrap();
    assert!(matches!(program.prog_type(), libbpf_rs::ProgramType::Xdp));
    let input = libbpf_rs::ProgramInput { data_in: Some(&tcp), ..Default::default() };
    assert_eq!(program.test_run(input).unwrap().return_value, XDP_PASS);
}
