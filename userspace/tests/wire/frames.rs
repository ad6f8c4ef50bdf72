//! Frames of every kind, as many as wanted, the same for the same seed.

use std::net::{Ipv4Addr, Ipv6Addr};

use etherparse::{
    ArpHardwareId, ArpOperation, ArpPacket, EtherType, IcmpEchoHeader, Icmpv4Header, Icmpv4Type,
    Icmpv6Header, Icmpv6Type, IpFragOffset, IpHeaders, IpNumber, Ipv4Extensions, Ipv4Header,
    Ipv6Extensions, Ipv6FlowLabel, Ipv6FragmentHeader, Ipv6Header, Ipv6RawExtHeader, TcpHeader,
    TcpOptionElement, UdpHeader,
};
use fastrand::Rng;

use crate::unchanged::Way;

/// The largest frame: MTU 1500 and an Ethernet header. A packet socket counts tags towards it.
const LARGEST: usize = 1514;

/// Flows in which the frames are.
const FLOWS: usize = 96;

/// How every link address begins: no host of the lab has one like it, and none answers.
const LINK: [u8; 4] = [2, 0xf1, 0x0e, 0];

/// Whether a frame is one of those made here.
pub(crate) fn ours(frame: &[u8]) -> bool {
    frame.len() >= 12 && frame[6..].starts_with(&LINK)
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// The number of its flow.
    pub(crate) flow: usize,
    pub(crate) bytes: Vec<u8>,
}

/// Frames of many flows, in runs of a few of one flow.
#[derive(Debug)]
pub(crate) struct Frames {
    random: Rng,
    flows: Vec<Flow>,
    flow: usize,
}

impl Frames {
    pub(crate) fn new(seed: u64, way: Way) -> Self {
        let mut random = Rng::with_seed(seed);
        let flows = (0..FLOWS).map(|number| Flow::new(number, way, &mut random)).collect();
        Self { random, flows, flow: 0 }
    }

    pub(crate) fn next(&mut self) -> Frame {
        if self.random.u8(..8) == 0 {
            self.flow = self.random.usize(..FLOWS);
        }
        Frame { flow: self.flow, bytes: self.flows[self.flow].frame(&mut self.random) }
    }
}

/// Everything that is the same in all its frames, and what counts up.
#[derive(Debug)]
struct Flow {
    id: u8,
    /// Link addresses and VLAN tags.
    link: Vec<u8>,
    network: Network,
    kind: Kind,
    spoilt: Spoilt,
    /// Payload of the frames that are full.
    full: usize,
    /// Frames made so far.
    count: u32,
}

/// Which checksum is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spoilt {
    None,
    Ip,
    Transport,
}

#[derive(Clone, Debug)]
enum Network {
    V4 { src: Ipv4Addr, dst: Ipv4Addr, options: &'static [u8], dont_fragment: bool },
    V6 { src: Ipv6Addr, dst: Ipv6Addr, extensions: u8 },
}

#[derive(Debug)]
enum Kind {
    Tcp {
        header: TcpHeader,
        options: Options,
    },
    Udp {
        ports: [u16; 2],
        checksum: bool,
    },
    /// Echo requests.
    Icmp,
    /// A UDP datagram in three parts, over and over.
    Fragments,
    Arp,
    Other(EtherType),
}

#[derive(Clone, Copy, Debug)]
enum Options {
    None,
    Timestamp,
    Sack,
}

impl Flow {
    /// Its addresses and ports hold its number: a frame of one flow is no frame of another.
    fn new(number: usize, way: Way, random: &mut Rng) -> Self {
        let id = number as u8;
        let (source, target) = if way == Way::AToB { (1, 2) } else { (2, 1) };
        let end = |end: u8| [LINK[0], LINK[1], LINK[2], LINK[3], end, id % 8];
        let mut link = [end(target), end(source)].concat();
        for tag in random.choice([&[][..], &[], &[0x81], &[0x88, 0x81], &[0x81, 0x81]]).unwrap() {
            let kind = if *tag == 0x88 { [0x88, 0xa8] } else { [0x81, 0] };
            link.extend(kind.into_iter().chain(random.u16(1..).to_be_bytes()));
        }
        let network = if random.bool() {
            let address = |end| Ipv4Addr::new(10, 7, end, id);
            let options = random.choice([&[][..], &[], &[], &[1; 4], &[1; 40]]).unwrap();
            let (src, dst) = (address(source), address(target));
            Network::V4 { src, dst, options, dont_fragment: random.bool() }
        } else {
            let address = |end| Ipv6Addr::new(0xfd07, 0, 0, 0, 0, 0, end, id.into());
            let (src, dst) = (address(source.into()), address(target.into()));
            Network::V6 { src, dst, extensions: random.choice([0, 0, 0, 1, 2, 3]).unwrap() }
        };
        let full = random.choice([1460, 1448, 1448, 1000, 536, 33, 1]).unwrap();
        let spoilt = match random.u8(..16) {
            0 => Spoilt::Ip,
            1 => Spoilt::Transport,
            _ => Spoilt::None,
        };
        Self { id, link, network, kind: Kind::new(number as u16, random), spoilt, full, count: 0 }
    }

