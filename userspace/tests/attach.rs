//! Attaching: native, generic, refused, and gone with whoever holds it. Needs root.

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use libbpf_rs::{ObjectBuilder, Xdp, XdpFlags};
use nix::net::if_::if_nametoindex;
use nix::sys::signal::Signal;
use sluice::config::XdpMode;
use sluice::steer::{AttachMode, Attached, Buffers, OBJECT, SteerError, Steering};
use sluice_common::abi;
use sluice_lab::{Namespace, wait_until};

/// A namespace with a veth pair, `v0` and `v1`. Its loopback has no native XDP.
fn namespace() -> Namespace {
    let namespace = Namespace::new("attach").unwrap();
    namespace.ip("link add v0 type veth peer name v1").unwrap();
    namespace.ip("link set v0 up").unwrap();
    namespace.ip("link set v1 up").unwrap();
    namespace
}

/// Whether `ip` shows an XDP program on the interface.
fn has_xdp(namespace: &Namespace, iface: &str) -> bool {
    namespace.ip(&format!("link show dev {iface}")).unwrap().contains("prog/xdp")
}

/// Waits until the interface has no program: a child that another test forks at this moment holds a copy
/// of the closed link until it executes.
fn wait_without_xdp(namespace: &Namespace, iface: &str) {
    wait_until("the program is off", Duration::from_secs(5), || {
        (!has_xdp(namespace, iface)).then_some(())
    })
    .unwrap();
}

fn attach(
    namespace: &Namespace,
    steering: &mut Steering,
    iface: &str,
    mode: XdpMode,
) -> Result<Attached, SteerError> {
    namespace.run(|| steering.attach(iface, mode))
}

#[test]
fn native_where_the_driver_can() {
    let namespace = namespace();
    let mut steering = Steering::load().unwrap();
    for mode in [XdpMode::Auto, XdpMode::Native] {
        let attached = attach(&namespace, &mut steering, "v0", mode).unwrap();
        assert_eq!(attached, Attached { mode: AttachMode::Native, reason: None });
        let shown = namespace.ip("link show dev v0").unwrap();
        assert!(shown.contains("xdp") && !shown.contains("xdpgeneric"), "{shown}");
    }
}

#[test]
fn generic_where_the_driver_cannot_with_the_reason() {
    let namespace = namespace();
    let mut steering = Steering::load().unwrap();
    let attached = attach(&namespace, &mut steering, "lo", XdpMode::Auto).unwrap();
    assert_eq!(attached.mode, AttachMode::Generic);
    let reason = attached.reason.expect("a fall-back has a reason");
    assert!(reason.contains("no native XDP") && reason.contains("EOPNOTSUPP"), "{reason}");
    assert!(namespace.ip("link show dev lo").unwrap().contains("xdpgeneric"));
}

#[test]
fn generic_where_it_is_asked_for_without_a_reason() {
    let namespace = namespace();
    let mut steering = Steering::load().unwrap();
    let attached = attach(&namespace, &mut steering, "v0", XdpMode::Generic).unwrap();
    assert_eq!(attached, Attached { mode: AttachMode::Generic, reason: None });
    assert!(namespace.ip("link show dev v0").unwrap().contains("xdpgeneric"));
}

