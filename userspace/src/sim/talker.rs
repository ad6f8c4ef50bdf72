//! One side of a TCP connection: well-formed packets, one after the other.

use sluice_common::checksum::{pseudo_header, sum};
use sluice_common::offload::{GsoType, VnetHeader};
use sluice_common::wire::{Addresses, EtherType, Protocol, ethernet, tcp};

/// Bytes of an IPv4 header without options.
const IP: usize = 20;

/// One side of a TCP connection over IPv4.
///
/// Its payload says where it belongs: the byte at sequence number `s` is [`Talker::byte`]`(s)`.
#[derive(Clone, Debug)]
pub struct Talker {
    src: [u8; 4],
    dst: [u8; 4],
    port: u16,
    seq: u32,
    id: u16,
}

impl Talker {
    /// The side with source port `port`, from sequence number `seq` on.
    #[must_use]
    pub const fn new(port: u16, seq: u32) -> Self {
        Self { src: [192, 0, 2, 1], dst: [192, 0, 2, 2], port, seq, id: 1 }
    }

    /// The byte at sequence number `seq` of every talker.
    #[must_use]
    pub const fn byte(seq: u32) -> u8 {
        (seq ^ (seq >> 8) ^ (seq >> 16)) as u8
    }

    /// The next packet as it stands on the wire, with `payload` bytes of payload.
    pub fn packet(&mut self, payload: usize, flags: tcp::Flags) -> Vec<u8> {
        let mut bytes = vec![0; ethernet::HEADER_LEN];
        ethernet::write_header(&mut bytes, [2; 6], [4; 6], EtherType::IPV4);
        let mut ip = self.ip(payload, flags);
        let at = IP + tcp::CHECKSUM;
        let whole = sum(&ip[IP..]);
        ip[at..at + 2].copy_from_slice(&whole.checksum().to_be_bytes());
        bytes.extend(ip);
        bytes
    }

    /// The next super-packet as a TUN device gives it, with `payload` bytes of payload in segments of
    /// `gso_size`. With all of it in one segment it is a packet with a partial checksum.
    pub fn super_packet(&mut self, payload: usize, gso_size: u16, flags: tcp::Flags) -> Vec<u8> {
        let mut vnet = VnetHeader {
            flags: VnetHeader::NEEDS_CSUM,
            csum_start: IP as u16,
            csum_offset: tcp::CHECKSUM as u16,
            ..VnetHeader::default()
        };
        if payload > usize::from(gso_size) {
            vnet.gso_type = GsoType::TCPV4.0 as u8;
            vnet.gso_size = gso_size;
            vnet.hdr_len = (IP + tcp::HEADER_LEN) as u16;
        }
        let mut bytes = vnet.to_bytes().to_vec();
        bytes.extend(self.ip(payload, flags));
        bytes
    }

    /// An IP packet whose TCP checksum field holds the pseudo-header sum.
    fn ip(&mut self, payload: usize, flags: tcp::Flags) -> Vec<u8> {
        let segment = tcp::HEADER_LEN + payload;
        let mut bytes = self.ip_header(IP + segment);
        bytes.extend(self.port.to_be_bytes());
        bytes.extend(5001_u16.to_be_bytes());
        bytes.extend(self.seq.to_be_bytes());
        bytes.extend([0, 0, 0, 1, 0x50, flags.0, 0x20, 0]);
        let addresses = Addresses::V4 { src: self.src, dst: self.dst };
        let pseudo = pseudo_header(&addresses, Protocol::TCP, segment as u16);
        bytes.extend(pseudo.folded().to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend((0..payload as u32).map(|at| Self::byte(self.seq.wrapping_add(at))));
        self.seq = self.seq.wrapping_add(payload as u32);
        bytes
    }

    fn ip_header(&mut self, len: usize) -> Vec<u8> {
        let [l0, l1] = (len as u16).to_be_bytes();
        let [i0, i1] = self.id.to_be_bytes();
        self.id = self.id.wrapping_add(1);
        let mut bytes = vec![0x45, 0, l0, l1, i0, i1, 0x40, 0, 64, Protocol::TCP.0, 0, 0];
        bytes.extend(self.src);
        bytes.extend(self.dst);
        let checksum = sum(&bytes).checksum().to_be_bytes();
        bytes[10..12].copy_from_slice(&checksum);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_sums_to_nothing() {
        let packet = Talker::new(40_000, 7).packet(101, tcp::Flags::ACK);
        let ip = &packet[ethernet::HEADER_LEN..];
        assert_eq!(sum(&ip[..IP]).folded(), 0xffff);
        let addresses = Addresses::V4 { src: [192, 0, 2, 1], dst: [192, 0, 2, 2] };
        let pseudo = pseudo_header(&addresses, Protocol::TCP, 121);
        assert_eq!((pseudo + sum(&ip[IP..])).folded(), 0xffff);
    }

    #[test]
    fn packets_follow_each_other() {
        let mut talker = Talker::new(40_000, u32::MAX);
        let [first, second] = [(); 2].map(|()| talker.packet(2, tcp::Flags::ACK));
        assert_eq!(first[38..42], [0xff; 4]);
        assert_eq!(second[38..42], [0, 0, 0, 1]);
        assert_eq!(first[54..], [Talker::byte(u32::MAX), Talker::byte(0)]);
    }
}
