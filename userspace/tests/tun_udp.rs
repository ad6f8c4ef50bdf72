//! UDP super-packets through the real TUN driver, both ways. Needs root and Linux 6.2.

use std::io::{IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt,
    sockopt,
};
use sluice::port::{HostPort, Received, Sent, SuperPort};
use sluice::tun::{Control, Device, Offloads, Queue, RECEIVE_BUFFER, Settings};
use sluice_common::offload::{
    ChecksumMode, Coalescer, GroConfig, GsoType, Segmenter, Train, VnetHeader,
};
use sluice_common::reason::FlushReason;
use sluice_common::testing::Packet;
use sluice_common::wire::Link;
use sluice_lab::{Namespace, wait_until};

const NAME: &str = "sluice0";
const PORT: u16 = 6000;
/// Bounds a hang; nothing is measured against it.
const LIMIT: Duration = Duration::from_secs(10);

/// The host's addresses, and those of someone beyond the TUN.
const HERE: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1)),
];
const THERE: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2)),
];

/// A host whose only way out is a TUN device.
struct Host {
    namespace: Namespace,
    control: Control,
    queue: Queue,
}

impl Host {
    fn new(offloads: Offloads) -> Result<Self> {
        let namespace = Namespace::new("tun")?;
        let settings = Settings { name: NAME, queues: 1, mtu: 1500, offloads };
        let (_, control, mut queues) = namespace.run(|| Device::open(&settings))?;
        namespace.ip(&format!("address add {}/24 dev {NAME}", HERE[0]))?;
        namespace.ip(&format!("address add {}/64 dev {NAME} nodad", HERE[1]))?;
        namespace.ip(&format!("link set {NAME} up"))?;
        assert!(control.knows_udp(), "this kernel has no UDP super-packets for a TUN (Linux 6.2)");
        Ok(Self { namespace, control, queue: queues.remove(0) })
    }

    fn socket(&self, address: IpAddr) -> Result<UdpSocket> {
        let socket = self.namespace.run(|| UdpSocket::bind((address, PORT)))?;
        socket.set_read_timeout(Some(LIMIT))?;
        Ok(socket)
    }

    /// What the host sends to `PORT` next: vnet header and IP packet.
    fn next(&mut self) -> Result<(VnetHeader, Vec<u8>)> {
        let mut buffer = vec![0; RECEIVE_BUFFER];
        wait_until("the host sends", LIMIT, || {
            loop {
                let Received::Packet(len) = self.queue.receive(&mut buffer) else { return None };
                let vnet = VnetHeader::parse(&buffer)?;
                let packet = buffer[VnetHeader::LEN..len].to_vec();
                // Not what the host has to say of itself: neighbour discovery and the like.
                if udp_payload(&packet).is_some() {
                    return Some((vnet, packet));
                }
            }
        })
    }
}

/// The payload of a UDP datagram to `PORT`.
fn udp_payload(packet: &[u8]) -> Option<Vec<u8>> {
    let sliced = etherparse::SlicedPacket::from_ip(packet).ok()?;
    let etherparse::TransportSlice::Udp(udp) = sliced.transport? else { return None };
    (udp.destination_port() == PORT).then(|| udp.payload().to_vec())
}

