//! How a flow is called, and which flows are asked for.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use sluice_common::wire::{Addresses, EtherType, Fragment, Headers, Protocol, Unparsed};

use super::packet::Packet;

/// Where the packets of a flow come from and go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Its name: both ends, and the protocol.
    pub name: String,
    /// Address and port of both ends, as far as it has them.
    ends: Vec<(IpAddr, Option<u16>)>,
}

impl Flow {
    /// The flow of a packet.
    pub(super) fn of(packet: &Packet) -> Self {
        let mut flow = match Headers::parse(packet.seen(), packet.link.link()) {
            Ok(headers) => Self::of_headers(&headers),
            Err(reason) => Self { name: nameless(reason).to_owned(), ends: Vec::new() },
        };
        if packet.interface > 0 {
            let _ = write!(flow.name, " on interface {}", packet.interface);
        }
        flow
    }

    fn of_headers(headers: &Headers) -> Self {
        let addresses = match headers.addresses {
            Addresses::V4 { src, dst } => [src, dst].map(|end| IpAddr::V4(Ipv4Addr::from(end))),
            Addresses::V6 { src, dst } => [src, dst].map(|end| IpAddr::V6(Ipv6Addr::from(end))),
        };
        let ports = headers.ports.map_or([None; 2], |ports| [Some(ports.src), Some(ports.dst)]);
        let ends = [0, 1].map(|side| (addresses[side], ports[side]));
        let [from, to] = ends.map(end_text);
        let mut name = format!("{from} > {to} {}", protocol_text(headers.protocol));
        if headers.fragment != Fragment::Whole {
            name.push_str(" fragment");
        }
        if headers.vlan.count() > 0 {
            let _ = write!(name, " vlan {}", headers.vlan.vlan_id());
        }
        Self { name, ends: ends.to_vec() }
    }
}

fn end_text((address, port): (IpAddr, Option<u16>)) -> String {
    match (address, port) {
        (address, None) => address.to_string(),
        (IpAddr::V4(address), Some(port)) => format!("{address}:{port}"),
        (IpAddr::V6(address), Some(port)) => format!("[{address}]:{port}"),
    }
}

fn protocol_text(protocol: Protocol) -> String {
    match protocol {
        Protocol::TCP => "tcp".to_owned(),
        Protocol::UDP => "udp".to_owned(),
        Protocol::ICMP => "icmp".to_owned(),
        Protocol::ICMPV6 => "icmp6".to_owned(),
        Protocol(number) => format!("protocol {number}"),
    }
}

/// How packets are called that are not IP, or cannot be followed.
fn nameless(reason: Unparsed) -> &'static str {
    match reason {
        Unparsed::NotIp(EtherType::ARP) => "ARP",
        Unparsed::NotIp(_) => "not IP",
        Unparsed::Truncated => "too short",
        Unparsed::TooManyTags => "too many VLAN tags",
        Unparsed::TooManyExtensions => "too many extension headers",
        Unparsed::BadVersion | Unparsed::BadHeaderLength => "no IP header",
    }
}

/// One end of a flow: an address, a port, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowFilter {
    address: Option<IpAddr>,
    port: Option<u16>,
}

impl FlowFilter {
    /// Whether either end of `flow` is this one.
    #[must_use]
    pub fn matches(&self, flow: &Flow) -> bool {
        flow.ends.iter().any(|(address, port)| {
            self.address.is_none_or(|wanted| wanted == *address)
                && self.port.is_none_or(|wanted| Some(wanted) == *port)
        })
    }
}

impl FromStr for FlowFilter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self { address: Some(address), port: None });
        }
        if let Ok(end) = text.parse::<std::net::SocketAddr>() {
            return Ok(Self { address: Some(end.ip()), port: Some(end.port()) });
        }
        match text.strip_prefix(':').map(str::parse) {
            Some(Ok(port)) => Ok(Self { address: None, port: Some(port) }),
            _ => Err("an end of a flow is ADDRESS, ADDRESS:PORT, [IPV6]:PORT or :PORT".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use sluice_common::testing;
    use sluice_common::wire::ipv4;

    use super::*;
    use crate::explain::interface::LinkType;

    fn flow(packet: &testing::Packet) -> Flow {
        let bytes = packet.build();
        Flow::of(&Packet::new(1, 0, 0, LinkType::Ethernet, &bytes, bytes.len()))
    }

    #[test]
    fn a_flow_is_called_by_its_ends() {
        let tcp6 = testing::Packet { tags: vec![(EtherType::VLAN, 7)], ..testing::Packet::tcp6() };
        let fragment = testing::Packet { fragment_word: ipv4::MF | 9, ..testing::Packet::udp4() };
        assert_eq!(flow(&testing::Packet::tcp4()).name, "10.0.0.1:40000 > 10.0.0.2:5001 tcp");
        assert_eq!(flow(&tcp6).name, "[fd00::1]:40000 > [fd00::2]:5001 tcp vlan 7");
        assert_eq!(flow(&fragment).name, "10.0.0.1 > 10.0.0.2 udp fragment");
    }

    #[test]
    fn an_end_is_an_address_a_port_or_both() {
        let flow = flow(&testing::Packet::tcp4());
        let matches = |text: &str| text.parse::<FlowFilter>().unwrap().matches(&flow);
        for text in ["10.0.0.1", "10.0.0.2:5001", ":40000"] {
            assert!(matches(text), "{text}");
        }
        for text in ["10.0.0.3", "10.0.0.2:500", "[::1]:5001", ":4000"] {
            assert!(!matches(text), "{text}");
        }
        assert!("port 5".parse::<FlowFilter>().is_err());
    }
}