#[test]
fn native_or_nothing_fails_where_the_driver_cannot() {
    let namespace = namespace();
    let mut steering = Steering::load().unwrap();
    let error = attach(&namespace, &mut steering, "lo", XdpMode::Native).unwrap_err();
    assert!(matches!(error, SteerError::Attach { mode: AttachMode::Native, .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("lo (native)") && text.contains("no native XDP"), "{text}");
    assert!(!has_xdp(&namespace, "lo"));
}

#[test]
fn an_interface_that_is_not_there_is_named() {
    let namespace = namespace();
    let mut steering = Steering::load().unwrap();
    let error = attach(&namespace, &mut steering, "none0", XdpMode::Auto).unwrap_err();
    assert!(error.to_string().contains("no interface none0"), "{error}");
}

#[test]
fn the_driver_s_refusal_is_the_reason_for_generic() {
    let namespace = namespace();
    // Beyond what one page per packet holds, which is what veth wants of a program that sees one buffer
    // only. It is the peer's MTU that counts.
    namespace.ip("link set v1 mtu 9000").unwrap();
    namespace.ip("link set v0 mtu 9000").unwrap();
    let mut steering = Steering::load().unwrap();
    let attached = attach(&namespace, &mut steering, "v0", XdpMode::Auto).unwrap();
    assert_eq!(attached.mode, AttachMode::Generic);
    let reason = attached.reason.expect("a fall-back has a reason");
    assert!(reason.contains("MTU"), "{reason}");
}

#[test]
fn a_large_mtu_takes_the_program_for_packets_in_several_buffers() {
    let namespace = namespace();
    namespace.ip("link set v1 mtu 9216").unwrap();
    namespace.ip("link set v0 mtu 9216").unwrap();
    let mut steering = Steering::load_for(Buffers::Several).unwrap();
    for (mode, expected) in [
        (XdpMode::Auto, AttachMode::Native),
        (XdpMode::Native, AttachMode::Native),
        (XdpMode::Generic, AttachMode::Generic),
    ] {
        let attached = attach(&namespace, &mut steering, "v0", mode).unwrap();
        assert_eq!(attached, Attached { mode: expected, reason: None });
    }
}

/// So that no super-packets come from there, whichever program it is; with generic XDP they do.
#[test]
fn native_xdp_takes_segmentation_from_a_veth_peer_and_generic_does_not() {
    for (buffers, mode, segments) in [
        (Buffers::One, XdpMode::Native, "off"),
        (Buffers::Several, XdpMode::Native, "off"),
        (Buffers::Several, XdpMode::Generic, "on"),
    ] {
        let namespace = namespace();
        let mut steering = Steering::load_for(buffers).unwrap();
        attach(&namespace, &mut steering, "v0", mode).unwrap();
        let told = namespace.exec("ethtool", "-k v1").unwrap();
        let expected = format!("tcp-segmentation-offload: {segments}");
        assert!(told.lines().any(|line| line == expected), "{buffers:?}, {mode:?}: {told}");
    }
}

/// One that holds its place by a link, as Sluice's own does.
#[test]
fn a_foreign_program_is_named_and_left_alone() {
    let namespace = namespace();
    let mut foreign = Steering::load().unwrap();
    attach(&namespace, &mut foreign, "v0", XdpMode::Native).unwrap();
    let mut steering = Steering::load().unwrap();
    for mode in [XdpMode::Auto, XdpMode::Native, XdpMode::Generic] {
        let error = attach(&namespace, &mut steering, "v0", mode).unwrap_err();
        let SteerError::Foreign { iface, foreign } = &error else { panic!("{error}") };
        assert_eq!((iface.as_str(), foreign.mode), ("v0", AttachMode::Native));
        assert_eq!(foreign.name.as_deref(), Some(abi::PROGRAM));
        assert!(error.to_string().contains("xdpdrv off"), "{error}");
    }
    assert!(has_xdp(&namespace, "v0"));
    foreign.detach();
    // A child that another test has forked holds a copy of the link's descriptor until it executes its program.
    wait_without_xdp(&namespace, "v0");
    attach(&namespace, &mut steering, "v0", XdpMode::Auto).unwrap();
}

/// One put there the older way, without a link, as `ip link set … xdp` does.
#[test]
fn a_foreign_program_without_a_link_is_refused_too() {
    let namespace = namespace();
    let mut opened = ObjectBuilder::default().open_memory(OBJECT).unwrap();
    opened.progs_mut().skip(1).for_each(|mut other| other.set_autoload(false));
    let object = opened.load().unwrap();
    let program = object.progs_mut().next().unwrap();
    let program = program.as_fd();
    namespace.run(|| {
        let index = if_nametoindex("v0").unwrap() as i32;
        Xdp::new(program).attach(index, XdpFlags::SKB_MODE).unwrap();
    });
    let mut steering = Steering::load().unwrap();
    let error = attach(&namespace, &mut steering, "v0", XdpMode::Auto).unwrap_err();
    let SteerError::Foreign { foreign, .. } = &error else { panic!("{error}") };
    assert_eq!(foreign.mode, AttachMode::Generic);
    assert!(error.to_string().contains("xdpgeneric off"), "{error}");
    assert!(has_xdp(&namespace, "v0"));
}

#[test]
fn detached_or_dropped_it_is_off() {
    let namespace = namespace();
    let mut steering = Steering::load().unwrap();
    attach(&namespace, &mut steering, "v0", XdpMode::Auto).unwrap();
    assert!(has_xdp(&namespace, "v0"));
    steering.detach();
    wait_without_xdp(&namespace, "v0");
    attach(&namespace, &mut steering, "v0", XdpMode::Auto).unwrap();
    assert!(has_xdp(&namespace, "v0"));
    drop(steering);
    wait_without_xdp(&namespace, "v0");
}

#[test]
fn reattached_it_is_where_and_how_it_was() {
    let namespace = namespace();
    let mut steering = Steering::load().unwrap();
    assert!(matches!(steering.reattach(), Err(SteerError::NeverAttached)));
    attach(&namespace, &mut steering, "v0", XdpMode::Generic).unwrap();
    let attached = namespace.run(|| steering.reattach()).unwrap();
    assert_eq!(attached.mode, AttachMode::Generic);
    assert!(has_xdp(&namespace, "v0"));
}

/// Whoever forks while a link is held has a copy of it until the exec.
#[test]
fn children_forked_meanwhile_do_not_hold_the_place() {
    let namespace = namespace();
    let mut steering = Steering::load().unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Relaxed) {
                Command::new("true").status().unwrap();
            }
        });
        let attached: Result<Vec<_>, _> =
            (0..200).map(|_| attach(&namespace, &mut steering, "v0", XdpMode::Generic)).collect();
        done.store(true, Relaxed);
        attached.unwrap();
    });
}

