//! An independent look at every packet on the wire: another parser, other checksum code.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{JoinHandle, spawn};

use crate::{Capture, Captured, Direction};
use anyhow::Result;
use etherparse::{NetSlice, SlicedPacket, TcpSlice, TransportSlice, UdpSlice};

/// Bytes of an Ethernet header.
const LINK: usize = 14;

/// Reads a capture in the background until told to stop.
#[derive(Debug)]
pub struct Tap {
    stop: Arc<AtomicBool>,
    reader: JoinHandle<Result<Seen>>,
}

/// What was seen.
#[derive(Debug)]
pub struct Seen {
    mtu: usize,
    /// What was wrong with any packet; the first few.
    pub problems: Vec<String>,
    /// Packets received and sent.
    pub packets: usize,
    /// Of them, UDP datagrams.
    pub datagrams: usize,
    incoming: Stream,
    outgoing: Stream,
}

impl Seen {
    fn nothing(mtu: usize) -> Self {
        let [incoming, outgoing] = [(); 2].map(|()| Stream::default());
        Self { mtu, problems: Vec::new(), packets: 0, datagrams: 0, incoming, outgoing }
    }
}

/// The bytes of one direction of the one TCP connection in the capture.
#[derive(Debug, Default)]
struct Stream {
    /// Sequence number of the first byte.
    first: Option<u32>,
    /// First byte and end of each payload, counted from there.
    parts: Vec<(u32, u32)>,
}

impl Tap {
    /// On a wire with the MTU of Ethernet.
    #[must_use]
    pub fn on(capture: Capture) -> Self {
        Self::within(capture, 1500)
    }

    /// As [`on`](Self::on), on a wire with this MTU.
    #[must_use]
    pub fn within(capture: Capture, mtu: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let until = stop.clone();
        Self { stop, reader: spawn(move || read(&capture, mtu, &until)) }
    }

    /// What has been seen by the time nothing more comes.
    ///
    /// # Errors
    /// Where the interface has gone.
    ///
    /// # Panics
    /// Where a packet cannot be looked at.
    pub fn finish(self) -> Result<Seen> {
        self.stop.store(true, Ordering::Release);
        self.reader.join().expect("reading does not panic")
    }
}

fn read(capture: &Capture, mtu: usize, stop: &AtomicBool) -> Result<Seen> {
    let mut seen = Seen::nothing(mtu);
    let mut buffer = vec![0; 1 << 17];
    loop {
        match capture.next(&mut buffer)? {
            Some(packet) => seen.note(&packet),
            None if stop.load(Ordering::Acquire) => return Ok(seen),
            None => {}
        }
    }
}

impl Seen {
    /// How many different bytes of the connection's data crossed the wire this way.
    #[must_use]
    pub fn data(&self, direction: Direction) -> u64 {
        self.stream(direction).len()
    }

    /// The payload of the largest packet of the connection that crossed the wire this way.
    #[must_use]
    pub fn largest(&self, direction: Direction) -> u32 {
        self.stream(direction).payloads().max().unwrap_or(0)
    }

    /// The payload of the connection's packets that crossed the wire this way, on average of those that had any.
    #[must_use]
    pub fn average(&self, direction: Direction) -> f64 {
        let stream = self.stream(direction);
        stream.payloads().map(f64::from).sum::<f64>() / stream.parts.len().max(1) as f64
    }

    fn stream(&self, direction: Direction) -> &Stream {
        match direction {
            Direction::In => &self.incoming,
            Direction::Out => &self.outgoing,
        }
    }

    fn note(&mut self, packet: &Captured<'_>) {
        self.packets += 1;
        if let Err(problem) = self.check(packet)
            && self.problems.len() < 10
        {
            let head = &packet.bytes[..packet.bytes.len().min(80)];
            self.problems.push(format!("{problem}: {:?} {head:02x?}", packet.direction));
        }
    }

    fn check(&mut self, packet: &Captured<'_>) -> Result<(), String> {
        if packet.len > LINK + self.mtu {
            return Err(format!("{} bytes are more than the MTU allows", packet.len));
        }
        let sliced =
            SlicedPacket::from_ethernet(packet.bytes).map_err(|error| error.to_string())?;
        let Some(net) = &sliced.net else { return Ok(()) };
        check_ipv4_header(net)?;
        match &sliced.transport {
            Some(TransportSlice::Tcp(tcp)) => {
                check_tcp(net, tcp)?;
                match packet.direction {
                    Direction::In => self.incoming.note(tcp),
                    Direction::Out => self.outgoing.note(tcp),
                }
                Ok(())
            }
            Some(TransportSlice::Udp(udp)) => {
                self.datagrams += 1;
                check_udp(net, udp)
            }
            _ => Ok(()),
        }
    }
}

