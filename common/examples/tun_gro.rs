//! GRO and TSO for a program with a TUN device: here a tunnel, an IP packet in each UDP datagram, in the clear.
//! As root: `tun_gro LOCAL_ADDRESS:PORT PEER_ADDRESS:PORT`, then give the device `tun_gro` an address.
use std::io::{Error, IoSlice, Result};
use std::{iter, net::UdpSocket, os::fd::AsFd};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use sluice_common::offload::{ChecksumMode, Coalescer, GroConfig, Segmenter, Train, VnetHeader};
use sluice_common::{reason::FlushReason, wire::Link};
use tun_rs::{DeviceBuilder, SyncDevice};

const MTU: usize = 1400;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [local, peer] = &args[..] else { return Err(Error::other("usage: tun_gro LOCAL PEER")) };
    let wire = UdpSocket::bind(local)?;
    wire.connect(peer)?;
    wire.set_nonblocking(true)?;
    // `offload`: a vnet header before each packet, and super-packets both ways.
    let tun = DeviceBuilder::new().name("tun_gro").mtu(MTU as u16).offload(true).build_sync()?;
    tun.set_nonblocking(true)?;
    // A program for the open Internet sets `hash_keys` to random numbers besides.
    let mut coalescer = Coalescer::new(GroConfig { link: Link::None, ..GroConfig::default() });
    let mut buffer = vec![0; VnetHeader::LEN + 65_536];
    loop {
        let ready = [tun.as_fd(), wire.as_fd()].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        poll(&mut { ready }, PollTimeout::NONE)?;
        if let Ok(len) = tun.recv(&mut buffer) {
            to_wire(&wire, &buffer[..len]);
        }
        // What has arrived by now, up to 64 packets, is a burst.
        let mut sink = |train: Train<Vec<u8>>, _: FlushReason| to_tun(&tun, &train);
        for _ in 0..64 {
            let Ok(len) = wire.recv(&mut buffer) else { break };
            coalescer.push(buffer[..len].to_vec(), 0, &mut sink);
        }
        coalescer.end_of_burst(0, &mut sink);
    }
}

/// Cuts what a local socket has sent. A full socket loses packets, as a full wire does.
fn to_wire(wire: &UdpSocket, bytes: &[u8]) {
    let Some((vnet, packet)) = VnetHeader::split(bytes) else { return };
    let Ok(segments) = Segmenter::new(packet, &vnet, MTU) else { return };
    let mut segment = [0; MTU];
    for i in 0..segments.count() {
        let len = segments.write(i, &mut segment);
        let _ = wire.send(&segment[..len]);
    }
}

/// Hands a train over with one system call, its packets where they are.
fn to_tun(tun: &SyncDevice, train: &Train<Vec<u8>>) {
    let mut header = train.vnet_header().to_bytes().to_vec();
    header.resize(VnetHeader::LEN + train.header_len(Link::None), 0);
    train.write_header(&mut header[VnetHeader::LEN..], Link::None, ChecksumMode::Partial);
    let all: Vec<_> = iter::once(&*header).chain(train.payloads()).map(IoSlice::new).collect();
    let _ = tun.send_vectored(&all);
}