fn payload(len: usize) -> Vec<u8> {
    (0..len as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// Sends `bytes` with one call, to be cut into datagrams of `size`.
fn send_segments(socket: &UdpSocket, to: IpAddr, bytes: &[u8], size: u16) -> Result<()> {
    let to = SockaddrStorage::from(std::net::SocketAddr::from((to, PORT)));
    let slices = [IoSlice::new(bytes)];
    let segments = [ControlMessage::UdpGsoSegments(&size)];
    let fd = socket.as_raw_fd();
    let sent = sendmsg(fd, &slices, &segments, MsgFlags::empty(), Some(&to))?;
    assert_eq!(sent, bytes.len());
    Ok(())
}

#[test]
fn s10_a_socket_with_udp_segment_gives_one_super_packet_that_is_cut_here() -> Result<()> {
    const SIZE: u16 = 1400;
    let bytes = payload(46 * usize::from(SIZE) - 3);
    let mut host = Host::new(Offloads::ALL)?;
    for (here, there) in HERE.into_iter().zip(THERE) {
        let socket = host.socket(here)?;
        send_segments(&socket, there, &bytes, SIZE)?;
        let (vnet, packet) = host.next()?;
        assert_eq!((vnet.gso_type, vnet.gso_size), (GsoType::UDP_L4.0 as u8, SIZE));
        let segmenter = Segmenter::new(&packet, &vnet, 1500).unwrap();
        assert_eq!(segmenter.count(), 46);
        let mut arrived = Vec::new();
        for i in 0..segmenter.count() {
            let mut segment = vec![0; segmenter.segment_len(i)];
            segmenter.write(i, &mut segment);
            arrived.extend(udp_payload(&segment).context("a datagram")?);
        }
        assert_eq!(arrived, bytes);
    }
    Ok(())
}

#[test]
fn without_the_offload_the_kernel_cuts_and_it_may_be_switched_while_open() -> Result<()> {
    let mut host = Host::new(Offloads { udp: false, ..Offloads::ALL })?;
    let socket = host.socket(HERE[0])?;
    let bytes = payload(3000);
    send_segments(&socket, THERE[0], &bytes, 1000)?;
    for piece in bytes.chunks(1000) {
        let (vnet, packet) = host.next()?;
        assert_eq!((vnet.gso_type, udp_payload(&packet).as_deref()), (0, Some(piece)));
    }
    host.control.set(Offloads::ALL)?;
    send_segments(&socket, THERE[0], &bytes, 1000)?;
    assert_eq!(host.next()?.0.gso_type, GsoType::UDP_L4.0 as u8);
    Ok(())
}

/// A train of datagrams from `there` to `here`, as the coalescer makes it.
fn train(here: IpAddr, there: IpAddr, bytes: &[u8], size: usize) -> Train<Vec<u8>> {
    let mut coalescer = Coalescer::new(GroConfig::default());
    let mut trains = Vec::new();
    let mut sink = |train: Train<Vec<u8>>, _: FlushReason| trains.push(train);
    let mut next = Packet { src: there, dst: here, dst_port: PORT, ..Packet::udp4() };
    for piece in bytes.chunks(size) {
        next = next.with_payload(piece);
        coalescer.push(next.build(), 0, &mut sink);
        next = next.next();
    }
    coalescer.end_of_burst(0, &mut sink);
    assert_eq!(trains.len(), 1);
    trains.remove(0)
}

/// Gives the host the train in one write, as a worker does.
fn give(queue: &mut Queue, train: &Train<Vec<u8>>) {
    assert!(queue.takes(train.gso_type()));
    let vnet = train.vnet_header().to_bytes();
    let mut header = vec![0; train.header_len(Link::None)];
    train.write_header(&mut header, Link::None, ChecksumMode::Partial);
    let mut slices = vec![IoSlice::new(&vnet), IoSlice::new(&header)];
    slices.extend(train.payloads().map(IoSlice::new));
    assert_eq!(queue.send(&slices), Sent::Done);
}

#[test]
fn g28_a_train_arrives_at_a_socket_with_udp_gro_as_one_buffer() -> Result<()> {
    let mut host = Host::new(Offloads::ALL)?;
    for (here, there) in HERE.into_iter().zip(THERE) {
        let socket = host.socket(here)?;
        setsockopt(&socket, sockopt::UdpGroSegment, &true)?;
        let bytes = payload(30 * 1000 + 1);
        give(&mut host.queue, &train(here, there, &bytes, 1000));
        let mut buffer = vec![0; 70_000];
        let (len, size) = {
            let mut slices = [IoSliceMut::new(&mut buffer)];
            let mut space = nix::cmsg_space!(i32);
            let fd = socket.as_raw_fd();
            let got = recvmsg::<()>(fd, &mut slices, Some(&mut space), MsgFlags::empty())?;
            (got.bytes, got.cmsgs()?.next())
        };
        assert_eq!(buffer[..len], bytes);
        let Some(ControlMessageOwned::UdpGroSegments(size)) = size else { bail!("{size:?}") };
        assert_eq!(size, 1000);
    }
    Ok(())
}

#[test]
fn g28_a_train_arrives_at_a_socket_without_udp_gro_as_datagrams() -> Result<()> {
    let mut host = Host::new(Offloads::ALL)?;
    for (here, there) in HERE.into_iter().zip(THERE) {
        let socket = host.socket(here)?;
        let bytes = payload(30 * 1000 + 1);
        give(&mut host.queue, &train(here, there, &bytes, 1000));
        for piece in bytes.chunks(1000) {
            let mut buffer = [0; 2000];
            let len = socket.recv(&mut buffer)?;
            assert_eq!(buffer[..len], *piece);
        }
    }
    Ok(())
}

#[test]
fn the_queue_takes_what_ten_bytes_of_vnet_header_can_say() -> Result<()> {
    let host = Host::new(Offloads::ALL)?;
    for kind in [GsoType::TCPV4, GsoType::TCPV6, GsoType::UDP_L4] {
        assert!(host.queue.takes(kind));
        assert!(!host.queue.takes(kind.with(GsoType::UDP_TUNNEL)), "a train in a tunnel");
    }
    assert!(!host.queue.takes(GsoType::UDP));
    Ok(())
}