    fn frame(&mut self, random: &mut Rng) -> Vec<u8> {
        self.count += 1;
        let mut frame = self.link.clone();
        match &self.kind {
            Kind::Arp => frame.extend(arp(self.id, &self.link, self.count)),
            Kind::Other(kind) => {
                frame.extend(kind.0.to_be_bytes());
                let len = random.usize(46..=LARGEST - frame.len());
                frame.extend(bytes(len, random));
            }
            Kind::Fragments => self.fragment(&mut frame, random),
            Kind::Tcp { .. } | Kind::Udp { .. } | Kind::Icmp => self.whole(&mut frame, random),
        }
        frame
    }

    /// The link is there; the rest follows.
    fn whole(&mut self, frame: &mut Vec<u8>, random: &mut Rng) {
        // Type, IP header, transport header.
        let room = LARGEST - frame.len() - 2 - self.ip(IpNumber::TCP).header_len() - 60;
        let payload = bytes(self.payload(random).min(room), random);
        let (protocol, header) = self.transport(&payload, random);
        let ip = self.ip(protocol);
        write(frame, ip, &[header, payload].concat());
        if self.spoilt == Spoilt::Ip && matches!(self.network, Network::V4 { .. }) {
            frame[self.link.len() + 2 + 10] ^= 0x55;
        }
    }

    /// Mostly full, so that they can be coalesced.
    fn payload(&self, random: &mut Rng) -> usize {
        match random.u8(..10) {
            0 => 0,
            1 | 2 => random.usize(..=self.full),
            _ => self.full,
        }
    }

    fn fragment(&self, frame: &mut Vec<u8>, random: &mut Rng) {
        let part = self.count % 3;
        // Eight-byte units (RFC 791); the first part begins with the UDP header.
        let (offset, more) = (part * 64, part < 2);
        let len = if more { 512 } else { random.usize(1..=512) };
        let mut body = bytes(len, random);
        if part == 0 {
            let length = 8 + 1024 + 200;
            body[..8].copy_from_slice(&UdpHeader::to_bytes(&UdpHeader {
                source_port: 7,
                destination_port: 7,
                length,
                checksum: 0x1234,
            }));
        }
        let offset = IpFragOffset::try_new(offset as u16).expect("it has 13 bits");
        let mut ip = self.ip(IpNumber::UDP);
        match &mut ip {
            IpHeaders::Ipv4(header, _) => {
                header.identification = (self.count / 3) as u16;
                header.dont_fragment = false;
                header.more_fragments = more;
                header.fragment_offset = offset;
            }
            IpHeaders::Ipv6(_, extensions) => {
                let header = Ipv6FragmentHeader::new(IpNumber::UDP, offset, more, self.count / 3);
                extensions.fragment = Some(header);
            }
        }
        write(frame, ip, &body);
    }

    /// Its length follows.
    fn ip(&self, protocol: IpNumber) -> IpHeaders {
        match self.network {
            Network::V4 { src, dst, options, dont_fragment } => {
                let mut header =
                    Ipv4Header::new(0, 64, protocol, src.octets(), dst.octets()).expect("it fits");
                header.options = options.try_into().expect("they are whole words");
                header.dont_fragment = dont_fragment;
                header.identification = self.count as u16;
                IpHeaders::Ipv4(header, Ipv4Extensions::default())
            }
            Network::V6 { src, dst, extensions } => {
                let header = Ipv6Header {
                    traffic_class: 0,
                    flow_label: Ipv6FlowLabel::try_new(src.segments()[7].into()).expect("20 bits"),
                    payload_length: 0,
                    next_header: protocol,
                    hop_limit: 64,
                    source: src.octets(),
                    destination: dst.octets(),
                };
                IpHeaders::Ipv6(header, chain(extensions))
            }
        }
    }

