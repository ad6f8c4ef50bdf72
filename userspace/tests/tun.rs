//! The TUN device against the real driver. Needs root.

use std::io::{IoSlice, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use sluice::port::{HostPort, Received, Sent, SuperPort};
use sluice::tun::{Device, Offloads, Queue, RECEIVE_BUFFER, Settings, TunError};
use sluice_lab::{Namespace, wait_until};

const NAME: &str = "sluice0";
const VNET: usize = 10;
const NEEDS_CSUM: u8 = 1;

fn settings(queues: usize, segment: bool) -> Settings<'static> {
    let offloads = if segment { Offloads::ALL } else { Offloads::default() };
    Settings { name: NAME, queues, mtu: 1500, offloads }
}

/// A host whose only way out is a TUN device.
struct Host {
    namespace: Namespace,
    queues: Vec<Queue>,
}

impl Host {
    fn new(address: &str, queues: usize, segment: bool) -> Result<Self> {
        let namespace = Namespace::new("tun")?;
        let (device, _, queues) = namespace.run(|| Device::open(&settings(queues, segment)))?;
        assert_eq!(device.mtu, 1500);
        namespace.ip(&format!("address add {address}/24 dev {NAME}"))?;
        namespace.ip(&format!("link set {NAME} up"))?;
        Ok(Self { namespace, queues })
    }
}

/// What a relay saw of one host's packets, and what the other host's kernel refused of them.
#[derive(Debug, Default)]
struct Seen {
    largest: usize,
    unsummed: usize,
    refused: usize,
}

impl Seen {
    fn forward(&mut self, from: &mut Queue, to: &mut Queue, buffer: &mut [u8]) {
        while let Received::Packet(len) = from.receive(buffer) {
            let packet = &buffer[..len];
            self.largest = self.largest.max(len - VNET);
            self.unsummed += usize::from(packet[0] & NEEDS_CSUM != 0);
            // In three parts, as a train is written: vnet header, packet header, payload.
            let (header, payload) = packet[VNET..].split_at(40);
            let parts =
                [IoSlice::new(&packet[..VNET]), IoSlice::new(header), IoSlice::new(payload)];
            self.refused += usize::from(to.send(&parts) != Sent::Done);
        }
    }
}

/// Carries packets between two hosts, vnet headers and all, until `stop`.
fn relay(a: &mut [Queue], b: &mut [Queue], stop: &AtomicBool) -> [Seen; 2] {
    let mut buffer = vec![0; RECEIVE_BUFFER];
    let mut seen = [Seen::default(), Seen::default()];
    while !stop.load(Ordering::Relaxed) {
        let all = a.iter().chain(&*b);
        let mut ready: Vec<_> = all.map(|q| PollFd::new(q.as_fd(), PollFlags::POLLIN)).collect();
        poll(&mut ready, PollTimeout::from(20_u8)).unwrap();
        for (a, b) in a.iter_mut().zip(b.iter_mut()) {
            seen[0].forward(a, b, &mut buffer);
            seen[1].forward(b, a, &mut buffer);
        }
    }
    seen
}

/// Sends `LEN` bytes from one host to the other and says what the relay saw of the sender's packets.
fn transfer(segment: bool) -> Result<Seen> {
    const LEN: usize = 8 << 20;
    const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
    let mut client = Host::new("192.0.2.1", 2, segment)?;
    let mut server = Host::new("192.0.2.2", 2, segment)?;
    let listener = server.namespace.run(|| TcpListener::bind((SERVER, 5000)))?;
    let sent: Vec<u8> = (0..LEN).map(|i| ((i * 31) >> 3) as u8).collect();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let (a, b) = (&mut client.queues, &mut server.queues);
        let relayed = scope.spawn(|| relay(a, b, &stop));
        let namespace = &client.namespace;
        let sender = scope.spawn(|| -> Result<()> {
            let mut stream = namespace.run(|| TcpStream::connect((SERVER, 5000)))?;
            Ok(stream.write_all(&sent)?)
        });
        let mut received = Vec::new();
        listener.accept()?.0.read_to_end(&mut received)?;
        sender.join().unwrap()?;
        stop.store(true, Ordering::Relaxed);
        assert!(received == sent, "the bytes that arrived are not the bytes that were sent");
        let [seen, back] = relayed.join().unwrap();
        assert_eq!(back.refused, 0);
        Ok(seen)
    })
}

#[test]
fn super_packets_leave_a_socket_through_the_device_and_enter_one_by_it() -> Result<()> {
    let seen = transfer(true)?;
    assert!(seen.largest > 20_000, "no super-packet: {seen:?}");
    assert!(seen.unsummed > 0, "the kernel summed what was to be left to the reader: {seen:?}");
    assert_eq!(seen.refused, 0, "{seen:?}");
    Ok(())
}

