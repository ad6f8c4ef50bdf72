//! What is changed in the packets of a train.

use core::net::IpAddr;

use crate::checksum::{Sum, sum};
use crate::classify::Field;
use crate::wire::ethernet::{self, Mac};
use crate::wire::{Addresses, Fragment, Headers, Ports, Protocol, ipv4, ipv6, tcp, udp, vlan};

/// Where the checksum stands in an ICMPv6 header (RFC 4443 §2.1). Unlike ICMP's it covers a pseudo header.
const ICMPV6_CHECKSUM: usize = 2;

/// New values for header fields; [`Edit::default`] has none.
///
/// ```
/// use sluice_common::classify::Field;
/// use sluice_common::stage::Edit;
///
/// let to = [10, 0, 0, 7].into();
/// let edit = Edit::default().with_address(Field::Destination, to).with_port(Field::Destination, 8080);
/// assert!(!edit.is_nothing());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edit {
    /// Source and destination, as in the others.
    macs: [Option<Mac>; 2],
    vlan: Option<u16>,
    addresses: [Option<IpAddr>; 2],
    ports: [Option<u16>; 2],
}

impl Edit {
    /// Another MAC address at this end.
    #[must_use]
    pub const fn with_mac(mut self, end: Field, mac: Mac) -> Self {
        self.macs[end as usize] = Some(mac);
        self
    }

    /// Another VLAN ID, below 4096, in the outermost tag, whose priority stays. An untagged packet stays
    /// untagged.
    #[must_use]
    pub const fn with_vlan(mut self, vlan: u16) -> Self {
        self.vlan = Some(vlan);
        self
    }

    /// Another IP address at this end. Packets of the other family keep theirs.
    #[must_use]
    pub const fn with_address(mut self, end: Field, address: IpAddr) -> Self {
        self.addresses[end as usize] = Some(address);
        self
    }

    /// Another port at this end of TCP and UDP packets. A later fragment has none.
    #[must_use]
    pub const fn with_port(mut self, end: Field, port: u16) -> Self {
        self.ports[end as usize] = Some(port);
        self
    }

    /// Whether packets stay as they are.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// What [`Headers::parse`] makes of a packet after the edit that it made `before` of.
    #[must_use]
    pub fn headers(&self, before: &Headers) -> Headers {
        let vlan = self.vlan.map_or(before.vlan, |vlan| before.vlan.with_vlan_id(vlan));
        let addresses = self.addresses_after(before.addresses);
        let ports = before.ports.map(|ports| self.ports_after(ports));
        Headers { vlan, addresses, ports, ..*before }
    }

    fn ports_after(&self, before: Ports) -> Ports {
        let [src, dst] = self.ports;
        Ports { src: src.unwrap_or(before.src), dst: dst.unwrap_or(before.dst) }
    }

    fn addresses_after(&self, before: Addresses) -> Addresses {
        let [new_src, new_dst] = self.addresses;
        match before {
            Addresses::V4 { src, dst } => {
                Addresses::V4 { src: v4(new_src).unwrap_or(src), dst: v4(new_dst).unwrap_or(dst) }
            }
            Addresses::V6 { src, dst } => {
                Addresses::V6 { src: v6(new_src).unwrap_or(src), dst: v6(new_dst).unwrap_or(dst) }
            }
        }
    }

    /// Changes `packet`, the first piece of an Ethernet frame with all headers in it, which has these
    /// `headers`.
    ///
    /// The checksums of IPv4, TCP, UDP and ICMPv6 are not made anew but changed by what the fields change
    /// (RFC 1624): a wrong one stays wrong, so that whoever gets the packet finds out. `partial`: the
    /// transport checksum holds the pseudo-header sum only, in which ports do not count. A UDP checksum of
    /// 0, none, stays. Of a fragmented packet it stands in the first fragment, and is changed there.
    ///
    /// Where a field is beyond the end of `packet`, nothing is written.
    pub fn apply(&self, packet: &mut [u8], headers: &Headers, partial: bool) {
        self.write_link(packet, headers);
        let addresses = self.write_addresses(packet, headers);
        if !headers.is_ipv6() {
            let at = usize::from(headers.network) + ipv4::CHECKSUM;
            change(packet, at, |field| complete(field, addresses));
        }
        let ports = self.write_ports(packet, headers);
        if let Some(at) = checksum_at(headers) {
            change(packet, at, |field| match headers.protocol {
                Protocol::UDP if field == 0 => 0,
                _ if partial => (Sum::of(field) + addresses).folded(),
                protocol => match complete(field, addresses + ports) {
                    // It would say that there is none.
                    0 if protocol == Protocol::UDP => 0xffff,
                    checksum => checksum,
                },
            });
        }
    }