fn check_ipv4_header(net: &NetSlice<'_>) -> Result<(), String> {
    let NetSlice::Ipv4(ip) = net else { return Ok(()) };
    let header = ip.header().to_header();
    same("IPv4 header checksum", header.header_checksum, header.calc_header_checksum())
}

fn check_tcp(net: &NetSlice<'_>, tcp: &TcpSlice<'_>) -> Result<(), String> {
    let computed = match net {
        NetSlice::Ipv4(ip) => {
            tcp.calc_checksum_ipv4(ip.header().source(), ip.header().destination())
        }
        NetSlice::Ipv6(ip) => {
            tcp.calc_checksum_ipv6(ip.header().source(), ip.header().destination())
        }
        NetSlice::Arp(_) => return Ok(()),
    };
    same("TCP checksum", tcp.checksum(), computed.map_err(|error| error.to_string())?)
}

fn check_udp(net: &NetSlice<'_>, udp: &UdpSlice<'_>) -> Result<(), String> {
    let (header, payload) = (udp.to_header(), udp.payload());
    let computed = match net {
        NetSlice::Ipv4(ip) => header.calc_checksum_ipv4(&ip.header().to_header(), payload),
        NetSlice::Ipv6(ip) => header.calc_checksum_ipv6(&ip.header().to_header(), payload),
        NetSlice::Arp(_) => return Ok(()),
    };
    same("UDP checksum", udp.checksum(), computed.map_err(|error| error.to_string())?)
}

/// Whether these are the same checksum. In ones' complement 0 is written as 0xffff too, and kernels do.
fn same(what: &str, found: u16, computed: u16) -> Result<(), String> {
    if found % 0xffff == computed % 0xffff {
        Ok(())
    } else {
        Err(format!("{what} {found:#06x} should be {computed:#06x}"))
    }
}

impl Stream {
    fn note(&mut self, tcp: &TcpSlice<'_>) {
        let sequence = tcp.sequence_number();
        if tcp.syn() {
            self.first = Some(sequence.wrapping_add(1));
        }
        let Some(first) = self.first else { return };
        let begin = sequence.wrapping_sub(first);
        let len = u32::try_from(tcp.payload().len()).expect("a packet is short");
        if len > 0 {
            self.parts.push((begin, begin.wrapping_add(len)));
        }
    }

    fn payloads(&self) -> impl Iterator<Item = u32> {
        self.parts.iter().map(|(begin, end)| end.wrapping_sub(*begin))
    }

    /// The union of the parts: what was sent twice counts once.
    fn len(&self) -> u64 {
        let mut parts = self.parts.clone();
        parts.sort_unstable();
        let (mut total, mut end) = (0, 0);
        for (from, to) in parts {
            total += u64::from(to.saturating_sub(from.max(end)));
            end = end.max(to);
        }
        total
    }
}

/// The look itself must be able to see.
#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;

    use super::*;

    fn packet(payload: usize) -> Vec<u8> {
        let builder = PacketBuilder::ethernet2([2; 6], [4; 6])
            .ipv4([192, 0, 2, 1], [192, 0, 2, 2], 64)
            .tcp(5000, 1024, 7, 512);
        let mut bytes = Vec::new();
        builder.write(&mut bytes, &vec![1; payload]).unwrap();
        bytes
    }

    fn problems(bytes: &[u8]) -> Vec<String> {
        let mut seen = Seen::nothing(1500);
        seen.note(&Captured { direction: Direction::In, bytes, len: bytes.len() });
        seen.problems
    }

    #[test]
    fn a_flipped_bit_and_a_large_packet_are_noticed() {
        assert!(problems(&packet(1460)).is_empty());
        assert!(problems(&packet(1461))[0].contains("MTU"));
        for (offset, what) in [(14 + 8, "IPv4 header"), (14 + 20 + 4, "TCP"), (100, "TCP")] {
            let mut bytes = packet(500);
            bytes[offset] ^= 1;
            assert!(problems(&bytes)[0].contains(what), "{offset}: {:?}", problems(&bytes));
        }
    }

    #[test]
    fn a_flipped_bit_of_a_datagram_is_noticed() {
        let builder =
            PacketBuilder::ethernet2([2; 6], [4; 6]).ipv6([1; 16], [2; 16], 64).udp(6000, 1024);
        let mut bytes = Vec::new();
        builder.write(&mut bytes, &[1; 1400]).unwrap();
        assert!(problems(&bytes).is_empty());
        bytes[1000] ^= 1;
        assert!(problems(&bytes)[0].contains("UDP"), "{:?}", problems(&bytes));
    }

    #[test]
    fn bytes_sent_twice_count_once_and_missing_ones_do_not() {
        let stream = Stream { first: Some(0), parts: vec![(0, 10), (20, 30), (5, 15), (0, 10)] };
        assert_eq!(stream.len(), 25);
    }
}