#[test]
fn without_segmentation_the_kernel_cuts_and_sums() -> Result<()> {
    let seen = transfer(false)?;
    assert_eq!((seen.largest, seen.unsummed, seen.refused), (1500, 0, 0), "{seen:?}");
    Ok(())
}

#[test]
fn a_device_opens_down_with_the_mtu_and_goes_with_its_last_queue_and_hold() -> Result<()> {
    let namespace = Namespace::new("tun")?;
    let (device, control, mut queues) =
        namespace.run(|| Device::open(&Settings { mtu: 1400, ..settings(3, true) }))?;
    assert_eq!(queues.len(), 3);
    let shown = namespace.ip(&format!("-details link show {NAME}"))?;
    assert!(shown.starts_with(&format!("{}: {NAME}", device.index)), "{shown}");
    for fact in
        ["mtu 1400", "state DOWN", "multi_queue", "vnet_hdr on", "persist off", "numqueues 3"]
    {
        assert!(shown.contains(fact), "lacks `{fact}`: {shown}");
    }
    queues.truncate(1);
    namespace.ip(&format!("link show {NAME}"))?;
    drop(queues);
    assert!(control.knows_udp(), "this kernel is younger than 6.2");
    namespace.ip(&format!("link show {NAME}"))?;
    drop(control);
    // A test beside this one that is starting a program holds a copy of every descriptor between its
    // fork and its exec, this one's last queue too.
    wait_until("the device is gone", Duration::from_secs(5), || {
        namespace.ip(&format!("link show {NAME}")).is_err().then_some(())
    })
}

/// What the kernel itself says the device leaves to its reader.
fn features(namespace: &Namespace) -> Result<Vec<String>> {
    let told = namespace.exec("ethtool", &format!("-k {NAME}"))?;
    let names = [
        "tx-checksum-ip-generic",
        "tx-tcp-segmentation",
        "tx-tcp6-segmentation",
        "tx-udp-segmentation",
    ];
    let is_on = |name: &&&str| told.lines().any(|line| line.trim() == format!("{name}: on"));
    Ok(names.iter().filter(is_on).map(ToString::to_string).collect())
}

#[test]
fn f2_what_is_left_to_the_reader_changes_while_the_device_is_open() -> Result<()> {
    let namespace = Namespace::new("tun")?;
    let (_, control, _queues) = namespace.run(|| Device::open(&settings(2, true)))?;
    assert_eq!(features(&namespace)?.len(), 4);
    control.set(Offloads { tcp: false, ..Offloads::ALL })?;
    assert_eq!(features(&namespace)?, ["tx-checksum-ip-generic", "tx-udp-segmentation"]);
    control.set(Offloads { udp: false, ..Offloads::ALL })?;
    assert_eq!(features(&namespace)?.len(), 3);
    control.set(Offloads::default())?;
    assert_eq!(features(&namespace)?.len(), 0);
    control.set(Offloads::ALL)?;
    assert_eq!(features(&namespace)?.len(), 4);
    Ok(())
}

#[test]
fn another_programs_device_of_this_name_is_not_joined() -> Result<()> {
    let namespace = Namespace::new("tun")?;
    let _held = namespace.run(|| Device::open(&settings(1, true)))?;
    let refused = namespace.run(|| Device::open(&settings(1, true))).unwrap_err();
    assert!(matches!(refused, TunError::NameTaken { .. }), "{refused}");
    Ok(())
}

#[test]
fn a_packet_finds_a_device_that_is_down_or_deleted_gone_and_a_bad_one_refused() -> Result<()> {
    let mut host = Host::new("192.0.2.1", 1, true)?;
    let queue = &mut host.queues[0];
    // An IPv4 packet of protocol 253 (for experiments, RFC 3692): taken, and of no effect.
    let mut packet = [0; VNET + 20];
    packet[VNET..].copy_from_slice(&[
        0x45, 0, 0, 20, 0, 0, 0x40, 0, 64, 253, 0, 0, 192, 0, 2, 9, 192, 0, 2, 1,
    ]);
    assert_eq!(queue.send(&[IoSlice::new(&packet)]), Sent::Done);
    let mut lying = packet;
    lying[2..4].copy_from_slice(&9000_u16.to_ne_bytes()); // hdr_len beyond the packet
    assert_eq!(queue.send(&[IoSlice::new(&lying)]), Sent::Refused);

    let mut buffer = [0; 2048];
    while queue.receive(&mut buffer) != Received::Empty {}
    host.namespace.ip(&format!("link set {NAME} down"))?;
    assert_eq!(queue.send(&[IoSlice::new(&packet)]), Sent::Gone);
    host.namespace.ip(&format!("link delete {NAME}"))?;
    assert_eq!(queue.send(&[IoSlice::new(&packet)]), Sent::Gone);
    assert_eq!(queue.receive(&mut buffer), Received::Gone);
    Ok(())
}