/// An interface that went and came back (a driver was loaded anew) is another one of the same name.
#[test]
fn reattaching_can_be_tried_again() {
    let namespace = namespace();
    let mut steering = Steering::load().unwrap();
    attach(&namespace, &mut steering, "v0", XdpMode::Auto).unwrap();
    namespace.ip("link delete v0").unwrap();
    let error = namespace.run(|| steering.reattach()).unwrap_err();
    assert!(matches!(error, SteerError::NoInterface { .. }), "{error}");
    namespace.ip("link add v0 type veth peer name v1").unwrap();
    namespace.run(|| steering.reattach()).unwrap();
    assert!(has_xdp(&namespace, "v0"));
}

#[test]
fn attached_elsewhere_it_leaves_where_it_was() {
    let namespace = namespace();
    let mut steering = Steering::load().unwrap();
    attach(&namespace, &mut steering, "v0", XdpMode::Auto).unwrap();
    attach(&namespace, &mut steering, "v1", XdpMode::Auto).unwrap();
    wait_without_xdp(&namespace, "v0");
    assert!(has_xdp(&namespace, "v1"));
}

/// However the holder ends: SIGKILL leaves it no time to tidy up.
#[test]
fn it_goes_with_the_process_that_holds_it() {
    const HOLD: &str = "SLUICE_TEST_HOLDS";
    if let Some(iface) = env::var_os(HOLD) {
        return hold(iface.to_str().unwrap());
    }
    let namespace = namespace();
    let mut command = namespace.command(env::current_exe().unwrap());
    command
        .args(["--exact", "it_goes_with_the_process_that_holds_it", "--nocapture"])
        .env(HOLD, "v0")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut holder = namespace.spawn(&mut command).unwrap();
    let stdout = holder.child().stdout.take().unwrap();
    let attached = BufReader::new(stdout).lines().map_while(Result::ok).any(|line| line == HELD);
    assert!(attached && has_xdp(&namespace, "v0"));
    holder.signal(Signal::SIGKILL).unwrap();
    holder.wait(Duration::from_secs(5)).unwrap();
    wait_without_xdp(&namespace, "v0");
}

const HELD: &str = "attached";

/// The other process: attaches, says so, and stays until it is killed or its standard input ends.
fn hold(iface: &str) {
    let mut steering = Steering::load().unwrap();
    steering.attach(iface, XdpMode::Auto).unwrap();
    println!("\n{HELD}");
    let _ = std::io::stdin().read(&mut [0]);
}

#[test]
fn a_program_of_another_layout_is_not_loaded() {
    let mut object = OBJECT.to_vec();
    let at = abi_at(&object);
    object[at..at + 4].copy_from_slice(&(abi::ABI + 1).to_le_bytes());
    let error = Steering::load_object(&object).unwrap_err();
    assert!(matches!(error, SteerError::Abi { .. }), "{error}");
    let says = format!("layout {}, this binary needs {}", abi::ABI + 1, abi::ABI);
    assert!(error.to_string().contains(&says), "{error}");
}

fn abi_at(bytes: &[u8]) -> usize {
    use object::{Object, ObjectSection};
    let file = object::File::parse(bytes).unwrap();
    let section = file.section_by_name(abi::ABI_SECTION).unwrap();
    section.file_range().unwrap().0 as usize
}