    /// A transport header for `payload`.
    fn transport(&mut self, payload: &[u8], random: &mut Rng) -> (IpNumber, Vec<u8>) {
        let (network, spoil, count) =
            (&self.network, u16::from(self.spoilt == Spoilt::Transport), self.count);
        match &mut self.kind {
            Kind::Tcp { header, options } => {
                advance(header, *options, payload.len(), count, random);
                header.checksum = spoil ^ tcp_checksum(network, header, payload);
                let bytes = header.to_bytes().to_vec();
                header.sequence_number = header.sequence_number.wrapping_add(payload.len() as u32);
                (IpNumber::TCP, bytes)
            }
            Kind::Udp { ports: [source, target], checksum } => {
                let mut header = UdpHeader {
                    source_port: *source,
                    destination_port: *target,
                    ..UdpHeader::default()
                };
                header.length = (UdpHeader::LEN + payload.len()) as u16;
                if *checksum || matches!(network, Network::V6 { .. }) {
                    header.checksum = spoil ^ udp_checksum(network, &header, payload);
                }
                (IpNumber::UDP, header.to_bytes().to_vec())
            }
            Kind::Icmp => echo(network, count as u16, payload),
            Kind::Fragments | Kind::Arp | Kind::Other(_) => unreachable!("they have no transport"),
        }
    }
}

impl Kind {
    fn new(number: u16, random: &mut Rng) -> Self {
        let ports = [40_000 + number, random.choice([5201, 443, 53, 9]).unwrap()];
        match random.u8(..16) {
            0..8 => Self::Tcp {
                header: TcpHeader::new(ports[0], ports[1], random.u32(..), 512),
                options: random
                    .choice([Options::None, Options::Timestamp, Options::Timestamp, Options::Sack])
                    .unwrap(),
            },
            8..11 => Self::Udp { ports, checksum: random.u8(..4) > 0 },
            11 => Self::Icmp,
            12 | 13 => Self::Fragments,
            14 => Self::Arp,
            // For local experiments (IEEE 802), MPLS, and a length as in IEEE 802.3.
            _ => Self::Other(EtherType(random.choice([0x88b5, 0x8847, 0x0100]).unwrap())),
        }
    }
}

/// Makes a header that of the next segment: mostly the one that follows, sometimes a surprise.
fn advance(header: &mut TcpHeader, options: Options, payload: usize, count: u32, random: &mut Rng) {
    if random.u8(..32) == 0 {
        header.sequence_number = header.sequence_number.wrapping_sub(random.u32(..3000));
    }
    if payload == 0 || random.u8(..8) == 0 {
        header.acknowledgment_number = header.acknowledgment_number.wrapping_add(1448);
    }
    if random.u8(..32) == 0 {
        header.window_size = random.u16(..);
    }
    header.ack = random.u8(..64) > 0;
    header.psh = random.u8(..8) == 0;
    let surprise = random.u8(..);
    header.fin = surprise == 1;
    header.syn = surprise == 2;
    header.rst = surprise == 3;
    header.urg = surprise == 4;
    header.ece = surprise == 5;
    header.cwr = surprise == 6;
    let noop = TcpOptionElement::Noop;
    let elements = match options {
        Options::None => vec![],
        Options::Timestamp => vec![noop.clone(), noop, TcpOptionElement::Timestamp(count / 16, 7)],
        Options::Sack => {
            let blocks = [Some((count, count + 9)), None, None];
            vec![noop.clone(), noop, TcpOptionElement::SelectiveAcknowledgement((1, 5), blocks)]
        }
    };
    header.set_options(&elements).expect("they fit");
}

fn tcp_checksum(network: &Network, header: &TcpHeader, payload: &[u8]) -> u16 {
    match network {
        Network::V4 { src, dst, .. } => {
            header.calc_checksum_ipv4_raw(src.octets(), dst.octets(), payload)
        }
        Network::V6 { src, dst, .. } => {
            header.calc_checksum_ipv6_raw(src.octets(), dst.octets(), payload)
        }
    }
    .expect("it is short")
}

fn udp_checksum(network: &Network, header: &UdpHeader, payload: &[u8]) -> u16 {
    match network {
        Network::V4 { src, dst, .. } => {
            header.calc_checksum_ipv4_raw(src.octets(), dst.octets(), payload)
        }
        Network::V6 { src, dst, .. } => {
            header.calc_checksum_ipv6_raw(src.octets(), dst.octets(), payload)
        }
    }
    .expect("it is short")
}

fn echo(network: &Network, seq: u16, payload: &[u8]) -> (IpNumber, Vec<u8>) {
    let echo = IcmpEchoHeader { id: 7, seq };
    match network {
        Network::V4 { .. } => {
            let header = Icmpv4Header::with_checksum(Icmpv4Type::EchoRequest(echo), payload);
            (IpNumber::ICMP, header.to_bytes().to_vec())
        }
        Network::V6 { src, dst, .. } => {
            let kind = Icmpv6Type::EchoRequest(echo);
            let header = Icmpv6Header::with_checksum(kind, src.octets(), dst.octets(), payload);
            (IpNumber::IPV6_ICMP, header.expect("it is short").to_bytes().to_vec())
        }
    }
}

/// So many IPv6 extension headers.
fn chain(extensions: u8) -> Ipv6Extensions {
    // One padding option over the whole of it (RFC 8200 §4.2).
    let padding = |words: u8| {
        let len = 6 + 8 * words;
        let payload = [&[1, len - 2][..], &vec![0; usize::from(len) - 2]].concat();
        Ipv6RawExtHeader::new_raw(IpNumber::UDP, &payload).expect("whole words")
    };
    let mut chain = Ipv6Extensions::default();
    if extensions > 0 {
        chain.hop_by_hop_options = Some(padding(0));
    }
    if extensions > 1 {
        chain.destination_options = Some(padding(extensions - 2));
    }
    chain
}

/// Type, headers and body.
fn write(frame: &mut Vec<u8>, mut ip: IpHeaders, body: &[u8]) {
    let (kind, protocol) = match &ip {
        IpHeaders::Ipv4(header, _) => (EtherType::IPV4, header.protocol),
        IpHeaders::Ipv6(header, _) => (EtherType::IPV6, header.next_header),
    };
    // The type it returns is that of IPv4 for either.
    ip.set_next_headers(protocol);
    ip.set_payload_len(body.len()).expect("it fits");
    frame.extend(kind.0.to_be_bytes());
    ip.write(frame).expect("a vector takes all");
    frame.extend(body);
}

/// A request for an address that nobody has.
fn arp(id: u8, link: &[u8], count: u32) -> Vec<u8> {
    let sender = &link[6..12];
    let target = Ipv4Addr::from_bits(0x0a07_6300 + count % 0x100);
    let packet = ArpPacket::new(
        ArpHardwareId::ETHERNET,
        EtherType::IPV4,
        ArpOperation::REQUEST,
        sender,
        &[10, 7, 98, id],
        &[0; 6],
        &target.octets(),
    );
    let packet = packet.expect("the addresses are as long as they should be").to_bytes();
    // Padded to the smallest frame, or not.
    let padding = if count.is_multiple_of(2) { 18 } else { 0 };
    [&EtherType::ARP.0.to_be_bytes()[..], &packet, &vec![0; padding]].concat()
}

fn bytes(len: usize, random: &mut Rng) -> Vec<u8> {
    let mut bytes = vec![0; len];
    random.fill(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use etherparse::{NetSlice, SlicedPacket, TransportSlice};

    use super::*;

    /// What another parser sees in a frame.
    fn seen(frame: &[u8]) -> (usize, &'static str, &'static str) {
        let sliced = SlicedPacket::from_ethernet(frame).expect("no frame is malformed");
        let network = match &sliced.net {
            Some(NetSlice::Ipv4(ip)) if ip.header().options().is_empty() => "IPv4",
            Some(NetSlice::Ipv4(_)) => "IPv4 with options",
            Some(NetSlice::Ipv6(ip)) if ip.extensions().first_header().is_none() => "IPv6",
            Some(NetSlice::Ipv6(_)) => "IPv6 with extensions",
            Some(NetSlice::Arp(_)) => "ARP",
            None => "other",
        };
        let transport = match &sliced.transport {
            Some(TransportSlice::Tcp(tcp)) if tcp.options().is_empty() => "TCP",
            Some(TransportSlice::Tcp(_)) => "TCP with options",
            Some(TransportSlice::Udp(_)) => "UDP",
            Some(_) => "ICMP",
            None if sliced.is_ip_payload_fragmented() => "fragment",
            None => "other",
        };
        (sliced.link_exts.len(), network, transport)
    }

    #[test]
    fn every_kind_is_made() {
        let mut frames = Frames::new(1, Way::AToB);
        let made: Vec<_> = (0..20_000).map(|_| frames.next().bytes).collect();
        let seen: BTreeSet<_> = made.iter().map(|frame| seen(frame)).collect();
        for tags in 0..=2 {
            assert!(seen.iter().any(|(count, ..)| *count == tags), "{tags} tags: {seen:?}");
        }
        for what in ["IPv4", "IPv4 with options", "IPv6", "IPv6 with extensions", "ARP", "other"] {
            assert!(seen.iter().any(|(_, network, _)| *network == what), "{what}: {seen:?}");
        }
        for what in ["TCP", "TCP with options", "UDP", "ICMP", "fragment"] {
            assert!(seen.iter().any(|(_, _, transport)| *transport == what), "{what}: {seen:?}");
        }
        let sizes: BTreeSet<_> = made.iter().map(Vec::len).collect();
        assert!(sizes.len() > 1000, "{} sizes", sizes.len());
        assert!(*sizes.first().unwrap() < 60 && *sizes.last().unwrap() == LARGEST);
        assert!(made.iter().all(|frame| ours(frame)));
    }
}