    /// A packet without a link header has nothing of it changed.
    fn write_link(&self, packet: &mut [u8], headers: &Headers) {
        if usize::from(headers.network) < ethernet::HEADER_LEN {
            return;
        }
        for (mac, at) in self.macs.into_iter().zip([6, 0]) {
            if let Some(mac) = mac {
                replace(packet, at, &mac);
            }
        }
        if let (Some(vlan), 1..) = (self.vlan, headers.vlan.count()) {
            change(packet, ethernet::HEADER_LEN, |tci| tci & !vlan::ID | vlan::id(vlan));
        }
    }

    /// Returns by what the sum of the addresses changes.
    fn write_addresses(&self, packet: &mut [u8], headers: &Headers) -> Sum {
        let network = usize::from(headers.network);
        match self.addresses_after(headers.addresses) {
            Addresses::V4 { src, dst } => {
                replace(packet, network + ipv4::ADDRESSES, [src, dst].as_flattened())
            }
            Addresses::V6 { src, dst } => {
                replace(packet, network + ipv6::ADDRESSES, [src, dst].as_flattened())
            }
        }
    }

    /// Returns by what the sum of the ports changes.
    fn write_ports(&self, packet: &mut [u8], headers: &Headers) -> Sum {
        let Some(Ports { src, dst }) = headers.ports.map(|ports| self.ports_after(ports)) else {
            return Sum::default();
        };
        let ports = [src, dst].map(u16::to_be_bytes);
        replace(packet, headers.transport.into(), ports.as_flattened())
    }
}

fn v4(address: Option<IpAddr>) -> Option<[u8; 4]> {
    match address {
        Some(IpAddr::V4(address)) => Some(address.octets()),
        _ => None,
    }
}

fn v6(address: Option<IpAddr>) -> Option<[u8; 16]> {
    match address {
        Some(IpAddr::V6(address)) => Some(address.octets()),
        _ => None,
    }
}

/// Where the checksum stands that covers the addresses besides IPv4's own, if this packet has one.
fn checksum_at(headers: &Headers) -> Option<usize> {
    let offset = match headers.protocol {
        _ if headers.fragment == Fragment::Later => return None,
        Protocol::TCP => tcp::CHECKSUM,
        Protocol::UDP => udp::CHECKSUM,
        Protocol::ICMPV6 if headers.is_ipv6() => ICMPV6_CHECKSUM,
        _ => return None,
    };
    Some(usize::from(headers.transport) + offset)
}

/// Writes whole words at `at`. Returns by what a sum changes that they are part of (RFC 1624, equation 3).
fn replace(packet: &mut [u8], at: usize, new: &[u8]) -> Sum {
    match packet.get_mut(at..at + new.len()) {
        Some(old) if old != new => {
            let change = Sum::of(sum(old).checksum()) + sum(new);
            old.copy_from_slice(new);
            change
        }
        _ => Sum::default(),
    }
}

/// Changes the word at `at`.
fn change(packet: &mut [u8], at: usize, to: impl FnOnce(u16) -> u16) {
    if let Some(word) = packet.get_mut(at..at + 2).and_then(|word| word.first_chunk_mut()) {
        *word = to(u16::from_be_bytes(*word)).to_be_bytes();
    }
}

/// A complete checksum once the sum of what it covers changes by `change`.
fn complete(checksum: u16, change: Sum) -> u16 {
    (Sum::of(!checksum) + change).checksum()
}
